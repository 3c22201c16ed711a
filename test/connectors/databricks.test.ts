import { describe, expect, test } from 'vitest';
import { databricks } from '../../src/connectors/databricks/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { CLIENT, databricksStand, WAYS } from '../support/stands/databricks.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(databricksStand);
const { configFor, start, tryAt, tryIt, tryWith } = stand;

describe.each(Object.entries(WAYS))('by %s', (_way, authentication) => {
  test('a warehouse that works passes every check over one connection', async () => {
    const peer = await start();
    const result = await tryAt(peer, { authentication, schema: 'sales' });
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
    const result = await tryIt({ authentication }, { catalog: true });
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
  const result = await tryWith({ slowBy: 3, warehouse: { state: 'STOPPED' } });
  expect(result.failure).toBeNull();
  expect(result.evidence['warehouse/get']).toMatchObject({ state: 'STOPPED' });
});

test('a warehouse that is being deleted is warned of', async () => {
  expect((await tryWith({ warehouse: { state: 'DELETING' } })).steps).toContain('warehouse/get: WARNING');
});

test('the default catalog is asked for where none is named', async () => {
  const result = await tryIt({ catalog: undefined }, { methods: ['tables/list'] });
  expect(result.evidence['tables/list']).toEqual({ tables: '3', more: 'false' });
});

test('a large catalog comes in pages, also where the server holds rows back', async () => {
  const many = Array.from({ length: 900 }, (_, index) => ({
    schema: 's',
    name: `t${String(index).padStart(4, '0')}`,
    columns: ['a', 'b', 'c'].map((name) => ({ name, type: 'string' })),
  }));
  const result = await tryWith({ tables: many, rowsInFirstChunk: 400 }, {}, { catalog: true });
  expect(result.failure).toBeNull();
  expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
  expect(result.batches.flat().every((entry) => entry.columns.length === 3)).toBe(true);
});

test('only the schema that the config names is read', async () => {
  const result = await tryIt({ schema: 'web' }, { catalog: true });
  expect(result.batches.flat().map((entry) => entry.name)).toEqual(['hits']);
});

test('a token that may not ask for its own user signs in all the same', async () => {
  const result = await tryWith({ denied: ['me'] });
  expect(result.status).toBe('PASSED');
  expect(result.evidence['session/authenticate']).toEqual({ server: 'Databricks' });
});

describeTenancy(stand);

describe('what goes wrong is named', () => {
  const token = 'authentication.accessToken.token';
  const clientSecret = 'authentication.oauth.clientSecret';

  test.each([
    ['another token', { accessToken: { token: 'dapi-other' } }, 'KEY_REFUSED', token],
    ['another client secret', { oauth: { clientId: CLIENT.id, clientSecret: 'x' } }, 'KEY_REFUSED', clientSecret],
    ['an unknown client', { oauth: { clientId: 'x', clientSecret: CLIENT.secret } }, 'KEY_REFUSED', clientSecret],
  ])('%s', async (_title, authentication, code, configPath) => {
    const result = await tryIt({ authentication });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test.each([
    ['a missing warehouse', { httpPath: '/sql/1.0/warehouses/0' }, 'warehouse/get', 'RESOURCE_NOT_FOUND', 'httpPath'],
    ['a missing catalog', { catalog: 'nope' }, 'query/execute', 'RESOURCE_NOT_FOUND', 'catalog'],
    ['a missing schema', { schema: 'nope' }, 'query/execute', 'SCHEMA_NOT_FOUND', 'schema'],
  ])('%s', async (_title, more, at, code, configPath) => {
    expect(gist(await tryIt(more))).toEqual({ at, code, configPath });
  });

  test.each([
    ['a missing catalog', { catalog: 'nope' }, 'RESOURCE_NOT_FOUND', 'catalog'],
    ['a missing schema', { schema: 'nope' }, 'SCHEMA_NOT_FOUND', 'schema'],
  ])('%s, by Unity Catalog', async (_title, more, code, configPath) => {
    const result = await tryIt(more, { methods: ['tables/list'] });
    expect(gist(result)).toEqual({ at: 'tables/list', code, configPath });
  });

  test.each([
    ['warehouse', 'warehouse/get', 'httpPath'],
    ['query', 'query/execute', 'httpPath'],
    ['catalog', 'tables/list', 'catalog'],
  ] as const)('no right to the %s', async (what, at, configPath) => {
    expect(gist(await tryWith({ denied: [what] }))).toEqual({ at, code: 'PERMISSION_DENIED', configPath });
  });
});

describe.each(Object.entries(WAYS))('by %s', (_way, authentication) => {
  describeHttpFaults({ ...databricksStand, config: configFor({ authentication }) });
});

test('host and path are taken as the workspace’s pages show them', () => {
  const { host, httpPath } = configFor() as { host: string; httpPath: string };
  const shown = configFor({ host: `${host}/`, httpPath: `${httpPath.slice(1)}?o=1234567890123456` });
  expect(databricks.config.parse(shown)).toMatchObject({ host, httpPath });
});

describeBadConfigs(databricksStand, [
  ['a URL as host', { host: 'https://dbc-a1b2345c-d6e7.cloud.databricks.com' }, 'host', 'URL_IN_HOST'],
  ['a path of a cluster', { httpPath: 'sql/protocolv1/o/1/2-a' }, 'httpPath', 'INVALID_FORMAT'],
  ['a path that climbs', { httpPath: '/sql/1.0/warehouses/../x' }, 'httpPath', 'INVALID_FORMAT'],
  ['a path with a query', { httpPath: '/sql/1.0/warehouses/a?b' }, 'httpPath', 'INVALID_FORMAT'],
  ['two ways to sign in', { authentication: { ...WAYS.accessToken, ...WAYS.oauth } }, 'authentication', 'EXACTLY_ONE'],
  [
    'a client id with a colon',
    { authentication: { oauth: { clientId: 'a:b', clientSecret: 'x' } } },
    'authentication.oauth.clientId',
    'INVALID_FORMAT',
  ],
  [
    'a token with a line break',
    { authentication: { accessToken: { token: 'a\nb' } } },
    'authentication.accessToken.token',
    'INVALID_FORMAT',
  ],
]);

describe('the config', () => {
  test('takes a path without its first slash', () => {
    const config = databricks.config.parse(configFor({ httpPath: 'sql/1.0/endpoints/a1' }));
    expect(config.httpPath).toBe('/sql/1.0/endpoints/a1');
  });
});
