import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bigquery } from '../../src/connectors/bigquery/index.ts';
import type { IssueCode } from '../../src/errors/field-issues.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { type FakeBigqueryOptions, startFakeBigquery } from '../support/peers/fake-bigquery.ts';
import type { FakeTable } from '../support/peers/fake-information-schema.ts';
import { createGoogleAccount } from '../support/peers/google-token.ts';
import type { HttpPeer } from '../support/peers/http-peer.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const HOST = 'bigquery.googleapis.com';
const account = createGoogleAccount();
const clients: FakeTable = {
  schema: '',
  name: 'clients',
  columns: [
    { name: 'id', type: 'INTEGER', nullable: 'NO' },
    { name: 'name', type: 'STRING' },
  ],
};
const datasets = { sales: [clients, { schema: '', name: 'summary', kind: 'MATERIALIZED VIEW', columns: [] }], web: [] };
const peers: HttpPeer[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startBigquery(options: Partial<FakeBigqueryOptions> = {}): Promise<HttpPeer> {
  const certificate = await authority.issue({ names: [HOST] });
  const peer = await startFakeBigquery({ account, certificate, datasets, ...options });
  peers.push(peer);
  return peer;
}

function configFor(more: Record<string, unknown> = {}, credentials: Record<string, unknown> = {}) {
  const key = { privateKey: account.privateKey, clientEmail: account.email, privateKeyId: account.keyId };
  return {
    projectId: 'my-project',
    dataset: 'sales',
    location: 'EU',
    credentials: { type: 'service_account', ...key, ...credentials },
    ...more,
  };
}

function tryBigquery(
  peer: HttpPeer,
  config: Record<string, unknown> = configFor(),
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  const names = { [`${HOST}:443`]: `127.0.0.1:${peer.port}` };
  return testConnection(bigquery, config, { names, extraCa: authority.certificate, ...options });
}

describe('a project that works', () => {
  test('passes every check over one connection', async () => {
    const peer = await startBigquery();
    const result = await tryBigquery(peer, configFor(), { methods: ['dataset/get', 'query/dry_run', 'tables/list'] });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'BigQuery', account: account.email },
      'dataset/get': { dataset: 'sales', location: 'EU' },
      'query/dry_run': { location: 'EU', bytes: '0' },
      'tables/list': { tables: '2', more: 'false' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('needs no dataset', async () => {
    const peer = await startBigquery();
    const result = await tryBigquery(peer, configFor({ dataset: undefined }));
    expect(result.steps.slice(-2)).toEqual(['session/authenticate: PASSED', 'query/dry_run: PASSED']);
  });

  test('runs nothing that costs', async () => {
    const peer = await startBigquery();
    await tryBigquery(peer);
    const queries = peer.requests.filter((request) => request.method === 'POST');
    expect(queries.map((request) => JSON.parse(request.body.toString()).dryRun)).toEqual([true]);
  });

  test('is warned of when its dataset is elsewhere', async () => {
    const peer = await startBigquery();
    const result = await tryBigquery(peer, configFor({ location: 'us' }));
    expect(result.steps).toContain('dataset/get: WARNING');
    expect(gist(result)).toEqual({ at: 'query/dry_run', code: 'WRONG_REGION', configPath: 'location' });
  });

  test('lies in another universe where the key says so', () => {
    const config = bigquery.config.parse(configFor({}, { universeDomain: 'Example-Cloud.goog' }));
    expect(bigquery.targets(config)).toMatchObject([
      { host: 'bigquery.example-cloud.goog', port: 443, hostPath: 'credentials.universeDomain' },
    ]);
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
    const peer = await startBigquery({ slowBy: 2 });
    const result = await tryBigquery(peer, configFor(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual(sales);
  });

  test('is that of every dataset of the project', async () => {
    const peer = await startBigquery({ datasets: { ...datasets, another: [clients] } });
    const result = await tryBigquery(peer, configFor({ dataset: undefined }), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat()).toEqual([...sales, { ...sales[0], namespace: 'another' }]);
  });

  test('comes in pages', async () => {
    const many = Array.from({ length: 1_200 }, (_, index) => ({
      schema: '',
      name: `t${String(index).padStart(5, '0')}`,
      columns: Array.from({ length: 10 }, (_each, column) => ({ name: `c${column}`, type: 'STRING' })),
    }));
    const peer = await startBigquery({ datasets: { sales: many } });
    const result = await tryBigquery(peer, configFor(), { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.batches.flat().map((entry) => entry.name)).toEqual(many.map((table) => table.name));
    expect(result.batches.flat().every((entry) => entry.columns.length === 10)).toBe(true);
    expect(peer.requests.filter((request) => request.path.includes('/queries/')).length).toBe(5);
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
    ['a missing dataset', { schemaName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing table', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
    ['a missing column', { tableClientNameColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
    ['a key of another type', { tablePrimaryKeyColumn: 'name' }, 'TENANCY_COLUMN_TYPE'],
  ])('%s', async (_title, more, code) => {
    const peer = await startBigquery();
    const options = { tenancy: { ...tenancy, ...more }, methods: ['tenancy/mapping'] };
    const result = await tryBigquery(peer, configFor(), options);
    expect(result.failure?.code).toBe(code);
  });
});

describe('what goes wrong is named', () => {
  const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });

  test.each([
    ['another key', { privateKey: otherKey }, 'KEY_REFUSED', 'credentials.privateKey'],
    ['another account', { clientEmail: 'x@p.iam.gserviceaccount.com' }, 'KEY_REFUSED', 'credentials.privateKey'],
    ['no key', { privateKey: undefined }, 'CREDENTIALS_REQUIRED', 'credentials.privateKey'],
  ])('%s', async (_title, credentials, code, configPath) => {
    const peer = await startBigquery();
    const result = await tryBigquery(peer, configFor({}, credentials));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('a clock that is an hour behind', async () => {
    const peer = await startBigquery({ clockAhead: 3600 });
    expect(gist(await tryBigquery(peer))).toMatchObject({ at: 'session/authenticate', code: 'KEY_REFUSED' });
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
    const peer = await startBigquery();
    expect(gist(await tryBigquery(peer, configFor(more)))).toEqual({ at, code: 'RESOURCE_NOT_FOUND', configPath });
  });

  test.each([
    ['no right at all', [], 'dataset/get'],
    ['only the dataset', ['datasets.get'], 'query/dry_run'],
    ['no right to list tables', ['datasets.get', 'jobs.create'], 'tables/list'],
  ] as const)('%s', async (_title, rights, at) => {
    const peer = await startBigquery({ rights });
    const result = await tryBigquery(peer, configFor(), { methods: ['dataset/get', 'query/dry_run', 'tables/list'] });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' });
  });

  test('an API that is not switched on', async () => {
    const peer = await startBigquery({ forbidden: 'accessNotConfigured' });
    expect(gist(await tryBigquery(peer))).toMatchObject({ code: 'PERMISSION_DENIED', configPath: 'projectId' });
  });

  test('a quota that is used up', async () => {
    const peer = await startBigquery({ forbidden: 'quotaExceeded' });
    expect(gist(await tryBigquery(peer))).toMatchObject({ code: 'TOO_MANY_REQUESTS' });
  });

  test.each([401, 403, 404])('a %i that is not Google’s', async (status) => {
    const peer = await startBigquery({ misbehave: { status } });
    expect(gist(await tryBigquery(peer))).toMatchObject({ at: 'session/authenticate', code: 'UNEXPECTED_ANSWER' });
  });
});

describeHttpFaults({
  connector: bigquery,
  start: startBigquery,
  name: HOST,
  fixedHost: true,
  config: () => configFor(),
  ways: (port, extraCa) => ({ names: { [`${HOST}:443`]: `127.0.0.1:${port}` }, extraCa }),
  hostPath: null,
  portPath: null,
});

const badConfigs: readonly { name: string; config: unknown; path: string; code: IssueCode }[] = [
  { name: 'a project number', config: configFor({ projectId: '123456' }), path: 'projectId', code: 'INVALID_FORMAT' },
  {
    name: 'a project path',
    config: configFor({ projectId: 'my-project/x' }),
    path: 'projectId',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'a dataset with its project',
    config: configFor({ dataset: 'p.sales' }),
    path: 'dataset',
    code: 'INVALID_FORMAT',
  },
  { name: 'a dataset with a backtick', config: configFor({ dataset: 'a`b' }), path: 'dataset', code: 'INVALID_FORMAT' },
  {
    name: 'a location with a path',
    config: configFor({ location: 'EU/../' }),
    path: 'location',
    code: 'INVALID_FORMAT',
  },
  {
    name: 'credentials that are no service account’s',
    config: configFor({}, { type: 'external_account' }),
    path: 'credentials.type',
    code: 'INVALID_VALUE',
  },
];

describe('the config', () => {
  test.each(badConfigs)('refuses $name', ({ config, path, code }) => {
    const { error } = bigquery.config.safeParse(config);
    const issues = error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]);
    expect(issues).toEqual([[path, code]]);
  });
});
