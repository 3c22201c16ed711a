import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bigquery } from '../../src/connectors/bigquery/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { ACCOUNT, bigqueryStand, CLIENTS, DATASETS } from '../support/stands/bigquery.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';
import { describeWorkloadIdentity } from '../support/workload-identity-table.ts';

const stand = useStand(bigqueryStand);
const { configFor, hosts, issue, keep, start, tryAt, tryIt, tryWith } = stand;

describeWorkloadIdentity({
  connector: bigquery,
  configFor,
  tryWith: async (sts, changes, more) => {
    const names = [...hosts, 'sts.googleapis.com', 'iamcredentials.googleapis.com'];
    return tryAt(await keep(bigqueryStand.start(await issue({ names }), { sts, ...more })), changes);
  },
  scope: 'https://www.googleapis.com/auth/bigquery.readonly',
});

describe('a project that works', () => {
  test('passes every check over one connection', async () => {
    const peer = await start();
    const result = await tryAt(peer, {}, { methods: ['dataset/get', 'query/dry_run', 'tables/list'] });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'BigQuery', account: ACCOUNT.email },
      'dataset/get': { dataset: 'sales', location: 'EU' },
      'query/dry_run': { location: 'EU', bytes: '0' },
      'tables/list': { tables: '2', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('needs no dataset', async () => {
    const result = await tryIt({ dataset: undefined });
    expect(result.steps.slice(-2)).toEqual(['session/authenticate: PASSED', 'query/dry_run: PASSED']);
  });

  test('runs nothing that costs', async () => {
    const peer = await start();
    await tryAt(peer);
    const queries = peer.requests.filter((request) => request.method === 'POST');
    expect(queries.map((request) => JSON.parse(request.body.toString()).dryRun)).toEqual([true]);
  });

  test('is warned of when its dataset is elsewhere', async () => {
    const result = await tryIt({ location: 'us' });
    expect(result.steps).toContain('dataset/get: WARNING');
    expect(gist(result)).toEqual({ at: 'query/dry_run', code: 'WRONG_REGION', configPath: 'location' });
  });

  test('lies in another universe where the key says so', () => {
    const config = bigquery.config.parse(configFor({ 'credentials.universeDomain': 'Example-Cloud.goog' }));
    expect(bigquery.targets(config)).toMatchObject([
      { host: 'bigquery.example-cloud.goog', port: 443, hostPath: 'credentials.universeDomain' },
    ]);
  });
});

describe('data in another project than pays', () => {
  const elsewhere = { dataProject: 'data-of-others' };
  const changes = { dataProjectId: 'data-of-others' };
  const EVERY = ['dataset/get', 'query/dry_run', 'tables/list'];

  test('passes every check: datasets are asked for there, and jobs run in the one that pays', async () => {
    const peer = await start(elsewhere);
    const result = await tryAt(peer, changes, { methods: EVERY });
    expect(result.failure).toBeNull();
    const projects = peer.requests.map(({ method, path }) => [method, path.split('/')[4]].join(' '));
    expect(new Set(projects)).toEqual(new Set(['GET data-of-others', 'POST my-project']));
  });

  test('is read by queries of the one that pays', async () => {
    const result = await tryWith(elsewhere, changes, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map(({ name }) => name)).toEqual(['clients', 'summary']);
  });

  test.each([
    ['no such project of data', {}, 'dataset/get', 'dataProjectId'],
    ['no such project that pays', { ...elsewhere, project: 'another' }, 'query/dry_run', 'projectId'],
  ])('%s is told', async (_title, options, at, configPath) => {
    const result = await tryWith(options, changes);
    expect(gist(result)).toEqual({ at, code: 'RESOURCE_NOT_FOUND', configPath });
  });
});

describe('the catalog', () => {
  const sales = [
    {
      namespace: 'sales',
      name: 'clients',
      kind: 'TABLE',
      columns: [
        { name: 'id', dataType: 'INTEGER', nullable: false },
        { name: 'name', dataType: 'STRING', nullable: true },
      ],
    },
    { namespace: 'sales', name: 'summary', kind: 'VIEW', columns: [] },
  ];

  test('is that of the dataset', async () => {
    const result = await tryWith({ slowBy: 2 }, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual(sales);
  });

  test('is that of every dataset of the project', async () => {
    const result = await tryWith(
      { datasets: { ...DATASETS, another: [CLIENTS] } },
      { dataset: undefined },
      { catalog: true },
    );
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([...sales, { ...sales[0], namespace: 'another' }]);
  });

  test('comes in pages', async () => {
    const many = Array.from({ length: 1_200 }, (_, index) => ({
      schema: '',
      name: `t${String(index).padStart(5, '0')}`,
      columns: Array.from({ length: 10 }, (_each, column) => ({ name: `c${column}`, type: 'STRING' })),
    }));
    const peer = await start({ datasets: { sales: many } });
    const result = await tryAt(peer, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(result.batches.flat().every((entry) => entry.columns.length === 10)).toBe(true);
    expect(peer.requests.filter((request) => request.path.includes('/queries/')).length).toBe(6);
  });
});

describeTenancy(stand);

describe('what goes wrong is named', () => {
  const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });

  test.each([
    ['another key', { 'credentials.privateKey': otherKey }, 'KEY_REFUSED', 'credentials.privateKey'],
    [
      'another account',
      { 'credentials.clientEmail': 'x@p.iam.gserviceaccount.com' },
      'KEY_REFUSED',
      'credentials.privateKey',
    ],
  ])('%s', async (_title, changes, code, configPath) => {
    const result = await tryIt(changes);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('a clock that is an hour behind', async () => {
    expect(gist(await tryWith({ clockAhead: 3600 }))).toMatchObject({
      at: 'session/authenticate',
      code: 'KEY_REFUSED',
    });
  });

  test.each([
    ['an unknown dataset', { dataset: 'nope' }, 'dataset/get', 'dataset'],
    ['an unknown project', { projectId: 'another-one' }, 'dataset/get', 'projectId'],
    [
      'an unknown project and no dataset',
      { projectId: 'another-one', dataset: undefined },
      'query/dry_run',
      'projectId',
    ],
  ])('%s', async (_title, more, at, configPath) => {
    expect(gist(await tryIt(more))).toEqual({ at, code: 'RESOURCE_NOT_FOUND', configPath });
  });

  test.each([
    ['no right at all', [], 'dataset/get'],
    ['only the dataset', ['datasets.get'], 'query/dry_run'],
    ['no right to list tables', ['datasets.get', 'jobs.create'], 'tables/list'],
  ] as const)('%s', async (_title, rights, at) => {
    const result = await tryWith({ rights }, {}, { methods: ['dataset/get', 'query/dry_run', 'tables/list'] });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' });
  });

  test('an API that is not switched on', async () => {
    expect(gist(await tryWith({ forbidden: 'accessNotConfigured' }))).toMatchObject({
      code: 'PERMISSION_DENIED',
      configPath: 'projectId',
    });
  });

  test('a quota that is used up', async () => {
    expect(gist(await tryWith({ forbidden: 'quotaExceeded' }))).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
  });

  test.each([401, 403, 404])('a %i that is not Google’s', async (status) => {
    expect(gist(await tryWith({ misbehave: { status } }))).toMatchObject({
      at: 'session/authenticate',
      code: 'PROTOCOL_MISMATCH',
    });
  });
});

describeHttpFaults(bigqueryStand);

describeBadConfigs(bigqueryStand, [
  ['a number for the data’s project', { dataProjectId: '123456789' }, 'dataProjectId', 'INVALID_FORMAT'],
  ['a project number', { projectId: '123456' }, 'projectId', 'INVALID_FORMAT'],
  ['a project path', { projectId: 'my-project/x' }, 'projectId', 'INVALID_FORMAT'],
  ['a dataset with its project', { dataset: 'p.sales' }, 'dataset', 'INVALID_FORMAT'],
  ['a dataset with a backtick', { dataset: 'a`b' }, 'dataset', 'INVALID_FORMAT'],
  ['a location with a path', { location: 'EU/../' }, 'location', 'INVALID_FORMAT'],
  [
    'credentials that are no service account’s',
    { 'credentials.type': 'external_account' },
    'credentials.type',
    'INVALID_VALUE',
  ],
]);
