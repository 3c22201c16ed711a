import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { databricks } from '../../src/connectors/databricks/index.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type FakeDatabricksOptions, startFakeDatabricks } from '../support/peers/fake-databricks.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const HOST = 'dbc-a1b2345c-d6e7.cloud.databricks.com';
const TOKEN = 'dapi-0123456789abcdef';
const client = { id: 'f00d-client', secret: 'dose-of-secret' };
const tables: FakeTable[] = [
  {
    schema: 'sales',
    name: 'clients',
    kind: 'MANAGED',
    columns: [
      { name: 'id', type: 'bigint', nullable: 'NO' },
      { name: 'name', type: 'string' },
    ],
  },
  { schema: 'sales', name: "o'brien\\", kind: 'VIEW', columns: [{ name: 'a', type: 'struct<b:int>' }] },
  { schema: 'web', name: 'hits', kind: 'EXTERNAL', columns: [] },
];
const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startDatabricks(options: Partial<FakeDatabricksOptions> = {}): Promise<HttpPeer> {
  const certificate = await authority.issue({ names: [HOST] });
  const peer = await startFakeDatabricks({ token: TOKEN, client, tables, certificate, ...options });
  peers.push(peer);
  return peer;
}

const WAYS = {
  accessToken: { accessToken: { token: TOKEN } },
  oauth: { oauth: { clientId: client.id, clientSecret: client.secret } },
};

function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
  const httpPath = '/sql/1.0/warehouses/a1b234c567d8e9fa';
  return { host: HOST, httpPath, authentication: WAYS.accessToken, catalog: 'main', ...more };
}

function tryDatabricks(
  peer: HttpPeer,
  config = configFor(),
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const names = { [`${HOST}:443`]: `127.0.0.1:${peer.port}` };
  return testConnection(databricks, config, { names, extraCa: authority.certificate, ...options });
}

describe.each(Object.entries(WAYS))('by %s', (_way, authentication) => {
  test('a warehouse that works passes every check over one connection', async () => {
    const peer = await startDatabricks();
    const result = await tryDatabricks(peer, configFor({ authentication, schema: 'sales' }));
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Databricks', user: 'reader@example.com' },
      'warehouse/get': { warehouse: 'Starter Warehouse', state: 'RUNNING', size: '2X-Small' },
      'query/execute': { catalog: 'main', schema: 'sales', version: '2026.25' },
      'tables/list': { tables: '2', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('the catalog is read, odd names and all', async () => {
    const peer = await startDatabricks();
    const result = await tryDatabricks(peer, configFor({ authentication }), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([
      {
        namespace: 'sales',
        name: 'clients',
        kind: 'TABLE',
        columns: [
          { name: 'id', dataType: 'bigint', nullable: false },
          { name: 'name', dataType: 'string', nullable: true },
        ],
      },
      {
        namespace: 'sales',
        name: "o'brien\\",
        kind: 'VIEW',
        columns: [{ name: 'a', dataType: 'struct<b:int>', nullable: true }],
      },
      { namespace: 'web', name: 'hits', kind: 'TABLE', columns: [] },
    ]);
  });
});

test('what sleeps is waited for', async () => {
  const peer = await startDatabricks({ slowBy: 3, warehouse: { state: 'STOPPED' } });
  const result = await tryDatabricks(peer);
  expect(result.failure).toBeNull();
  expect(result.evidence['warehouse/get']).toMatchObject({ state: 'STOPPED' });
});

test('a warehouse that is being deleted is warned of', async () => {
  const peer = await startDatabricks({ warehouse: { state: 'DELETING' } });
  expect((await tryDatabricks(peer)).steps).toContain('warehouse/get: WARNING');
});

test('the default catalog is asked for where none is named', async () => {
  const peer = await startDatabricks();
  const result = await tryDatabricks(peer, configFor({ catalog: undefined }), { methods: ['tables/list'] });
  expect(result.evidence['tables/list']).toEqual({ tables: '3', more: 'false' });
});

test('a large catalog comes in pages, also where the server holds rows back', async () => {
  const many = Array.from({ length: 900 }, (_, index) => ({
    schema: 's',
    name: `t${String(index).padStart(4, '0')}`,
    columns: ['a', 'b', 'c'].map((name) => ({ name, type: 'string' })),
  }));
  const peer = await startDatabricks({ tables: many, rowsInFirstChunk: 400 });
  const result = await tryDatabricks(peer, configFor(), { catalog: true });
  expect(result.failure).toBeNull();
  expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
  expect(result.batches.flat().every((entry) => entry.columns.length === 3)).toBe(true);
});

test('only the schema that the config names is read', async () => {
  const peer = await startDatabricks();
  const result = await tryDatabricks(peer, configFor({ schema: 'web' }), { catalog: true });
  expect(result.batches.flat().map((entry) => entry.name)).toEqual(['hits']);
});

test('a token that may not ask for its own user signs in all the same', async () => {
  const peer = await startDatabricks({ denied: ['me'] });
  const result = await tryDatabricks(peer);
  expect(result.status).toBe('PASSED');
  expect(result.evidence['session/authenticate']).toEqual({ server: 'Databricks' });
});

describe('tenancy', () => {
  const tenancy = {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'sales',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  } as const;

  test.each([
    ['a mapping that is there', {}, undefined],
    ['a missing table', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing column', { tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { tablePrimaryKeyColumn: 'name' }, 'TENANCY_COLUMN_TYPE'],
  ])('%s', async (_title, more, code) => {
    const peer = await startDatabricks();
    const options = { tenancy: { ...tenancy, ...more }, methods: ['tenancy/mapping'] };
    expect((await tryDatabricks(peer, configFor(), options)).failure?.code).toBe(code);
  });
});

describe('what goes wrong is named', () => {
  const token = 'authentication.accessToken.token';
  const clientSecret = 'authentication.oauth.clientSecret';

  test.each([
    ['another token', { accessToken: { token: 'dapi-other' } }, 'KEY_REFUSED', token],
    ['no token', { accessToken: {} }, 'CREDENTIALS_REQUIRED', token],
    ['another client secret', { oauth: { clientId: client.id, clientSecret: 'x' } }, 'KEY_REFUSED', clientSecret],
    ['an unknown client', { oauth: { clientId: 'x', clientSecret: client.secret } }, 'KEY_REFUSED', clientSecret],
    ['no client secret', { oauth: { clientId: client.id } }, 'CREDENTIALS_REQUIRED', clientSecret],
  ])('%s', async (_title, authentication, code, configPath) => {
    const peer = await startDatabricks();
    const result = await tryDatabricks(peer, configFor({ authentication }));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test.each([
    ['a missing warehouse', { httpPath: '/sql/1.0/warehouses/0' }, 'warehouse/get', 'RESOURCE_NOT_FOUND', 'httpPath'],
    ['a missing catalog', { catalog: 'nope' }, 'query/execute', 'RESOURCE_NOT_FOUND', 'catalog'],
    ['a missing schema', { schema: 'nope' }, 'query/execute', 'SCHEMA_NOT_FOUND', 'schema'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const peer = await startDatabricks();
    expect(gist(await tryDatabricks(peer, configFor(more)))).toEqual({ at, code, configPath });
  });

  test.each([
    ['a missing catalog', { catalog: 'nope' }, 'RESOURCE_NOT_FOUND', 'catalog'],
    ['a missing schema', { schema: 'nope' }, 'SCHEMA_NOT_FOUND', 'schema'],
  ])('%s, by Unity Catalog', async (_title, more, code, configPath) => {
    const peer = await startDatabricks();
    const result = await tryDatabricks(peer, configFor(more), { methods: ['tables/list'] });
    expect(gist(result)).toEqual({ at: 'tables/list', code, configPath });
  });

  test.each([
    ['warehouse', 'warehouse/get', 'httpPath'],
    ['query', 'query/execute', 'httpPath'],
    ['catalog', 'tables/list', 'catalog'],
  ] as const)('no right to the %s', async (what, at, configPath) => {
    const peer = await startDatabricks({ denied: [what] });
    expect(gist(await tryDatabricks(peer))).toEqual({ at, code: 'PERMISSION_DENIED', configPath });
  });
});

describe.each(Object.entries(WAYS))('by %s', (_way, authentication) => {
  describeHttpFaults({
    connector: databricks,
    start: startDatabricks,
    name: HOST,
    fixedHost: true,
    config: () => configFor({ authentication }),
    ways: (port, extraCa) => ({ names: { [`${HOST}:443`]: `127.0.0.1:${port}` }, extraCa }),
    hostPath: 'host',
    portPath: 'host',
  });
});

const badConfigs: readonly { name: string; config: unknown; path: string; code: IssueCode }[] = [
  { name: 'a URL as host', config: configFor({ host: `https://${HOST}` }), path: 'host', code: 'URL_IN_HOST' },
  {
    name: 'a path of a cluster',
    config: configFor({ httpPath: 'sql/protocolv1/o/1/2-a' }),
    path: 'httpPath',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a path that climbs',
    config: configFor({ httpPath: '/sql/1.0/warehouses/../x' }),
    path: 'httpPath',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a path with a query',
    config: configFor({ httpPath: '/sql/1.0/warehouses/a?b' }),
    path: 'httpPath',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'two ways to sign in',
    config: configFor({ authentication: { ...WAYS.accessToken, ...WAYS.oauth } }),
    path: 'authentication',
    code: 'EXACTLY_ONE',
  },
  {
    name: 'a client id with a colon',
    config: configFor({ authentication: { oauth: { clientId: 'a:b' } } }),
    path: 'authentication.oauth.clientId',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a token with a line break',
    config: configFor({ authentication: { accessToken: { token: 'a\nb' } } }),
    path: 'authentication.accessToken.token',
    code: 'INVALID_FORMAT',
  },
];

describe('the config', () => {
  test.each(badConfigs)('refuses $name', ({ config, path, code }) => {
    const { error } = databricks.config.safeParse(config);
    const issues = error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]);
    expect(issues).toEqual([[path, code]]);
  });

  test('takes a path without its first slash', () => {
    const config = databricks.config.parse(configFor({ httpPath: 'sql/1.0/endpoints/a1' }));
    expect(config.httpPath).toBe('/sql/1.0/endpoints/a1');
  });
});
