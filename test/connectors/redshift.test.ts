import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { redshift } from '../../src/connectors/redshift/index.ts';
import { fieldIssue } from '../../src/errors/field-issues.ts';
import { type FakePostgres, type FakePostgresOptions, startFakePostgres } from '../support/peers/fake-postgres.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { gist, testConnection } from '../support/test-connection.ts';

const ACCOUNT = { username: 'app', password: 'Correct-horse-1' };
const PLAIN = { tls: { mode: 'DISABLE' } };
const VERSION =
  'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.77467';
const REFUSED = { code: '28000', message: 'password authentication failed for user "app"', routine: 'auth_failed' };

/** Redshift's own views as Postgres can tell them: with an external table and a late-binding view that Postgres does not have. */
const STAND_INS = `
  create role app login password '${ACCOUNT.password}';
  create schema sales;
  create schema locked;
  grant usage on schema sales to app;
  create table sales.orders (id integer not null, total numeric(10,2));
  create view sales.overview as select id from sales.orders;
  create view public.svv_tables as
    select table_catalog, table_schema, table_name, table_type::text as table_type from information_schema.tables
    union all values ('shop', 'spectrum', 'clicks', 'EXTERNAL TABLE'), ('shop', 'sales', 'late', 'VIEW'), ('shop', 'pg_temp_3', 'passing', 'BASE TABLE');
  create view public.svv_columns as
    select table_catalog, table_schema, table_name, column_name, ordinal_position, is_nullable::text as is_nullable, data_type::text as data_type
      from information_schema.columns
    union all values ('shop', 'spectrum', 'clicks', 'at', 1, '', 'timestamp'), ('shop', 'sales', 'late', 'total', 1, null, 'numeric(10,2)');
  grant select on sales.orders, sales.overview, public.svv_tables, public.svv_columns to app`;

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

async function tryFake(options: Partial<FakePostgresOptions>, more: Record<string, unknown> = {}) {
  const peer = await startFakePostgres({ ...ACCOUNT, wrongPassword: REFUSED, answer: answerAsRedshift, ...options });
  peers.push(peer);
  return testConnection(redshift, { ...real(), port: peer.port, ...more });
}

function answerAsRedshift(sql: string): readonly Record<string, string | number | boolean | null>[] {
  if (sql.includes('version()')) return [{ version: VERSION }];
  if (sql.includes('has_schema_privilege')) return [{ database: 'shop', found: true, usable: true }];
  if (sql.includes('count(*)')) return [{ tables: '3', readable: null }];
  return [{ one: 1 }];
}

describe('what it has in common with PostgreSQL', () => {
  test('passes every check against a real one, and warns that it is no Redshift', async () => {
    const methods = ['database/select', 'query/execute', 'tables/list'];
    const result = await testConnection(redshift, real(), { methods });
    expect(result.failure).toBeNull();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'session/authenticate: WARNING',
      'database/select: PASSED',
      'query/execute: PASSED',
      'tables/list: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: expect.stringMatching(/^PostgreSQL 18\.\d+$/), user: 'app' },
      'database/select': { database: 'shop', schema: 'sales' },
      'tables/list': { schema: 'sales', tables: '1' },
    });
  });

  test.each([
    ['an unknown database', { database: 'nope' }, 'database/select', 'DATABASE_NOT_FOUND', 'database'],
    ['an unknown schema', { schema: 'nope' }, 'database/select', 'SCHEMA_NOT_FOUND', 'schema'],
    ['a schema that the user may not use', { schema: 'locked' }, 'database/select', 'PERMISSION_DENIED', 'schema'],
    ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
    ['a server without TLS', { tls: {} }, 'tls/handshake', 'TLS_NOT_OFFERED', 'tls.mode'],
  ])('%s', async (_title, more, at, code, configPath) => {
    expect(gist(await testConnection(redshift, real(more)))).toEqual({ at, code, configPath });
  });

  test('a schema can be created where the user may, and nothing stays', async () => {
    const methods = ['schema/create'];
    expect(gist(await testConnection(redshift, real(), { methods }))).toMatchObject({ code: 'PERMISSION_DENIED' });
    const { superuser: username, password } = server;
    const result = await testConnection(redshift, real({ username, password }), { methods });
    expect(result.evidence['schema/create']).toEqual({ created: 'true', removed: 'true' });
  });
});

describe('the catalog', () => {
  test('holds local and external tables and late-binding views, and no temporary ones', async () => {
    const result = await testConnection(redshift, real(), { catalog: true });
    expect(result.failure).toBeNull();
    const entries = result.batches.flat().filter(({ namespace }) => namespace !== 'public');
    expect(entries).toEqual([
      {
        namespace: 'sales',
        name: 'late',
        kind: 'VIEW',
        columns: [{ name: 'total', dataType: 'numeric(10,2)', nullable: null }],
      },
      {
        namespace: 'sales',
        name: 'orders',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'integer', nullable: false },
          { name: 'total', dataType: 'numeric', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: 'overview',
        kind: 'VIEW',
        columns: [{ name: 'id', dataType: 'integer', nullable: true }],
      },
      {
        namespace: 'spectrum',
        name: 'clicks',
        kind: 'TABLE',
        columns: [{ name: 'at', dataType: 'timestamp', nullable: null }],
      },
    ]);
  });

  const tenancy = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'sales',
    tableName: 'orders',
    tableClientNameColumn: 'total',
    tablePrimaryKeyColumn: 'id',
  } as const;

  test.each([
    [{}, undefined],
    [{ tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    [{ tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    [{ clientColumnType: 'STRING' as const }, 'TENANCY_COLUMN_TYPE'],
  ])('and a tenancy over it: %j', async (more, code) => {
    const result = await testConnection(redshift, real(), { tenancy: { ...tenancy, ...more } });
    expect(result.failure?.code).toBe(code);
    expect(result.steps.at(-1)).toBe(`tenancy/mapping: ${code ? 'FAILED' : 'PASSED'}`);
  });
});

describe('what is its own', () => {
  test('tells its version, and not that of the PostgreSQL that it stems from', async () => {
    const result = await tryFake({ parameters: { server_version: '8.0.2' } });
    expect(result.failure).toBeNull();
    expect(result.status).toBe('PASSED');
    expect(result.evidence['session/authenticate']).toEqual({ server: 'Amazon Redshift 1.0.77467', user: 'app' });
    expect(result.evidence['tables/list']).toEqual({ schema: 'sales', tables: '3' });
  });

  test('a wrong password has the code that PostgreSQL 8 gave it', async () => {
    const result = await tryFake({}, { password: 'wrong' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PASSWORD_REFUSED', configPath: 'password' });
  });

  test('a kind of sign-in that only its own drivers know is named', async () => {
    const result = await tryFake({ asks: 13 });
    expect(gist(result)).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    expect(result.failure?.hint).toContain('kind of sign-in');
  });

  test('a database that is refused after sign-in leaves the version unknown', async () => {
    const result = await tryFake({ refusesAfter: { code: '3D000', message: 'no such database' } });
    expect(gist(result)).toEqual({ at: 'database/select', code: 'DATABASE_NOT_FOUND', configPath: 'database' });
    expect(result.evidence['session/authenticate']).toEqual({ server: 'Amazon Redshift', user: 'app' });
  });

  test('a server that takes TLS alone says so', async () => {
    const message = 'no pg_hba.conf entry for host "::ffff:10.0.0.1", user "app", database "shop", SSL off';
    const result = await tryFake({ refusesBefore: { code: '28000', message, routine: 'ClientAuthentication' } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'TLS_REQUIRED', configPath: 'tls.mode' });
  });
});

const badConfigs = [
  { name: 'a name that is too long', config: { database: 'x'.repeat(128) }, path: 'database', code: 'TOO_LONG' },
  { name: 'a zero byte in a name', config: { username: 'a\0b' }, path: 'username', code: 'INVALID_FORMAT' },
  {
    name: 'a URL as the host',
    config: { host: 'https://x.redshift.amazonaws.com' },
    path: 'host',
    code: 'URL_IN_HOST',
  },
  { name: 'a port that there is not', config: { port: 65_536 }, path: 'port', code: 'OUT_OF_RANGE' },
] as const;

test.each(badConfigs)('the config refuses $name', ({ config, path, code }) => {
  const { error } = redshift.config.safeParse({
    host: 'x.redshift.amazonaws.com',
    ...ACCOUNT,
    database: 'shop',
    ...config,
  });
  const issues = error?.issues.map((each) => fieldIssue(each, each.path.map(String)));
  expect(issues).toMatchObject([{ path: [path], code }]);
});

test('the config has port 5439 and takes names of 127 characters', () => {
  const config = redshift.config.parse({ host: 'x.redshift.amazonaws.com', ...ACCOUNT, database: 'x'.repeat(127) });
  expect(redshift.targets(config)).toMatchObject([{ host: 'x.redshift.amazonaws.com', port: 5439 }]);
});
