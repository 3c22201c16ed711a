import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { PostgresConfigInput, TenancyInput } from '../support/gql/graphql.ts';
import { postgresConfig, s3Config } from '../support/inputs.ts';
import { ReadTenancy } from '../support/operations.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType, issueList } from '../support/results.ts';

const TABLE: TenancyInput = {
  level: 'TABLE',
  clientColumnType: 'NUMBER',
  schemaName: 'tenants',
  tableName: 'clients',
  tableClientNameColumn: 'label',
  tablePrimaryKeyColumn: 'id',
};
const DATABASE = {
  level: 'DATABASE',
  clientColumnType: null,
  schemaName: null,
  tableName: null,
  tableClientNameColumn: null,
  tablePrimaryKeyColumn: null,
} as const;
const NEEDED = ['clientColumnType', 'schemaName', 'tableName', 'tableClientNameColumn', 'tablePrimaryKeyColumn'];

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
  const { host, port, superuser: user, password } = target;
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  await client.query(`
    create schema tenants;
    create table tenants.clients (id bigint, label text, key uuid, born date);
    create view tenants.overview as select id, label from tenants.clients`);
  await client.end();
});

afterAll(() => target.stop());

function real(more: Partial<PostgresConfigInput> = {}): { postgres: PostgresConfigInput } {
  const { port, superuser, password } = target;
  return { postgres: postgresConfig({ port, username: superuser, password, database: 'postgres', ...more }) };
}

describeEachGateway('tenancy', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const read = async (id: string) => (await gateway.run(ReadTenancy, { id })).datastore;

  test('is stored, replaced as a whole, kept when left out, and removed by null', async () => {
    const { id } = await api.created({ environmentId, config: real(), tenancy: TABLE });
    expect(await read(id)).toEqual({ version: 1, tenancy: TABLE });
    await api.updated({ id, label: 'Another' });
    expect(await read(id)).toEqual({ version: 2, tenancy: TABLE });
    await api.updated({ id, tenancy: TABLE });
    expect(await read(id)).toEqual({ version: 2, tenancy: TABLE });
    await api.updated({ id, tenancy: { level: 'DATABASE' } });
    expect(await read(id)).toEqual({ version: 3, tenancy: DATABASE });
    await api.updated({ id, tenancy: null });
    expect(await read(id)).toEqual({ version: 4, tenancy: null });
  });

  test('is null when nothing is said of it', async () => {
    const { id } = await api.created({ environmentId, config: real() });
    expect(await read(id)).toEqual({ version: 1, tenancy: null });
  });

  test('of level TABLE needs the five other fields, all named at once', async () => {
    const bare = { level: 'TABLE' } as const;
    const wanted = (at: string) => NEEDED.map((field) => `${at}.${field} REQUIRED`).sort();
    const created = await api.create({ environmentId, config: real(), tenancy: { ...bare, schemaName: null } });
    expect(issueList(expectType(created, 'ValidationError')).sort()).toEqual(wanted('input.tenancy'));
    const { id } = await api.created({ environmentId, config: real() });
    expect(issueList(expectType(await api.update({ id, tenancy: bare }), 'ValidationError')).sort()).toEqual(
      wanted('input.tenancy'),
    );
    const draft = { environmentId, config: real(), tenancy: bare };
    expect(issueList(expectType(await api.startTest({ target: { draft } }), 'ValidationError')).sort()).toEqual(
      wanted('input.target.draft.tenancy'),
    );
    const change = { datastoreId: id, tenancy: bare };
    expect(issueList(expectType(await api.startTest({ target: { change } }), 'ValidationError')).sort()).toEqual(
      wanted('input.target.change.tenancy'),
    );
    expect(await read(id)).toEqual({ version: 1, tenancy: null });
  });

  test.each([
    ['', 'TOO_SHORT'],
    ['x'.repeat(256), 'TOO_LONG'],
  ])('refuses a name like %j', async (tableName, code) => {
    const refused = await api.create({ environmentId, config: real(), tenancy: { ...TABLE, tableName } });
    expect(issueList(expectType(refused, 'ValidationError'))).toEqual([`input.tenancy.tableName ${code}`]);
  });

  test('is refused for a type that knows none', async () => {
    const tenancy = { level: 'DATABASE' } as const;
    const refused = await api.create({ environmentId, config: { s3: s3Config() }, tenancy });
    expect(issueList(expectType(refused, 'ValidationError'))).toEqual(['input.tenancy.level INVALID_COMBINATION']);
  });

  describe('is checked', () => {
    const run = async (tenancy: TenancyInput) => {
      const draft = { environmentId, config: real(), tenancy };
      return api.ended((await api.testStarted({ target: { draft } })).id);
    };

    test.each<[string, Partial<TenancyInput>, string]>([
      ['a table with a number as its key', {}, 'bigint'],
      ['a view', { tableName: 'overview' }, 'bigint'],
      ['a text as its key', { clientColumnType: 'STRING', tablePrimaryKeyColumn: 'key' }, 'uuid'],
    ])('and passes: %s', async (_title, more, keyType) => {
      const ended = await run({ ...TABLE, ...more });
      expect(ended).toMatchObject({ status: 'PASSED', failure: null });
      expect(ended.checks.at(-1)).toMatchObject({ name: 'postgres/tenancy/mapping', status: 'PASSED' });
      expect(ended.checks.at(-1)?.evidence).toContainEqual({ name: 'keyType', value: keyType });
    });

    test.each<[string, Partial<TenancyInput>, string]>([
      ['no such table', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
      ['a table in another schema', { schemaName: 'public' }, 'TENANCY_TABLE_NOT_FOUND'],
      ['a name in other letters', { tableName: 'Clients' }, 'TENANCY_TABLE_NOT_FOUND'],
      ['no such name column', { tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
      ['no such key column', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
      ['a key that is text', { tablePrimaryKeyColumn: 'key' }, 'TENANCY_COLUMN_TYPE'],
      ['a key that is a number', { clientColumnType: 'STRING' }, 'TENANCY_COLUMN_TYPE'],
      ['a key that is neither', { tablePrimaryKeyColumn: 'born' }, 'TENANCY_COLUMN_TYPE'],
      ['a name that is SQL', { tableName: "clients'; drop table tenants.clients; --" }, 'TENANCY_TABLE_NOT_FOUND'],
    ])('and fails: %s', async (_title, more, code) => {
      const ended = await run({ ...TABLE, ...more });
      expect(ended).toMatchObject({ status: 'FAILED', failure: { code } });
      expect(ended.failure?.hint).toContain('tenancy.');
      expect(ended.checks.at(-1)).toMatchObject({ name: 'postgres/tenancy/mapping', status: 'FAILED' });
    });

    test('before it is stored, when a test is asked for', async () => {
      const own = await api.newEnvironment();
      const input = { environmentId: own, config: real(), test: { timeoutMs: 20_000 } };
      const failed = await api.create({ ...input, tenancy: { ...TABLE, tableName: 'nope' } });
      const error = expectType(failed, 'ConnectionTestFailedError');
      const configPath = 'tenancy.tableName';
      expect(error.test.failure).toMatchObject({ code: 'TENANCY_TABLE_NOT_FOUND', configPath });
      expect(issueList(error)).toEqual(['input.tenancy.tableName CHECK_FAILED']);
      expect(await api.count(own)).toBe(0);
      const { lastTest } = await api.created({ ...input, tenancy: TABLE });
      expect(lastTest).toMatchObject({ status: 'PASSED' });
    });

    test('as it is stored, and as a change would make it', async () => {
      const { id: datastoreId } = await api.created({ environmentId, config: real(), tenancy: TABLE });
      const names = async (id: string) => (await api.ended(id)).checks.map(({ name }) => name);
      const stored = await api.testStarted({ target: { datastoreId } });
      expect(await names(stored.id)).toContain('postgres/tenancy/mapping');
      const without = await api.testStarted({ target: { change: { datastoreId, tenancy: null } } });
      expect(await names(without.id)).not.toContain('postgres/tenancy/mapping');
      const database = await api.testStarted({ target: { change: { datastoreId, tenancy: { level: 'DATABASE' } } } });
      expect(await names(database.id)).not.toContain('postgres/tenancy/mapping');
      const other = { ...TABLE, tableName: 'nope' };
      const changed = await api.testStarted({ target: { change: { datastoreId, tenancy: other } } });
      expect(await api.ended(changed.id)).toMatchObject({ failure: { code: 'TENANCY_TABLE_NOT_FOUND' } });
    });

    test('by its name only where there is a mapping', async () => {
      const { id: datastoreId } = await api.created({ environmentId, config: real() });
      const options = { validationMethods: ['postgres/tenancy/mapping'], timeoutMs: 20_000 };
      const refused = await api.startTest({ target: { datastoreId }, options });
      expect(issueList(expectType(refused, 'ValidationError'))).toEqual([
        'input.options.validationMethods INVALID_COMBINATION',
      ]);
      await api.updated({ id: datastoreId, tenancy: TABLE });
      const { id } = await api.testStarted({ target: { datastoreId }, options });
      expect((await api.ended(id)).checks.map(({ name }) => name)).toEqual([
        'postgres/endpoint/resolve',
        'postgres/endpoint/connect',
        'postgres/session/authenticate',
        'postgres/tenancy/mapping',
      ]);
    });
  });
});
