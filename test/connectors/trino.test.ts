import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { trino } from '../../src/connectors/trino/index.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type FakeTrinoOptions, startFakeTrino } from '../support/peers/fake-trino.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'pä55:"word"';
const USERS = { reader: PASSWORD, stranger: PASSWORD };
const CATALOGS = {
  'my"hive': {
    sales: {
      clients: { columns: { id: 'bigint!', name: 'varchar(20)', 'a b': 'array(row(x integer))' } },
      recent: { type: 'VIEW' as const, columns: { id: 'bigint' } },
      bare: { columns: {} },
    },
    "o'hara": { t: { columns: { d: 'date' } } },
  },
};
const TENANCY: Tenancy = {
  level: 'TABLE',
  clientColumnType: 'NUMBER',
  schemaName: 'sales',
  tableName: 'clients',
  tableClientNameColumn: 'name',
  tablePrimaryKeyColumn: 'id',
};
const NAME = 'trino.example';
const peers: HttpPeer[] = [];
let authority: Authority;
let certificate: IssuedCertificate;

beforeAll(async () => {
  authority = await createAuthority();
  certificate = await authority.issue({ names: [NAME] });
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

/** On a private network: no TLS, and nobody signs in. */
async function startOpenTrino(options: FakeTrinoOptions = {}): Promise<HttpPeer> {
  const peer = await startFakeTrino({ catalogs: CATALOGS, strangers: ['stranger'], ...options });
  peers.push(peer);
  return peer;
}

const startTrino = (options: FakeTrinoOptions = {}) => startOpenTrino({ users: USERS, certificate, ...options });

function openConfig(peer: { port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
  const { port } = peer;
  return { host: '127.0.0.1', port, username: 'reader', catalog: 'my"hive', tls: { mode: 'DISABLE' }, ...more };
}

function configFor(peer: { port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
  const tls = { caCertificate: authority.certificate };
  return openConfig(peer, { host: NAME, password: PASSWORD, tls, ...more });
}

const tryAt = (config: Record<string, unknown>, options: TestConnectionOptions = {}) =>
  testConnection(trino, config, { lookup: async () => ['127.0.0.1'], ...options });

describe('a Trino that works', () => {
  test('passes every check over TLS, over one connection, and says what it found', async () => {
    const peer = await startTrino();
    const result = await tryAt(configFor(peer, { schema: 'Sales' }));
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Trino 476', user: 'reader' },
      'tables/list': { catalog: 'my"hive', schema: 'Sales', tables: '3', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
    expect(peer.requests[0]?.headers).toMatchObject({ 'x-trino-catalog': 'my"hive', 'x-trino-schema': 'Sales' });
  });

  test('passes every check over http on a private network, where the user name alone is sent', async () => {
    const peer = await startOpenTrino();
    const result = await tryAt(openConfig(peer));
    expect(result.failure).toBeNull();
    expect(result.evidence['tables/list']).toMatchObject({ tables: '4' });
    expect(peer.requests.every((request) => request.headers.authorization === undefined)).toBe(true);
  });

  test('counts 1,000 tables at most', async () => {
    const tables = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`t${index}`, { columns: {} }]));
    const peer = await startOpenTrino({ catalogs: { 'my"hive': { sales: tables } } });
    const result = await tryAt(openConfig(peer));
    expect(result.evidence['tables/list']).toMatchObject({ tables: '1000', more: 'true' });
  });

  test('goes on when a gateway before it has a bad moment', async () => {
    const peer = await startOpenTrino({ interruptions: 1 });
    expect((await tryAt(openConfig(peer))).failure).toBeNull();
  });

  test('reads the catalog page by page', async () => {
    const peer = await startTrino({ pageSize: 2 });
    const result = await tryAt(configFor(peer), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.evidence['catalog/read']).toEqual({ entries: '4', columns: '5' });
    expect(result.batches.flat()).toEqual([
      {
        namespace: "o'hara",
        name: 't',
        kind: 'TABLE',
        columns: [{ name: 'd', dataType: 'date', nullable: true }],
      },
      { namespace: 'sales', name: 'bare', kind: 'TABLE', columns: [] },
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'bigint', nullable: false },
          { name: 'name', dataType: 'varchar(20)', nullable: true },
          { name: 'a b', dataType: 'array(row(x integer))', nullable: true },
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

  test('reads the catalog of the one schema that is set', async () => {
    const result = await tryAt(openConfig(await startOpenTrino(), { schema: "O'Hara" }), { catalog: true });
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(['t']);
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown catalog', { catalog: 'nope' }, 'tables/list', 'CATALOG_NOT_FOUND', 'catalog'],
    ['an unknown schema', { schema: "no'pe" }, 'tables/list', 'SCHEMA_NOT_FOUND', 'schema'],
    ['no right to the catalog', { username: 'stranger' }, 'tables/list', 'PERMISSION_DENIED', 'username'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryAt(configFor(await startTrino(), more));
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('clear text to a server that signs users in', async () => {
    const peer = await startTrino({ certificate: undefined });
    const result = await tryAt(openConfig(peer));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });

  test('a password for a server that signs nobody in', async () => {
    const result = await tryAt(configFor(await startTrino({ users: undefined })));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
  });

  test.each([
    ['QUERY_QUEUE_FULL', 'INSUFFICIENT_RESOURCES', 'TOO_MANY_REQUESTS', null],
    ['SERVER_STARTING_UP', 'INTERNAL_ERROR', 'SERVER_UNAVAILABLE', null],
    ['EXCEEDED_GLOBAL_MEMORY_LIMIT', 'INSUFFICIENT_RESOURCES', 'SERVER_UNAVAILABLE', null],
    ['EXCEEDED_TIME_LIMIT', 'INSUFFICIENT_RESOURCES', 'TIMEOUT', null],
    ['HIVE_METASTORE_ERROR', 'EXTERNAL', 'SERVER_UNAVAILABLE', 'catalog'],
    ['GENERIC_INTERNAL_ERROR', 'INTERNAL_ERROR', 'SERVER_ERROR', null],
  ])('the server’s error %s', async (errorName, errorType, code, configPath) => {
    const result = await tryAt(openConfig(await startOpenTrino({ failing: { errorName, errorType } })));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.evidence['session/authenticate']).toEqual({ serverError: errorName });
  });

  test('an error whose name is none is not shown', async () => {
    const failing = { errorName: 'psst: the words of a peer', errorType: 'USER_ERROR' };
    const result = await tryAt(openConfig(await startOpenTrino({ failing })));
    expect(result.evidence['session/authenticate']).toEqual({});
  });

  test.each([
    ['an HTTP server that is no Trino', 404, 'PROTOCOL_MISMATCH', 'port'],
    ['a proxy that lets nobody through', 407, 'UNEXPECTED_ANSWER', 'host'],
  ])('%s', async (_title, status, code, configPath) => {
    const result = await tryAt(openConfig(await startOpenTrino({ misbehave: { status } })));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('a gateway before Trino that never reaches it', async () => {
    const result = await tryAt(openConfig(await startOpenTrino({ interruptions: 100 })));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'SERVER_UNAVAILABLE', configPath: 'host' });
  });
});

describe('a server that leads elsewhere', () => {
  test.each([
    ['to another host', 'http://169.254.169.254', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to another port', 'http://127.0.0.1:1', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to another scheme', 'https://127.0.0.1', 'ADDRESS_NOT_ALLOWED', 'host'],
    ['to a file', 'file:///etc/passwd?', 'PROTOCOL_MISMATCH', 'port'],
    ['nowhere', 'nonsense', 'PROTOCOL_MISMATCH', 'port'],
  ])('%s is not followed', async (_title, pagesAt, code, configPath) => {
    const peer = await startOpenTrino({ pagesAt });
    expect(gist(await tryAt(openConfig(peer)))).toEqual({ at: 'session/authenticate', code, configPath });
    expect(peer.requests).toHaveLength(1);
  });

  test('to another path of its own is not followed', async () => {
    const peer: HttpPeer = await startOpenTrino();
    const other = await startOpenTrino({ pagesAt: `http://127.0.0.1:${peer.port}/admin/..%2f` });
    const result = await tryAt(openConfig(other));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    expect(peer.requests).toEqual([]);
  });

  test('an answer of millions of things that are no rows is given up at once', async () => {
    const result = await tryAt(openConfig(await startOpenTrino({ isHostile: true })), { catalog: true });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'UNEXPECTED_ANSWER', configPath: null });
  });

  test('a result without an end ends', async () => {
    const peer = await startOpenTrino({ isEndless: true, pageSize: 1, catalogs: { 'my"hive': { s: {} } } });
    const result = await tryAt(openConfig(peer), { deadline: 1500 });
    expect(result.failure?.code).toMatch(/^(TIMEOUT|TOO_MUCH_DATA)$/);
  });
});

describe('tenancy', () => {
  test.each([
    ['a mapping that is there', {}, undefined],
    ['a table that is not there', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a schema that is not there', { schemaName: "no'pe" }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a column that is not there', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { clientColumnType: 'STRING' as const }, 'TENANCY_COLUMN_TYPE'],
    ['a key that is text', { clientColumnType: 'STRING' as const, tablePrimaryKeyColumn: 'name' }, undefined],
  ])('%s', async (_title, more, code) => {
    const tenancy = { ...TENANCY, ...more };
    const result = await tryAt(openConfig(await startOpenTrino()), { tenancy });
    expect(result.failure?.code).toBe(code);
    expect(result.failedAt).toBe(code === undefined ? undefined : 'tenancy/mapping');
  });
});

describeHttpFaults({
  connector: trino,
  // over clear text nobody signs in
  start: (options) => (options.certificate ? startTrino(options) : startOpenTrino(options)),
  name: 'localhost',
  config: (host, port, caCertificate) =>
    caCertificate ? configFor({ port }, { host, tls: { caCertificate } }) : openConfig({ port }, { host }),
  hostPath: 'host',
  portPath: 'port',
});

const base = { host: 'trino.example', username: 'reader', catalog: 'hive' };

const badConfigs: readonly BadConfig[] = [
  { name: 'no user name', config: { ...base, username: undefined }, path: 'username', code: 'REQUIRED' },
  { name: 'no catalog', config: { ...base, catalog: undefined }, path: 'catalog', code: 'REQUIRED' },
  { name: 'a URL as host', config: { ...base, host: 'jdbc:trino://t:8080/hive' }, path: 'host', code: 'URL_IN_HOST' },
  { name: 'an odd address', config: { ...base, host: '0x7f.1' }, path: 'host', code: 'INVALID_FORMAT' },
  { name: 'the port 65536', config: { ...base, port: 65_536 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'a colon in the user name', config: { ...base, username: 'a:b' }, path: 'username', code: 'INVALID_FORMAT' },
  { name: 'a line break in it', config: { ...base, username: 'a\r\nb' }, path: 'username', code: 'INVALID_FORMAT' },
  { name: 'an empty schema', config: { ...base, schema: '' }, path: 'schema', code: 'TOO_SHORT' },
  { name: 'a long catalog', config: { ...base, catalog: 'a'.repeat(256) }, path: 'catalog', code: 'TOO_LONG' },
  {
    name: 'a password over clear text',
    config: { ...base, password: 'x', tls: { mode: 'DISABLE' } },
    path: 'password',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'an unknown TLS mode',
    config: { ...base, tls: { mode: 'PREFER' } },
    path: 'tls.mode',
    code: 'INVALID_VALUE',
  },
];

describeBadConfigs(trino, badConfigs);
