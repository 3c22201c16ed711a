import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cockroachdb } from '../../src/connectors/cockroachdb/index.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';
import { type FakePostgres, type FakePostgresOptions, startFakePostgres } from '../support/peers/fake-postgres.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { gist, testConnection } from '../support/test-connection.ts';

const ACCOUNT = { username: 'app', password: 'Correct-horse-1' };
const PLAIN = { tls: { mode: 'DISABLE' } };
const REFUSED = { code: '28P01', message: 'password authentication failed for user app' };
const PARAMETERS = {
  server_version: '13.0.0',
  crdb_version: 'CockroachDB CCL v26.2.5 (x86_64-pc-linux-gnu, built 2026/06/01 12:00:00, go1.25.1)',
};

/** `a.attishidden` is a column of CockroachDB's pg_attribute; to Postgres it is a function of the row. */
const STAND_INS = `
  create role app login password '${ACCOUNT.password}';
  create function public.attishidden(pg_catalog.pg_attribute) returns boolean language sql as $$ select $1.attname = 'rowid' $$;
  create schema sales;
  create schema locked;
  create schema crdb_internal;
  create table crdb_internal.jobs (id integer);
  grant usage on schema sales to app;
  create table sales.orders (id integer not null, label text, rowid bigint);
  create table sales.secrets (id integer);
  create view sales.overview as select id from sales.orders;
  grant select on sales.orders to app`;

let server: PostgresServer;
const peers: FakePostgres[] = [];

beforeAll(async () => {
  server = await startPostgres();
  const { host, port, superuser: user, password } = server;
  const run = async (database: string, sql: string) => {
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await run('postgres', 'create database shop');
  await run('shop', STAND_INS);
});

afterAll(() => server.stop());

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

function real(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { host: '127.0.0.1', port: server.port, ...ACCOUNT, database: 'shop', schema: 'sales', ...PLAIN, ...more };
}

async function startFake(options: Partial<FakePostgresOptions> = {}): Promise<FakePostgres> {
  const peer = await startFakePostgres({
    ...ACCOUNT,
    asks: 'clear',
    wrongPassword: REFUSED,
    parameters: PARAMETERS,
    answer: answerAsCockroach,
    ...options,
  });
  peers.push(peer);
  return peer;
}

async function tryFake(options: Partial<FakePostgresOptions> = {}, more: Record<string, unknown> = {}) {
  const { port } = await startFake(options);
  return testConnection(cockroachdb, { ...real(), port, ...more });
}

function answerAsCockroach(sql: string): readonly Record<string, string | number | boolean | null>[] {
  if (sql.includes('has_schema_privilege')) return [{ database: 'shop', found: true, usable: true }];
  if (sql.includes('count(*)')) return [{ tables: '2', readable: '2' }];
  // its integers have 64 bits, which the driver hands over as text
  return [{ one: '1' }];
}

describe('what it has in common with PostgreSQL', () => {
  test('passes its checks against a real one, and warns that it is no CockroachDB', async () => {
    const result = await testConnection(cockroachdb, real());
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: WARNING',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence['tables/list']).toEqual({ schema: 'sales', tables: '2', readable: '1' });
  });

  test.each([
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a schema that the user may not use', { schema: 'locked' }, 'database/select', 'PERMISSION_DENIED', 'schema'],
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a cluster where there is none', { cluster: 'koala-1' }, 'session/authenticate', 'PROTOCOL_MISMATCH', 'cluster'],
  ])('%s', async (_title, more, at, code, configPath) => {
    expect(gist(await testConnection(cockroachdb, real(more)))).toEqual({ at, code, configPath });
  });

  test('a schema is created and dropped again, without a transaction', async () => {
    const peer = await startFake({ answer: () => [] });
    await testConnection(cockroachdb, { ...real(), port: peer.port }, { methods: ['schema/create'] });
    const [, name] = /^create schema ("dsg_test_[0-9a-f]{32}")$/.exec(peer.statements[0] ?? '') ?? [];
    expect(peer.statements).toEqual([`create schema ${name}`, `drop schema ${name}`]);
    const { superuser: username, password } = server;
    const methods = ['schema/create'];
    const result = await testConnection(cockroachdb, real({ username, password }), { methods });
    expect(result.evidence['schema/create']).toEqual({ created: 'true', removed: 'true' });
  });

  test('the catalog leaves out hidden columns and what is the system’s own', async () => {
    const result = await testConnection(cockroachdb, real(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'sales',
        name: 'orders',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'integer', nullable: false },
          { name: 'label', dataType: 'text', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'overview',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
      {
        namespace: 'sales',
        name: 'secrets',
        kind: 'TABLE',
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
    ]);
  });
});

describe('what is its own', () => {
  test('tells its version, and not that of the PostgreSQL that it stands for', async () => {
    const result = await tryFake();
    expect(result).toMatchObject({ status: 'PASSED', failure: null });
    expect(result.steps).not.toContain('session/authenticate: WARNING');
    expect(result.evidence['session/authenticate']).toEqual({ server: 'CockroachDB 26.2.5', user: 'app' });
  });

  test('the cluster goes out as the one option, and without one there is none', async () => {
    const peer = await startFake();
    await testConnection(cockroachdb, { ...real(), port: peer.port, cluster: 'happy-koala-123' });
    await testConnection(cockroachdb, { ...real(), port: peer.port });
    const common = {
      user: 'app',
      database: 'shop',
      application_name: 'datastore-gateway',
      client_encoding: 'UTF8',
    };
    expect(peer.startups).toEqual([{ ...common, options: '--cluster=happy-koala-123' }, common]);
  });

  test.each([
    ['a node that takes TLS alone', '08P01', PLAIN, 'TLS_REQUIRED', 'tls.mode'],
    ['the cloud’s proxy that takes TLS alone', '08004', PLAIN, 'TLS_REQUIRED', 'tls.mode'],
  ])('%s', async (_title, code, more, expected, configPath) => {
    const result = await tryFake({ refusesBefore: { code, message: 'SSL connection required' } }, more);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: expected, configPath });
  });

  test.each(['08004', '08C00'])('a cluster that the cloud’s proxy does not find: %s', (code) => {
    const error = Object.assign(new Error('cluster not found'), { severity: 'FATAL', code });
    const config = cockroachdb.config.parse({ host: 'db.example', ...ACCOUNT, database: 'shop' });
    expect(cockroachdb.explain?.(error, config)?.report).toMatchObject({
      code: 'RESOURCE_NOT_FOUND',
      configPath: 'cluster',
    });
  });

  test.each([
    ['at sign-in', { refusesAfter: { code: '3D000', message: 'database "shop" does not exist' } }],
    ['at a query', { answer: () => ({ code: '3D000', message: 'database "shop" does not exist' }) }],
    ['by what it lacks', { answer: () => ({ code: '42P01', message: 'relation "pg_namespace" does not exist' }) }],
  ])('an unknown database, told %s', async (_title, options) => {
    const result = await tryFake(options);
    expect(gist(result)).toEqual({ at: 'database/select', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
  });
});

const badConfigs = [
  {
    name: 'another option beside the cluster',
    config: { cluster: 'a -c search_path=evil' },
    path: 'cluster',
    code: 'INVALID_FORMAT',
  },
  { name: 'a cluster that begins an option', config: { cluster: '-c' }, path: 'cluster', code: 'INVALID_FORMAT' },
  { name: 'a cluster with an escape', config: { cluster: 'a\\ b' }, path: 'cluster', code: 'INVALID_FORMAT' },
  {
    name: 'a cluster with a line break at its end',
    config: { cluster: 'a\n' },
    path: 'cluster',
    code: 'INVALID_FORMAT',
  },
  { name: 'a cluster that is too long', config: { cluster: 'a'.repeat(129) }, path: 'cluster', code: 'TOO_LONG' },
  { name: 'an empty cluster', config: { cluster: '' }, path: 'cluster', code: 'INVALID_FORMAT' },
  { name: 'a URL as the host', config: { host: 'postgresql://x:26257' }, path: 'host', code: 'URL_IN_HOST' },
] as const;

test.each(badConfigs)('the config refuses $name', ({ config, path, code }) => {
  const { error } = cockroachdb.config.safeParse({ host: 'db.example', ...ACCOUNT, database: 'shop', ...config });
  const issues = error?.issues.map((each) => fieldIssue(each, each.path.map(String)));
  expect(issues).toMatchObject([{ path: [path], code }]);
});

test('the config has port 26257', () => {
  const config = cockroachdb.config.parse({ host: 'db.example', ...ACCOUNT, database: 'shop' });
  expect(cockroachdb.targets(config)).toMatchObject([{ host: 'db.example', port: 26257 }]);
});
