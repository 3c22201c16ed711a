import { describe, expect, test } from 'vitest';
import { athena } from '../../src/connectors/athena/index.ts';
import { describeAwsRoles } from '../support/aws-role-table.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { athenaStand, CLIENTS, DATABASES, EXPIRED, KEY, TEMPORARY } from '../support/stands/athena.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const stand = useStand(athenaStand);
const { configFor, issue, start, tryAt, tryIt, tryWith } = stand;
const ALL = ['workgroup/get', 'databases/list', 'query/execute'];

describe('a catalog that works', () => {
  test('passes every check, the writing one too, over one connection', async () => {
    const peer = await start({ slowBy: 2 });
    const result = await tryAt(peer, {}, { methods: ALL });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Amazon Athena', accessKeyId: 'AKIDEXAMPLE' },
      'workgroup/get': { workgroup: 'primary', state: 'ENABLED', engine: 'Athena engine version 3' },
      'databases/list': { catalog: 'AwsDataCatalog', databases: '2', more: 'false' },
      'query/execute': { runMs: '214' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('asks after its query at a pace that slows down', async () => {
    const peer = await start({ slowBy: 5 });
    const before = performance.now();
    expect((await tryAt(peer, {}, { methods: ['query/execute'] })).failure).toBeNull();
    const asked = peer.requests.filter(({ headers }) => headers['x-amz-target'] === 'AmazonAthena.GetQueryExecution');
    expect(asked).toHaveLength(6);
    // five pauses, from 20 ms on, each half as long again
    expect(performance.now() - before).toBeGreaterThan(250);
  });

  test('runs no query by default', async () => {
    const peer = await start();
    expect((await tryAt(peer)).status).toBe('PASSED');
    expect(peer.requests.map((request) => request.headers['x-amz-target'])).not.toContain(
      'AmazonAthena.StartQueryExecution',
    );
  });

  test('takes temporary credentials', async () => {
    expect((await tryIt(TEMPORARY)).failure).toBeNull();
  });

  test.each([
    ['is disabled', { state: 'DISABLED' }],
    ['writes elsewhere', { outputLocation: 's3://other/' }],
  ])('warns of a workgroup that %s', async (_title, workgroup) => {
    expect((await tryWith({ workgroup })).steps).toContain('workgroup/get: WARNING');
  });

  test.each([
    ['the workgroup has one', { outputLocation: 's3://my-results/' }, 's3://my-results/'],
    ['Athena manages them', { managed: true }, 'managed by Athena'],
  ])('needs no output location where %s', async (_title, workgroup, outputLocation) => {
    const result = await tryWith({ workgroup }, { outputLocation: undefined }, { methods: ALL });
    expect(result).toMatchObject({ status: 'PASSED', evidence: { 'workgroup/get': { outputLocation } } });
  });

  test('says where the results have no place', async () => {
    const result = await tryWith({}, { outputLocation: undefined }, { methods: ALL });
    expect(result.steps).toContain('workgroup/get: WARNING');
    expect(gist(result)).toEqual({ at: 'query/execute', code: 'BUCKET_NOT_FOUND', configPath: 'outputLocation' });
  });

  test('is asked at a base URL, where one is given', async () => {
    const peer = await start({ certificate: await issue({ names: ['vpce.example'] }) });
    const config = { baseUrl: 'https://vpce.example' };
    const names = { 'vpce.example:443': `127.0.0.1:${peer.port}` };
    expect((await tryAt(peer, config, { names })).failure).toBeNull();
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
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual(sales);
  });

  test('is that of every database', async () => {
    const result = await tryWith(
      { databases: { ...DATABASES, again: [CLIENTS] } },
      { database: undefined },
      { catalog: true },
    );
    expect(result.batches.flat()).toEqual([...sales, { ...sales[0], namespace: 'again' }]);
  });

  test('comes in pages', async () => {
    const many = Array.from({ length: 120 }, (_, index) => ({ ...CLIENTS, name: `t${index}` }));
    const names = Array.from({ length: 60 }, (_, index) => `d${index}`);
    const all = await tryWith(
      { databases: Object.fromEntries(names.map((name) => [name, many.slice(0, 2)])) },
      { database: undefined },
      { catalog: true },
    );
    expect(all.batches.flat().map((entry) => entry.namespace)).toEqual(names.flatMap((name) => [name, name]));
    const one = await tryWith({ databases: { sales: many } }, {}, { catalog: true });
    expect(one.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(one.batches.map((batch) => batch.length)).toEqual([50, 50, 20]);
  });
});

describeTenancy(stand);

describe.each([
  ['JSON', false],
  ['XML', true],
])('what goes wrong is named, in %s', (_form, xml) => {
  test.each([
    ['an unknown key', { accessKeyId: 'AKIDNOBODY' }, 'KEY_REFUSED', 'accessKeyId'],
    ['another secret', { secretAccessKey: 'x' }, 'KEY_REFUSED', 'secretAccessKey'],
    ['a temporary key without its token', { accessKeyId: 'ASIDEXAMPLE' }, 'KEY_REFUSED', 'accessKeyId'],
    ['an expired token', EXPIRED, 'TOKEN_EXPIRED', 'sessionToken'],
  ])('%s', async (_title, more, code, configPath) => {
    expect(gist(await tryWith({ xml }, more))).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('an endpoint of another region', async () => {
    expect(gist(await tryWith({ xml, region: 'us-east-1' }))).toMatchObject({
      code: 'WRONG_REGION',
      configPath: 'region',
    });
  });

  test('a clock that is an hour behind', async () => {
    expect(gist(await tryWith({ xml, clockAhead: 60 }))).toMatchObject({
      at: 'session/authenticate',
      code: 'CLOCK_SKEW',
    });
  });
});

test('a proxy that strips the path of the base URL breaks the signature', async () => {
  const result = await tryWith({ stripsPath: '/aws' }, { baseUrl: 'https://athena.eu-central-1.amazonaws.com/aws' });
  expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_REFUSED', configPath: 'baseUrl' });
  expect(result.failure?.hint).toMatch(/`secretAccessKey`.*strips the path of `baseUrl`/);
});

describe('what goes wrong later is named', () => {
  test.each([
    ['workgroup', { workgroup: 'nope' }, 'workgroup/get', 'RESOURCE_NOT_FOUND', 'workgroup'],
    ['catalog', { catalog: 'nope' }, 'databases/list', 'RESOURCE_NOT_FOUND', 'catalog'],
    ['database', { database: 'nope' }, 'databases/list', 'DATABASE_NOT_FOUND', 'database'],
    ['bucket', { outputLocation: 's3://nope/' }, 'query/execute', 'BUCKET_NOT_FOUND', 'outputLocation'],
  ])('a missing %s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more, { methods: ALL });
    expect(gist(result)).toEqual({ at, code, configPath });
  });

  test.each([
    ['GetWorkGroup', 'workgroup/get'],
    ['ListDatabases', 'databases/list'],
    ['GetDatabase', 'databases/list'],
    ['StartQueryExecution', 'query/execute'],
    ['GetQueryExecution', 'query/execute'],
  ])('no right to %s', async (operation, at) => {
    const result = await tryWith({ denied: [operation] }, {}, { methods: ALL });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' });
  });

  test.each([
    ['Access denied when writing output to url: s3://my-results/athena/x.csv', 'PERMISSION_DENIED', 'outputLocation'],
    ['Unable to verify/create output bucket my-results', 'BUCKET_NOT_FOUND', 'outputLocation'],
    ['GENERIC_INTERNAL_ERROR', 'SERVER_ERROR', 'region'],
  ])('a query that fails: %s', async (failsWith, code, configPath) => {
    const result = await tryWith({ failsWith }, {}, { methods: ALL });
    expect(result).toMatchObject({ failedAt: 'query/execute', failure: { code } });
    if (code !== 'SERVER_ERROR') expect(result.failure?.configPath).toBe(configPath);
    expect(JSON.stringify(result.failure)).not.toContain('my-results');
  });
});

describeHttpFaults(athenaStand);

describeBadConfigs(athenaStand, [
  ['a region with a host in it', { region: 'x.evil.example/#' }, 'region', 'INVALID_FORMAT'],
  ['a region that AWS does not have', { region: 'moon' }, 'region', 'INVALID_COMBINATION'],
  ['an output location over HTTP', { outputLocation: 'https://b/' }, 'outputLocation', 'INVALID_FORMAT'],
  ['a base URL in clear text', { baseUrl: 'http://athena.example' }, 'baseUrl', 'INVALID_FORMAT'],
  ['a workgroup with a slash', { workgroup: 'a/b' }, 'workgroup', 'INVALID_FORMAT'],
]);

describeAwsRoles({
  connector: athena,
  configFor,
  tryWith: (sts, changes) => tryWith({ sts }, changes),
  key: KEY,
  region: 'eu-central-1',
});
