import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { singlestore } from '../../src/connectors/singlestore/index.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { type FakeMysql, type FakeMysqlOptions, startFakeMysql } from '../support/peers/fake-mysql.ts';
import { errorBody } from '../support/peers/mysql-packets.ts';
import { closedPort, startTarpit } from '../support/peers/tarpit.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const ACCOUNT = { username: 'admin', password: 'correct horse battery' };
/** What a server of today says of itself: `version()` is that of the MySQL it is compatible with. */
const SINGLESTORE = { plugin: 'mysql_native_password', version: '5.7.32', memsqlVersion: '8.7.12' };
const TABLES = [
  {
    name: 'clients',
    columns: [
      ['id', 'bigint(20)', false],
      ['name', 'text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci', true],
    ],
  },
  { name: 'recent', type: 'VIEW', columns: [['id', 'bigint(20)', false]] },
] as const;
const NAME = 'svc.singlestore.example';
const FOUND = { lookup: async () => ['127.0.0.1'] };
const peers: FakeMysql[] = [];
let authority: Authority;
let certificate: IssuedCertificate;

beforeAll(async () => {
  authority = await createAuthority();
  certificate = await authority.issue({ names: [NAME] });
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function tryWith(
  options: Partial<FakeMysqlOptions> = {},
  more: Record<string, unknown> = {},
  how: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const peer = await startFakeMysql({
    ...ACCOUNT,
    ...SINGLESTORE,
    certificate,
    databases: { shop: TABLES },
    ...options,
  });
  peers.push(peer);
  return testConnection(singlestore, configFor(peer.port, more), { ...FOUND, ...how });
}

function configFor(port: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { host: NAME, port, ...ACCOUNT, database: 'shop', tls: { caCertificate: authority.certificate }, ...more };
}

test.each([
  ['over TLS', {}, ['tls/handshake: PASSED']],
  ['in the clear', { tls: { mode: 'DISABLE' } }, []],
])('passes every check %s, and tells its own version', async (_title, more, handshake) => {
  const methods = ['database/select', 'query/execute', 'tables/list', 'schema/create'];
  const result = await tryWith({}, more, { methods });
  expect(result.failure).toBeNull();
  expect(result.steps).toEqual([
    'endpoint/resolve: PASSED',
    'endpoint/connect: PASSED',
    ...handshake,
    'session/authenticate: PASSED',
    ...methods.map((method) => `${method}: PASSED`),
  ]);
  expect(result.evidence['session/authenticate']).toEqual({ server: 'SingleStore 8.7.12', user: 'admin' });
  expect(result.evidence['tables/list']).toEqual({ database: 'shop', tables: '1', views: '1' });
  expect(peers[0]?.connections()).toBe(1);
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
    ['a CA that nobody knows', { tls: {} }, 'tls/handshake', 'TLS_UNTRUSTED', 'tls.caCertificate'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryWith({}, more);
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

  test('a closed port, an unknown name, another protocol, an address that is not allowed', async () => {
    const closed = await testConnection(singlestore, configFor(await closedPort()), FOUND);
    expect(gist(closed)).toEqual({ at: 'endpoint/connect', code: 'CONNECTION_REFUSED', configPath: 'port' });
    const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    const unknown = await testConnection(singlestore, configFor(1), { lookup });
    expect(gist(unknown)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: 'host' });
    const smtp = await startTarpit({ says: '220 mail.example ESMTP\r\n' });
    const other = await testConnection(singlestore, configFor(smtp.port), FOUND);
    expect(gist(other)).toEqual({ at: 'tls/handshake', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    const blocked = await testConnection(singlestore, configFor(smtp.port), { ...FOUND, allow: [] });
    expect(gist(blocked)).toEqual({ at: 'endpoint/resolve', code: 'ADDRESS_NOT_ALLOWED', configPath: 'host' });
    await smtp.close();
  });
});

test('reads the catalog', async () => {
  const result = await tryWith({}, {}, { catalog: true });
  expect(result.batches.flat().map(({ name, kind, columns }) => [name, kind, columns.length])).toEqual([
    ['clients', 'TABLE', 2],
    ['recent', 'VIEW', 1],
  ]);
});

test.each<[string, Partial<Tenancy>, string | undefined]>([
  ['that is there', {}, undefined],
  ['whose table is not there', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
  ['whose key is text', { tablePrimaryKeyColumn: 'name' }, 'TENANCY_COLUMN_TYPE'],
])('a tenancy mapping %s', async (_title, more, code) => {
  const tenancy: Tenancy = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'shop',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
    ...more,
  };
  const result = await tryWith({}, {}, { tenancy });
  expect(result.failure?.code).toBe(code);
  expect(result.steps.at(-1)).toBe(`tenancy/mapping: ${code ? 'FAILED' : 'PASSED'}`);
});

const base = { host: 'svc.example', username: 'admin', database: 'shop' };

const badConfigs: readonly BadConfig[] = [
  { name: 'no host', config: { ...base, host: null }, path: 'host', code: 'REQUIRED' },
  { name: 'a URL as host', config: { ...base, host: 'singlestore://svc.example/' }, path: 'host', code: 'URL_IN_HOST' },
  { name: 'the port 65536', config: { ...base, port: 65_536 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'no user name', config: { ...base, username: null }, path: 'username', code: 'REQUIRED' },
  { name: 'an empty database', config: { ...base, database: '' }, path: 'database', code: 'TOO_SHORT' },
  { name: 'a zero byte', config: { ...base, database: 'a\0' }, path: 'database', code: 'INVALID_FORMAT' },
];

describeBadConfigs(singlestore, badConfigs);
