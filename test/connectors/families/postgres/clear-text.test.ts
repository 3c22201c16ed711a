import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { changedDestinations } from '../../../../src/connectors/kit/config/shape.ts';
import { PeerSocket } from '../../../../src/connectors/kit/contract/peer-socket.ts';
import { startConnectProxy } from '../../../support/peers/connect-proxy.ts';
import type { FakePostgresOptions } from '../../../support/peers/fake-postgres.ts';
import { ownCockroachdbStand } from '../../../support/stands/cockroachdb.ts';
import { fakePostgresStand } from '../../../support/stands/postgres.ts';
import { ownRedshiftStand } from '../../../support/stands/redshift.ts';
import type { Changes } from '../../../support/stands/stand.ts';
import { gist } from '../../../support/test-connection.ts';
import { useStand } from '../../../support/use-stand.ts';

/**
 * Of the addresses for documentation: nothing is ever reached there but through the proxy, which leads to this
 * machine.
 */
const ELSEWHERE = '192.0.2.7';
const stands = [fakePostgresStand, ownRedshiftStand, ownCockroachdbStand];
const ASKS: Partial<FakePostgresOptions> = { asks: 'clear' };

describe.each(stands.map((stand) => [stand.connector.type, useStand(stand)] as const))(
  'a %s that asks for the password in clear text',
  (_type, { stand, start, configFor, tryAt }) => {
    const tryElsewhere = async (changes: Changes = {}) => {
      const peer = await start(ASKS);
      const proxy = await startConnectProxy({ leadsTo: peer.port });
      const how = { lookup: async () => [ELSEWHERE], allow: [ELSEWHERE], proxy: proxy.url, names: {} };
      return { peer, result: await tryAt(peer, changes, how).finally(() => proxy.close()) };
    };

    test('does not get it without TLS, and is not signed in to', async () => {
      const { peer, result } = await tryElsewhere();
      expect(peer.startups).toHaveLength(1);
      expect(peer.answers).toEqual([]);
      expect(gist(result)).toEqual({
        at: 'session/authenticate',
        code: 'SIGN_IN_METHOD_REFUSED',
        configPath: 'tls.mode',
      });
      expect(result.failure?.hint).toMatch(/Turn TLS on.*allowCleartextPassword/);
    });

    test('gets it where the config allows it', async () => {
      const { peer, result } = await tryElsewhere({ allowCleartextPassword: true });
      expect(peer.answers).toEqual([configFor().password]);
      expect(result.failure?.code).not.toBe('SIGN_IN_METHOD_REFUSED');
    });

    test('gets it on this machine', async () => {
      const peer = await start(ASKS);
      const result = await tryAt(peer);
      expect(peer.answers).toEqual([configFor().password]);
      expect(result.failure?.code).not.toBe('SIGN_IN_METHOD_REFUSED');
    });

    test('wants the secrets again once the config allows it, and not once it forbids it', () => {
      const config = (changes: Changes = {}) =>
        stand.connector.config.parse(configFor(changes)) as Record<string, unknown>;
      const [without, allows, forbids] = [
        config(),
        config({ allowCleartextPassword: true }),
        config({ allowCleartextPassword: false }),
      ];
      const changed = (before: Record<string, unknown>, after: Record<string, unknown>) =>
        changedDestinations(stand.connector, before, after);
      expect(changed(without, allows)).toEqual(['allowCleartextPassword']);
      expect(changed(forbids, allows)).toEqual(['allowCleartextPassword']);
      for (const after of [without, forbids]) expect(changed(allows, after)).toEqual([]);
      expect(changed(without, forbids)).toEqual([]);
    });
  },
);

test.each([
  ['127.0.0.1', true],
  ['127.99.0.1', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['localhost', true],
  ['10.0.0.1', false],
  ['192.0.2.7', false],
  ['2001:db8::1', false],
  ['::ffff:10.0.0.1', false],
  ['localhost.example', false],
  ['127.0.0.1.example', false],
])('what is written to %s stays on the machine: %s', (address, stays) => {
  expect(new PeerSocket(new PassThrough(), { address, port: 5432 }).isLoopback).toBe(stays);
});
