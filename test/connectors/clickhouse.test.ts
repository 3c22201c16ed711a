import { afterEach, describe, expect, test } from 'vitest';
import { clickhouse } from '../../src/connectors/clickhouse/index.ts';
import type { Tenancy } from '../../src/connectors/kit/config/tenancy.ts';
import { type BadConfig, describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type FakeClickHouseOptions, startFakeClickHouse } from '../support/peers/fake-clickhouse.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'pä55 "word"';
const TABLES = {
  clients: { columns: { id: 'UInt64', name: 'LowCardinality(Nullable(String))', since: 'Date' } },
  "we'ird\\name": { columns: { 'a b': 'Nullable(Int8)' } },
  recent: { engine: 'MaterializedView', columns: { id: 'UInt64' } },
};
const TENANCY: Tenancy = {
  level: 'TABLE',
  clientColumnType: 'NUMBER',
  schemaName: 'sales',
  tableName: 'clients',
  tableClientNameColumn: 'name',
  tablePrimaryKeyColumn: 'id',
};
const peers: HttpPeer[] = [];

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startClickHouse(options: FakeClickHouseOptions = {}): Promise<HttpPeer> {
  const peer = await startFakeClickHouse({
    users: [
      { name: 'reader', password: PASSWORD },
      { name: 'stranger', password: PASSWORD, databases: [] },
      { name: 'default', password: '' },
    ],
    databases: { sales: TABLES },
    ...options,
  });
  peers.push(peer);
  return peer;
}

function configFor(peer: { port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
  const { port } = peer;
  const tls = { mode: 'DISABLE' };
  return { host: '127.0.0.1', port, username: 'reader', password: PASSWORD, database: 'sales', tls, ...more };
}

describe('a ClickHouse that works', () => {
  test('passes every check, over one connection, and says what it found', async () => {
    const peer = await startClickHouse();
    const result = await testConnection(clickhouse, configFor(peer));
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'ClickHouse 24.8.4.13', user: 'reader' },
      'query/execute': { database: 'sales', rows: '1' },
      'tables/list': { database: 'sales', tables: '3' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('takes a user without a password', async () => {
    const peer = await startClickHouse();
    const config = configFor(peer, { username: undefined, password: undefined, database: undefined });
    expect((await testConnection(clickhouse, config, { methods: ['query/execute'] })).failure).toBeNull();
    expect(peer.requests[0]?.headers).not.toHaveProperty('x-clickhouse-key');
  });

  test('reads the catalog of the database', async () => {
    const result = await testConnection(clickhouse, configFor(await startClickHouse()), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.evidence['catalog/read']).toEqual({ entries: '3', columns: '5' });
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'UInt64', nullable: false },
          { name: 'name', dataType: 'LowCardinality(Nullable(String))', nullable: true },
          { name: 'since', dataType: 'Date', nullable: false },
        ],
      },
      {
        namespace: 'sales',
        name: 'recent',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'UInt64', nullable: false }],
      },
      {
        namespace: 'sales',
        name: "we'ird\\name",
        kind: 'TABLE',
        columns: [{ name: 'a b', dataType: 'Nullable(Int8)', nullable: true }],
      },
    ]);
  });

  test('reads a large catalog in parts', async () => {
    const tables = Object.fromEntries(
      Array.from({ length: 250 }, (_, index) => [`t${String(index).padStart(3, '0')}`, { columns: { id: 'Int8' } }]),
    );
    const peer = await startClickHouse({ databases: { sales: tables } });
    const result = await testConnection(clickhouse, configFor(peer), { catalog: true });
    expect(result.batches.map((batch) => batch.length)).toEqual([200, 50]);
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(Object.keys(tables));
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['an unknown database', { database: 'nope' }, 'query/execute', 'DATABASE_NOT_FOUND', 'database'],
    ['no right to the database', { username: 'stranger' }, 'tables/list', 'PERMISSION_DENIED', 'database'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await testConnection(clickhouse, configFor(await startClickHouse(), more));
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test.each([
    ['a wrong password', { password: 'wrong' }, 'PASSWORD_REFUSED', 'password'],
    ['no password', { password: undefined }, 'CREDENTIALS_REQUIRED', 'password'],
    ['an unknown user', { username: 'nobody' }, 'PASSWORD_REFUSED', 'username'],
  ])('%s, at an old server, which says so in the body alone', async (_title, more, code, configPath) => {
    const result = await testConnection(clickhouse, configFor(await startClickHouse({ isOld: true }), more));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test.each([
    [497, 403, 'PERMISSION_DENIED', 'database'],
    [291, 500, 'PERMISSION_DENIED', 'database'],
    [164, 500, 'PERMISSION_DENIED', 'username'],
    [195, 500, 'PERMISSION_DENIED', 'username'],
    [201, 500, 'TOO_MANY_REQUESTS', null],
    [202, 503, 'TOO_MANY_REQUESTS', null],
    [241, 500, 'SERVER_UNAVAILABLE', null],
    [159, 408, 'TIMEOUT', null],
    [158, 500, 'PERMISSION_DENIED', 'username'],
    [307, 500, 'PERMISSION_DENIED', 'username'],
    [396, 500, 'PERMISSION_DENIED', 'username'],
    [999, 500, 'SERVER_ERROR', null],
  ])('the server’s code %i', async (code, status, failure, configPath) => {
    for (const isOld of [true, false]) {
      const peer = await startClickHouse({ isOld, failing: { code, status } });
      const result = await testConnection(clickhouse, configFor(peer));
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: failure, configPath });
      expect(result.evidence['session/authenticate']).toEqual({ serverCode: String(code) });
    }
  });

  test.each([
    ['an HTTP server that is no ClickHouse', 404, 'PROTOCOL_MISMATCH', 'port'],
    ['the port of the native protocol', 400, 'PROTOCOL_MISMATCH', 'port'],
    ['a proxy that asks for a password', 401, 'PASSWORD_REFUSED', 'password'],
  ])('%s', async (_title, status, code, configPath) => {
    const peer = await startClickHouse({ misbehave: { status } });
    const result = await testConnection(clickhouse, configFor(peer));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('an answer of millions of things that are no rows is given up at once', async () => {
    const result = await testConnection(clickhouse, configFor(await startClickHouse({ isHostile: true })), {
      catalog: true,
    });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'PROTOCOL_MISMATCH', configPath: 'port' });
  });

  test('an unknown database, when its catalog is read', async () => {
    const config = configFor(await startClickHouse(), { database: 'nope' });
    const result = await testConnection(clickhouse, config, { catalog: true });
    expect(gist(result)).toEqual({ at: 'catalog/read', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
  });
});

describe('tenancy', () => {
  test.each([
    ['a mapping that is there', {}, undefined],
    ['a table that is not there', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a database that is not there', { schemaName: "no'pe" }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a column that is not there', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { clientColumnType: 'STRING' as const }, 'TENANCY_COLUMN_TYPE'],
    ['a key that is text', { clientColumnType: 'STRING' as const, tablePrimaryKeyColumn: 'name' }, undefined],
  ])('%s', async (_title, more, code) => {
    const tenancy = { ...TENANCY, ...more };
    const result = await testConnection(clickhouse, configFor(await startClickHouse()), { tenancy });
    expect(result.failure?.code).toBe(code);
    expect(result.failedAt).toBe(code === undefined ? undefined : 'tenancy/mapping');
  });
});

describeHttpFaults({
  connector: clickhouse,
  start: startClickHouse,
  name: 'localhost',
  config: (host, port, caCertificate) =>
    configFor({ port }, caCertificate ? { host, tls: { caCertificate } } : { host }),
  hostPath: 'host',
  portPath: 'port',
});

const base = { host: 'ch.example' };

const badConfigs: readonly BadConfig[] = [
  { name: 'no host', config: {}, path: 'host', code: 'REQUIRED' },
  { name: 'a URL as host', config: { host: 'https://ch.example:8443/' }, path: 'host', code: 'URL_IN_HOST' },
  { name: 'a number as host', config: { host: '2130706433' }, path: 'host', code: 'INVALID_FORMAT' },
  { name: 'the port 0', config: { ...base, port: 0 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'the port 65536', config: { ...base, port: 65_536 }, path: 'port', code: 'OUT_OF_RANGE' },
  { name: 'an empty user name', config: { ...base, username: '' }, path: 'username', code: 'TOO_SHORT' },
  { name: 'a line break in it', config: { ...base, username: 'a\r\nx: y' }, path: 'username', code: 'INVALID_FORMAT' },
  {
    name: 'a line break in the password',
    config: { ...base, password: 'a\nb' },
    path: 'password',
    code: 'INVALID_FORMAT',
  },
  { name: 'a blank after the password', config: { ...base, password: 'a ' }, path: 'password', code: 'INVALID_FORMAT' },
  { name: 'a long password', config: { ...base, password: 'a'.repeat(1025) }, path: 'password', code: 'TOO_LONG' },
  { name: 'a zero byte', config: { ...base, database: 'a\0' }, path: 'database', code: 'INVALID_FORMAT' },
  {
    name: 'a path as CA',
    config: { ...base, tls: { caCertificate: '/etc/ssl/ca.pem' } },
    path: 'tls.caCertificate',
    code: 'INVALID_FORMAT',
  },
];

describeBadConfigs(clickhouse, badConfigs);
