import { beforeAll, describe, expect, test } from 'vitest';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import type { TrinoServer } from '../support/peers/trino.ts';
import { issuer, otherIssuer, type TrinoPeer, trinoPeer, USERS } from '../support/real-peers/trino.ts';
import { trinoStand } from '../support/stands/trino.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const START_MS = 180_000;
const POLL = { timeout: 20_000 };
describePeer('Trino', trinoPeer.programs, () => {
  const used = useStand(trinoPeer.stand);
  const { tryIt } = used;
  let peer: TrinoPeer;
  let server: TrinoServer;
  beforeAll(async () => {
    peer = await used.shared();
    server = peer.server;
  }, START_MS);

  test('passes every check over TLS, and says what it found', async () => {
    const result = await tryIt({ schema: 'Sales' });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Trino 483', user: 'reader' },
      'tables/list': { catalog: 'my"hive', schema: 'Sales', tables: '2', more: 'false' },
    });
  });

  test('takes a name and a password for ISO-8859-1', async () => {
    expect((await tryIt({ username: 'jürgen', password: USERS.jürgen })).failure).toBeNull();
  });

  describe('by an access token', () => {
    const byToken = (accessToken: string) => tryIt({ password: undefined, accessToken });

    test('passes every check', async () => {
      const result = await byToken(issuer.token({ sub: 'reader' }));
      expect(result.failure).toBeNull();
      expect(result.evidence['session/authenticate']).toMatchObject({ server: 'Trino 483', user: 'reader' });
    });

    test.each<readonly [string, string, string, string]>([
      ['of another issuer', otherIssuer.token({ sub: 'reader' }), 'KEY_REFUSED', 'accessToken'],
      ['for another audience', issuer.token({ sub: 'reader', aud: 'x' }), 'KEY_REFUSED', 'accessToken'],
      ['that is none', 'no-token', 'KEY_REFUSED', 'accessToken'],
      ['that has expired', issuer.token({ sub: 'reader', exp: 1 }), 'TOKEN_EXPIRED', 'accessToken'],
      ['of another user', issuer.token({ sub: 'stranger' }), 'PERMISSION_DENIED', 'username'],
    ])('one %s is told', async (_title, token, code, configPath) => {
      expect(gist(await byToken(token))).toEqual({ at: 'session/authenticate', code, configPath });
    });
  });

  describeCauses(trinoPeer, used);

  test.each<readonly [string, Record<string, unknown>, string, string, string]>([
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown schema', { schema: "no'pe" }, 'tables/list', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a catalog of others', { catalog: 'closed' }, 'tables/list', 'PERMISSION_DENIED', 'username'],
    ['no right to run queries', { username: 'mute' }, 'session/authenticate', 'PERMISSION_DENIED', 'username'],
  ])('%s is told', async (_what, change, at, code, configPath) => {
    expect(gist(await tryIt(change))).toEqual({ at, code, configPath });
  });

  test('lets nobody in over clear text', async () => {
    const clear = { ...trinoStand.clearText, port: 8080 };
    const result = await used.tryAt({ port: server.clearPort }, clear);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });

  test('reads a catalog', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      { namespace: "o'hara", name: 't', kind: 'TABLE', columns: [{ name: 'd', dataType: 'date', nullable: true }] },
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'bigint', nullable: false },
          { name: 'name', dataType: 'varchar(20)', nullable: true },
          { name: 'a b', dataType: 'array(row("x" integer))', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'recent',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'bigint', nullable: true }],
      },
    ]);
  });

  test('reads a catalog of several pages', async () => {
    const result = await tryIt({ catalog: 'tpch' }, { catalog: true });
    expect(result.evidence['catalog/read']).toEqual({ entries: '72', columns: '549' });
  });

  describeTenancy(used);

  describe('while it is busy', () => {
    /** What has become of the connector's statements, the newest first. */
    const ends = async () => {
      const sql = `select error_code from system.runtime.queries where "user" = 'reader' order by created desc`;
      return (await server.administer(sql)).map(([code]) => code);
    };

    async function whileBusy<Result>(run: () => Promise<Result>): Promise<Result> {
      const end = await peer.busyWith(1);
      try {
        return await run();
      } finally {
        await end();
      }
    }

    test('a statement that waits is told, and ended with the test', async () => {
      const result = await whileBusy(() => tryIt({}, { deadline: 2_000 }));
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TIMEOUT', configPath: null });
      expect(result.failure?.hint).toMatch(/keeps it in a queue/);
      await expect.poll(async () => (await ends())[0], POLL).toBe('USER_CANCELED');
    });

    test('a statement that waits is ended with a test that is cancelled', async () => {
      const before = (await ends()).length;
      const result = await whileBusy(() => tryIt({}, { cancel: AbortSignal.timeout(1_500) }));
      expect(result.status).toBe('CANCELLED');
      await expect.poll(async () => (await ends())[0], POLL).toBe('USER_CANCELED');
      expect(await ends()).toHaveLength(before + 1);
    });
  });
});
