import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { athena } from '../../src/connectors/athena/index.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type FakeAthenaOptions, startFakeAthena } from '../support/peers/fake-athena.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const HOST = 'athena.eu-central-1.amazonaws.com';
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const TEMPORARY = { ...KEY, accessKeyId: 'ASIDEXAMPLE', sessionToken: 'a-session-token' };
const EXPIRED = { ...TEMPORARY, accessKeyId: 'ASIEXPIRED', expired: true };
const clients: FakeTable = {
  schema: '',
  name: 'clients',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'name', type: 'string' },
  ],
};
const databases = { sales: [clients, { schema: '', name: 'v', kind: 'VIRTUAL_VIEW', columns: [] }], web: [] };
const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startAthena(options: Partial<FakeAthenaOptions> = {}): Promise<HttpPeer> {
  const certificate = await authority.issue({ names: [HOST] });
  const credentials = [KEY, TEMPORARY, EXPIRED];
  const peer = await startFakeAthena({ credentials, databases, certificate, ...options });
  peers.push(peer);
  return peer;
}

function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { region: 'eu-central-1', ...KEY, outputLocation: 's3://my-results/athena/', database: 'sales', ...more };
}

function tryAthena(
  peer: HttpPeer,
  config = configFor(),
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const names = { [`${HOST}:443`]: `127.0.0.1:${peer.port}` };
  return testConnection(athena, config, { names, extraCa: authority.certificate, ...options });
}

const ALL = ['workgroup/get', 'databases/list', 'query/execute'];

describe('a catalog that works', () => {
  test('passes every check, the writing one too, over one connection', async () => {
    const peer = await startAthena({ slowBy: 2 });
    const result = await tryAthena(peer, configFor(), { methods: ALL });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Amazon Athena', accessKeyId: KEY.accessKeyId },
      'workgroup/get': { workgroup: 'primary', state: 'ENABLED', engine: 'Athena engine version 3' },
      'databases/list': { catalog: 'AwsDataCatalog', databases: '2', more: 'false' },
      'query/execute': { runMs: '214' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('runs no query by default', async () => {
    const peer = await startAthena();
    expect((await tryAthena(peer)).status).toBe('PASSED');
    expect(peer.requests.map((request) => request.headers['x-amz-target'])).not.toContain(
      'AmazonAthena.StartQueryExecution',
    );
  });

  test('takes temporary credentials', async () => {
    const peer = await startAthena();
    expect((await tryAthena(peer, configFor(TEMPORARY))).failure).toBeNull();
  });

  test.each([
    ['is disabled', { state: 'DISABLED' }],
    ['writes elsewhere', { outputLocation: 's3://other/' }],
  ])('warns of a workgroup that %s', async (_title, workgroup) => {
    const peer = await startAthena({ workgroup });
    expect((await tryAthena(peer)).steps).toContain('workgroup/get: WARNING');
  });

  test('is asked at a base URL, where one is given', async () => {
    const peer = await startAthena({ certificate: await authority.issue({ names: ['vpce.example'] }) });
    const config = configFor({ baseUrl: 'https://vpce.example' });
    const names = { 'vpce.example:443': `127.0.0.1:${peer.port}` };
    expect((await tryAthena(peer, config, { names })).failure).toBeNull();
  });

  test('has a host of its own in China', () => {
    const config = athena.config.parse(configFor({ region: 'cn-north-1' }));
    expect(athena.targets(config)[0]?.host).toBe('athena.cn-north-1.amazonaws.com.cn');
  });
});

describe('its catalog', () => {
  const sales = [
    {
      namespace: 'sales',
      name: 'clients',
      kind: 'TABLE',
      columns: [
        { name: 'id', dataType: 'bigint', nullable: null },
        { name: 'name', dataType: 'string', nullable: null },
      ],
    },
    { namespace: 'sales', name: 'v', kind: 'VIEW', columns: [] },
  ];

  test('is that of the database', async () => {
    const peer = await startAthena();
    const result = await tryAthena(peer, configFor(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual(sales);
  });

  test('is that of every database', async () => {
    const peer = await startAthena({ databases: { ...databases, again: [clients] } });
    const result = await tryAthena(peer, configFor({ database: undefined }), { catalog: true });
    expect(result.batches.flat()).toEqual([...sales, { ...sales[0], namespace: 'again' }]);
  });

  test('comes in pages', async () => {
    const many = Array.from({ length: 120 }, (_, index) => ({ ...clients, name: `t${index}` }));
    const names = Array.from({ length: 60 }, (_, index) => `d${index}`);
    const peer = await startAthena({ databases: Object.fromEntries(names.map((name) => [name, many.slice(0, 2)])) });
    const all = await tryAthena(peer, configFor({ database: undefined }), { catalog: true });
    expect(all.batches.flat().map((entry) => entry.namespace)).toEqual(names.flatMap((name) => [name, name]));
    const large = await startAthena({ databases: { sales: many } });
    const one = await tryAthena(large, configFor(), { catalog: true });
    expect(one.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(one.batches.map((batch) => batch.length)).toEqual([50, 50, 20]);
  });
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
    ['a missing database', { schemaName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing table', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing column', { tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { tablePrimaryKeyColumn: 'name' }, 'TENANCY_COLUMN_TYPE'],
  ])('%s', async (_title, more, code) => {
    const peer = await startAthena();
    const options = { tenancy: { ...tenancy, ...more }, methods: ['tenancy/mapping'] };
    expect((await tryAthena(peer, configFor(), options)).failure?.code).toBe(code);
  });
});

describe.each([
  ['JSON', false],
  ['XML', true],
])('what goes wrong is named, in %s', (_form, xml) => {
  test.each([
    ['an unknown key', { accessKeyId: 'AKIDNOBODY' }, 'KEY_REFUSED', 'accessKeyId'],
    ['another secret', { secretAccessKey: 'x' }, 'KEY_REFUSED', 'secretAccessKey'],
    ['a temporary key without its token', { accessKeyId: 'ASIDEXAMPLE' }, 'KEY_REFUSED', 'accessKeyId'],
    ['an expired token', { ...EXPIRED, expired: undefined }, 'TOKEN_EXPIRED', 'sessionToken'],
    ['no secret', { secretAccessKey: undefined }, 'CREDENTIALS_REQUIRED', 'secretAccessKey'],
  ])('%s', async (_title, more, code, configPath) => {
    const peer = await startAthena({ xml });
    expect(gist(await tryAthena(peer, configFor(more)))).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('an endpoint of another region', async () => {
    const peer = await startAthena({ xml, region: 'us-east-1' });
    expect(gist(await tryAthena(peer))).toMatchObject({ code: 'WRONG_REGION', configPath: 'region' });
  });

  test('a clock that is an hour behind', async () => {
    const peer = await startAthena({ xml, clockAhead: 60 });
    expect(gist(await tryAthena(peer))).toMatchObject({ at: 'session/authenticate', code: 'CLOCK_SKEW' });
  });
});

describe('what goes wrong later is named', () => {
  test.each([
    ['workgroup', { workgroup: 'nope' }, 'workgroup/get', 'RESOURCE_NOT_FOUND', 'workgroup'],
    ['catalog', { catalog: 'nope' }, 'databases/list', 'RESOURCE_NOT_FOUND', 'catalog'],
    ['database', { database: 'nope' }, 'databases/list', 'DATABASE_NOT_FOUND', 'database'],
    ['bucket', { outputLocation: 's3://nope/' }, 'query/execute', 'BUCKET_NOT_FOUND', 'outputLocation'],
  ])('a missing %s', async (_title, more, at, code, configPath) => {
    const peer = await startAthena();
    const result = await tryAthena(peer, configFor(more), { methods: ALL });
    expect(gist(result)).toEqual({ at, code, configPath });
  });

  test.each([
    ['GetWorkGroup', 'workgroup/get'],
    ['ListDatabases', 'databases/list'],
    ['GetDatabase', 'databases/list'],
    ['StartQueryExecution', 'query/execute'],
    ['GetQueryExecution', 'query/execute'],
  ])('no right to %s', async (operation, at) => {
    const peer = await startAthena({ denied: [operation] });
    const result = await tryAthena(peer, configFor(), { methods: ALL });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' });
  });

  test.each([
    ['Access denied when writing output to url: s3://my-results/athena/x.csv', 'PERMISSION_DENIED', 'outputLocation'],
    ['Unable to verify/create output bucket my-results', 'BUCKET_NOT_FOUND', 'outputLocation'],
    ['GENERIC_INTERNAL_ERROR', 'UNEXPECTED_ANSWER', 'region'],
  ])('a query that fails: %s', async (failsWith, code, configPath) => {
    const peer = await startAthena({ failsWith });
    const result = await tryAthena(peer, configFor(), { methods: ALL });
    expect(result).toMatchObject({ failedAt: 'query/execute', failure: { code } });
    if (code !== 'UNEXPECTED_ANSWER') expect(result.failure?.configPath).toBe(configPath);
    expect(JSON.stringify(result.failure)).not.toContain('my-results');
  });
});

describeHttpFaults({
  connector: athena,
  start: startAthena,
  name: HOST,
  fixedHost: true,
  config: () => configFor(),
  ways: (port, extraCa) => ({ names: { [`${HOST}:443`]: `127.0.0.1:${port}` }, extraCa }),
  hostPath: 'region',
  portPath: 'region',
});

const badConfigs: readonly { name: string; config: unknown; path: string; code: IssueCode }[] = [
  {
    name: 'a region with a host in it',
    config: configFor({ region: 'x.evil.example/#' }),
    path: 'region',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a region that AWS does not have',
    config: configFor({ region: 'moon' }),
    path: 'region',
    code: 'INVALID_COMBINATION',
  },
  {
    name: 'an output location over HTTP',
    config: configFor({ outputLocation: 'https://b/' }),
    path: 'outputLocation',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a base URL in clear text',
    config: configFor({ baseUrl: 'http://athena.example' }),
    path: 'baseUrl',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a workgroup with a slash',
    config: configFor({ workgroup: 'a/b' }),
    path: 'workgroup',
    code: 'INVALID_FORMAT',
  },
];

describe('the config', () => {
  test.each(badConfigs)('refuses $name', ({ config, path, code }) => {
    const { error } = athena.config.safeParse(config);
    const issues = error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]);
    expect(issues).toEqual([[path, code]]);
  });
});
