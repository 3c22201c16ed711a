import { describe, expect, test } from 'vitest';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { errorBody } from '../support/peers/mysql-packets.ts';
import { startTarpit } from '../support/peers/tarpit.ts';
import { describeReach } from '../support/reach-table.ts';
import { singlestoreStand } from '../support/stands/singlestore.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { describeTls } from '../support/tls-table.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(singlestoreStand);
const { keep, start, tryAt, tryIt, tryWith } = stand;

test.each([
  ['over TLS', {}, ['tls/handshake: PASSED']],
  ['in the clear', { tls: { mode: 'DISABLE' } }, []],
])('passes every check %s, and tells its own version', async (_title, more, handshake) => {
  const methods = ['database/select', 'query/execute', 'tables/list', 'schema/create'];
  const peer = await start();
  const result = await tryAt(peer, more, { methods });
  expect(result.failure).toBeNull();
  expect(result.steps).toEqual([
    'endpoint/resolve: PASSED',
    'endpoint/connect: PASSED',
    ...handshake,
    'session/authenticate: PASSED',
    ...methods.map((method) => `${method}: PASSED`),
  ]);
  expect(result.evidence['session/authenticate']).toEqual({ server: 'SingleStore 8.7.12', user: 'äpp' });
  expect(result.evidence['tables/list']).toEqual({ database: 'shop', tables: '1', views: '1' });
  expect(peer.connections()).toBe(1);
});

test('warns of a MySQL server, which works', async () => {
  const result = await tryWith({ memsqlVersion: undefined, version: '8.4.3' });
  expect(result.failure).toBeNull();
  expect(result.steps).toContain('session/authenticate: WARNING');
  expect(result.evidence['session/authenticate']).toMatchObject({ server: 'not SingleStore' });
});

test('warns of a version that is none', async () => {
  const result = await tryWith({ memsqlVersion: '<script>' });
  expect(result.evidence['session/authenticate']).toMatchObject({ server: 'not SingleStore' });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['another name', { host: 'other.example' }, 'tls/handshake', 'TLS_NAME_MISMATCH', 'tls.serverName'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('no right to the database', async () => {
    const result = await tryWith({ answers: { 'use ': [errorBody(1044, 'Access denied')] } });
    expect(gist(result)).toEqual({ at: 'database/select', code: 'PERMISSION_DENIED', configPath: 'database' });
  });

  test('a refusal to tell its version', async () => {
    const result = await tryWith({ answers: { 'select @@': [errorBody(1227, 'no')] } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PERMISSION_DENIED', configPath: 'username' });
  });

  test('a server without TLS', async () => {
    const result = await tryWith({ certificate: undefined });
    expect(gist(result)).toEqual({ at: 'tls/handshake', code: 'TLS_NOT_OFFERED', configPath: 'tls.mode' });
  });

  describeReach(stand);

  test('another protocol', async () => {
    const stranger = await keep(startTarpit({ says: '220 mail.example ESMTP\r\n' }));
    expect(gist(await tryAt(stranger))).toEqual({ at: 'tls/handshake', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
  });
});

test('reads the catalog', async () => {
  const result = await tryIt({}, { catalog: true });
  expect(result.batches.flat().map(({ name, kind, columns }) => [name, kind, columns.length])).toEqual([
    ['clients', 'TABLE', 2],
    ['recent', 'VIEW', 1],
  ]);
});

describeTenancy(stand);

describeTls(singlestoreStand, { heard: ({ overTls }) => overTls });

describeBadConfigs(singlestoreStand, [
  ['no host', { host: undefined }, 'host', 'REQUIRED'],
  ['a URL as host', { host: 'singlestore://svc.example/' }, 'host', 'URL_IN_HOST'],
  ['the port 65536', { port: 65_536 }, 'port', 'OUT_OF_RANGE'],
  ['no user name', { username: undefined }, 'username', 'REQUIRED'],
  ['an empty database', { database: '' }, 'database', 'TOO_SHORT'],
  ['a zero byte', { database: 'a\0' }, 'database', 'INVALID_FORMAT'],
]);
