import { randomUUID } from 'node:crypto';
import { Kind, parse } from 'graphql';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Scope, scopes } from '../../src/modules/access/access.ts';
import { type Right, rights } from '../../src/modules/access/rights.ts';
import { newRecipientKey } from '../../src/platform/keys/sealed-message.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateDataStructure, DeleteDatastores, DeleteEnvironment, RegisterUsage } from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

const config = { postgres: postgresConfig() };
const WORKER_KEY = newRecipientKey().publicKey;
/** How long a subscription may listen that must hear nothing. */
const LISTENING_MS = 2_000;
const MINUTE_MS = 60_000;
const hook = { url: 'http://127.0.0.1:9/hook', events: ['DELETED'] };
const writing = { validationMethods: ['postgres/schema/create'] };

/** What an operation is tried on: things that are there, or ids of none. */
interface Things {
  readonly environmentId: string;
  readonly empty: string;
  readonly datastoreId: string;
  readonly name: string;
  readonly testId: string;
  readonly usageId: string;
  readonly structureId: string;
  readonly storeId: string;
  readonly webhookId: string;
  readonly deliveryId: string;
  readonly tokenId: string;
  readonly workerId: string;
}

interface Operation {
  readonly title: string;
  readonly query: string;
  /** True where the inputs ask for what stands under `more` in the table of rights. */
  readonly besides?: true;
  /** What a worker asks: it is about what its own token runs, and the test that is run has a journal entry already. */
  readonly ofWorkers?: true;
  readonly variables: (things: Things) => Record<string, unknown>;
}

/** An operation with what the table of rights says of it. */
interface Guarded extends Operation {
  /** All of these are needed, and no others. */
  readonly needs: readonly Scope[];
  /** The caller must be for all environments. */
  readonly everywhere: boolean;
}

function guarded(operation: Operation): Guarded {
  const { type, field } = rootOf(operation.query);
  const table: Readonly<Record<string, Right>> = rights;
  const right = table[`${type}.${field}`];
  if (!right) throw new Error(`${type}.${field} is not in the table of rights.`);
  const { scope, more = {}, everywhere = false } = right;
  const besides = operation.besides ? Object.values(more) : [];
  return { ...operation, needs: [...(scope ? [scope] : []), ...besides], everywhere };
}

function rootOf(query: string): { type: string; field: string } {
  const [definition] = parse(query).definitions;
  const [field] = definition?.kind === Kind.OPERATION_DEFINITION ? definition.selectionSet.selections : [];
  if (definition?.kind !== Kind.OPERATION_DEFINITION || field?.kind !== Kind.FIELD) throw new Error('no operation');
  const { operation } = definition;
  return { type: operation.charAt(0).toUpperCase() + operation.slice(1), field: field.name.value };
}

const input = (make: (things: Things) => object) => (things: Things) => ({ input: make(things) });

/** YAML takes JSON, too. */
const manifestOf = (name: string) => JSON.stringify({ manifest: 1, datastores: { [name]: { config } } });

const UPSERT = 'mutation ($input: UpsertDatastoreInput!) { upsertDatastore(input: $input) { __typename } }';

const RESULTS = 'results { datastore { id } error { code } }';
const CREATE_MANY = `mutation ($input: CreateDatastoresInput!) { createDatastores(input: $input) { __typename ... on CreateDatastoresSuccess { ${RESULTS} } } }`;
const UPDATE_MANY = `mutation ($input: UpdateDatastoresInput!) { updateDatastores(input: $input) { __typename ... on UpdateDatastoresSuccess { ${RESULTS} } } }`;

const tried: readonly Operation[] = [
  { title: 'viewer', query: '{ viewer { token { name } } }', variables: () => ({}) },
  { title: 'connectors', query: '{ connectors { type } }', variables: () => ({}) },
  { title: 'connectorsVersion', query: '{ connectorsVersion }', variables: () => ({}) },
  { title: 'connector', query: '{ connector(type: S3) { type } }', variables: () => ({}) },
  {
    title: 'parseConnection',
    query: '{ parseConnection(text: "postgres://a:b@db.example/c") { __typename } }',
    variables: () => ({}),
  },
  { title: 'environments', query: '{ environments { nodes { id } } }', variables: () => ({}) },
  {
    title: 'environment',
    query: 'query ($id: ID!) { environment(id: $id) { id } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'node',
    query: 'query ($id: ID!) { node(id: $id) { id } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'nodes',
    query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    variables: ({ environmentId, datastoreId, testId }) => ({ ids: [environmentId, datastoreId, testId] }),
  },
  {
    title: 'datastore',
    query:
      'query ($id: ID!) { datastore(id: $id) { id configJson secrets { path } usages { nodes { id } totalCount } } }',
    variables: ({ datastoreId }) => ({ id: datastoreId }),
  },
  {
    title: 'datastoreByName',
    query: 'query ($id: ID!, $name: String!) { datastoreByName(environmentId: $id, name: $name) { id } }',
    variables: ({ environmentId, name }) => ({ id: environmentId, name }),
  },
  {
    title: 'datastores',
    query: 'query ($id: ID!) { datastores(environmentId: $id) { nodes { id } totalCount } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'connectionTest',
    query: 'query ($id: ID!) { connectionTest(id: $id) { id checks { name } datastore { id } } }',
    variables: ({ testId }) => ({ id: testId }),
  },
  {
    title: 'createDatastore',
    query: 'mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }',
    variables: input(({ environmentId }) => ({ environmentId, config })),
  },
  {
    title: 'createDatastore with a test',
    query: 'mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }',
    besides: true,
    variables: input(({ environmentId }) => ({ environmentId, config, test: {} })),
  },
  {
    title: 'updateDatastore',
    query: 'mutation ($input: UpdateDatastoreInput!) { updateDatastore(input: $input) { __typename } }',
    variables: input(({ datastoreId }) => ({ id: datastoreId, label: 'changed', configSecret: 'changed' })),
  },
  {
    title: 'updateDatastore with a test',
    query: 'mutation ($input: UpdateDatastoreInput!) { updateDatastore(input: $input) { __typename } }',
    besides: true,
    variables: input(({ datastoreId }) => ({ id: datastoreId, label: 'changed', test: {} })),
  },
  {
    title: 'upsertDatastore',
    query: UPSERT,
    variables: input(({ environmentId, name }) => ({ environmentId, name, label: 'changed', config })),
  },
  {
    title: 'upsertDatastore with a test',
    query: UPSERT,
    besides: true,
    variables: input(({ environmentId, name }) => ({ environmentId, name, label: 'changed', config, test: {} })),
  },
  ...[false, true].flatMap((atomic) => [
    {
      title: `createDatastores, atomic: ${atomic}`,
      query: CREATE_MANY,
      variables: input(({ environmentId }) => ({ items: [{ environmentId, config }], atomic })),
    },
    {
      title: `updateDatastores, atomic: ${atomic}`,
      query: UPDATE_MANY,
      variables: input(({ datastoreId }) => ({ items: [{ id: datastoreId, label: 'changed' }], atomic })),
    },
  ]),
  {
    title: 'createDatastores, one of them with a test',
    query: CREATE_MANY,
    besides: true,
    variables: input(({ environmentId }) => ({
      items: [
        { environmentId, config },
        { environmentId, config, test: {} },
      ],
    })),
  },
  {
    title: 'updateDatastores, one of them with a catalog',
    query: UPDATE_MANY,
    besides: true,
    variables: input(({ datastoreId }) => ({ items: [{ id: datastoreId, label: 'changed', refreshCatalog: true }] })),
  },
  {
    title: 'deleteDatastores by ids',
    query:
      'mutation ($input: DeleteDatastoresInput!) { deleteDatastores(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ datastoreId }) => ({ select: { ids: [datastoreId] }, confirmed: true })),
  },
  {
    title: 'deleteDatastores, all of them',
    query:
      'mutation ($input: DeleteDatastoresInput!) { deleteDatastores(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId }) => ({ select: { all: { environmentId } }, confirmed: true })),
  },
  {
    title: 'revertDatastore',
    query:
      'mutation ($input: RevertDatastoreInput!) { revertDatastore(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ datastoreId }) => ({ id: datastoreId, toVersion: 1 })),
  },
  {
    title: 'purgeRevisionSecrets',
    query: 'mutation ($id: ID!) { purgeRevisionSecrets(datastoreId: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ datastoreId }) => ({ id: datastoreId }),
  },
  {
    title: 'registerUsage',
    query:
      'mutation ($input: RegisterUsageInput!) { registerUsage(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ datastoreId }) => ({ datastoreId, kind: 'dashboard', name: 'Another' })),
  },
  {
    title: 'unregisterUsage',
    query: 'mutation ($id: ID!) { unregisterUsage(id: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ usageId }) => ({ id: usageId }),
  },
  {
    title: 'dataStructures',
    query: 'query ($id: ID!) { dataStructures(environmentId: $id) { nodes { id } } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'dataStructure',
    query: 'query ($id: ID!) { dataStructure(id: $id) { id environment { id } } }',
    variables: ({ structureId }) => ({ id: structureId }),
  },
  {
    title: 'createDataStructure',
    query:
      'mutation ($input: CreateDataStructureInput!) { createDataStructure(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId }) => ({ environmentId, name: `made ${randomUUID()}`, fields: [] })),
  },
  {
    title: 'updateDataStructure',
    query:
      'mutation ($input: UpdateDataStructureInput!) { updateDataStructure(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ structureId }) => ({ id: structureId, strict: true })),
  },
  {
    title: 'cloneDataStructure',
    query:
      'mutation ($input: CloneDataStructureInput!) { cloneDataStructure(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ structureId, environmentId }) => ({
      id: structureId,
      environmentId,
      name: `made ${randomUUID()}`,
    })),
  },
  {
    title: 'deleteDataStructure',
    query: 'mutation ($id: ID!) { deleteDataStructure(id: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ structureId }) => ({ id: structureId }),
  },
  {
    title: 'webhooks',
    query: 'query ($id: ID!) { webhooks(environmentId: $id) { nodes { id environment { id } } } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'webhookDeliveries',
    query: 'query ($id: ID!) { webhookDeliveries(webhookId: $id) { nodes { id } } }',
    variables: ({ webhookId }) => ({ id: webhookId }),
  },
  {
    title: 'createWebhook',
    query:
      'mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId }) => ({ environmentId, ...hook })),
  },
  {
    title: 'updateWebhook',
    query:
      'mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ webhookId }) => ({ id: webhookId, enabled: false })),
  },
  ...['deleteWebhook', 'rotateWebhookSecret', 'sendTestWebhook'].map((field) => ({
    title: field,
    query: `mutation ($id: ID!) { ${field}(id: $id) { __typename ... on NotFoundError { ids } } }`,
    variables: ({ webhookId }: Things) => ({ id: webhookId }),
  })),
  {
    title: 'redeliverWebhookMessages',
    query:
      'mutation ($ids: [ID!]!) { redeliverWebhookMessages(ids: $ids) { __typename ... on NotFoundError { ids } } }',
    variables: ({ deliveryId }) => ({ ids: [deliveryId] }),
  },
  {
    title: 'exportManifest',
    query: 'query ($id: ID!) { exportManifest(environmentId: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'planManifest',
    query:
      'query ($input: PlanManifestInput!) { planManifest(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId }) => ({ environmentId, manifest: 'manifest: 1', prune: true })),
  },
  {
    title: 'planManifest with a secret',
    query:
      'query ($input: PlanManifestInput!) { planManifest(input: $input) { __typename ... on NotFoundError { ids } } }',
    besides: true,
    variables: input(({ environmentId, name }) => ({ environmentId, manifest: manifestOf(name) })),
  },
  {
    title: 'applyManifest',
    query:
      'mutation ($input: ApplyManifestInput!) { applyManifest(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId, name }) => ({ environmentId, manifest: manifestOf(name) })),
  },
  {
    title: 'cloneEnvironment',
    query:
      'mutation ($input: CloneEnvironmentInput!) { cloneEnvironment(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ environmentId, empty }) => ({ sourceId: environmentId, targetId: empty })),
  },
  {
    title: 'putRecord',
    query:
      'mutation ($input: PutRecordInput!) { putRecord(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ storeId }) => ({ datastoreId: storeId, key: 'a', data: {} })),
  },
  {
    title: 'putRecords',
    query:
      'mutation ($input: PutRecordsInput!) { putRecords(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ storeId }) => ({ datastoreId: storeId, items: [{ key: 'a', data: {} }] })),
  },
  {
    title: 'deleteRecords',
    query:
      'mutation ($input: DeleteRecordsInput!) { deleteRecords(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ storeId }) => ({ datastoreId: storeId, select: { all: {} }, confirmed: true })),
  },
  {
    title: 'startConnectionTest of what is stored',
    query: 'mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename } }',
    variables: input(({ datastoreId }) => ({ target: { datastoreId } })),
  },
  {
    title: 'startConnectionTest of a draft',
    query: 'mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename } }',
    variables: input(({ environmentId }) => ({ target: { draft: { environmentId, config } } })),
  },
  {
    title: 'startConnectionTest of a change',
    query: 'mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename } }',
    variables: input(({ datastoreId }) => ({ target: { change: { datastoreId, configSecret: 'changed' } } })),
  },
  {
    title: 'startConnectionTest that writes',
    query: 'mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) { __typename } }',
    besides: true,
    variables: input(({ datastoreId }) => ({ target: { datastoreId }, options: writing })),
  },
  {
    title: 'cancelConnectionTest',
    query: 'mutation ($id: ID!) { cancelConnectionTest(id: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ testId }) => ({ id: testId }),
  },
  {
    title: 'refreshCatalog',
    query: 'mutation ($input: RefreshCatalogInput!) { refreshCatalog(input: $input) { __typename } }',
    variables: input(({ datastoreId }) => ({ datastoreId })),
  },
  {
    title: 'createSessionToken',
    query: 'mutation ($input: CreateSessionTokenInput!) { createSessionToken(input: $input) { __typename } }',
    variables: input(({ environmentId }) => ({ scopes: [], environmentIds: [environmentId] })),
  },
  {
    title: 'apiTokens',
    query: '{ apiTokens(first: 1) { nodes { id } pageInfo { hasNextPage startCursor } } }',
    variables: () => ({}),
  },
  {
    title: 'apiTokens of a session',
    query: 'query ($id: ID!) { apiTokens(parentId: $id) { nodes { id } } }',
    variables: ({ tokenId }) => ({ id: tokenId }),
  },
  {
    title: 'auditLog',
    query: 'query ($id: ID!) { auditLog(environmentId: $id, first: 1) { nodes { id } pageInfo { endCursor } } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'auditLog of a datastore',
    query: 'query ($id: ID!) { auditLog(datastoreId: $id) { nodes { id } } }',
    variables: ({ datastoreId }) => ({ id: datastoreId }),
  },
  {
    title: 'processes',
    query: '{ processes(first: 1) { nodes { id } pageInfo { hasNextPage } } }',
    variables: () => ({}),
  },
  {
    title: 'createApiToken',
    query: 'mutation ($input: CreateApiTokenInput!) { createApiToken(input: $input) { __typename } }',
    variables: input(({ environmentId }) => ({
      name: `made ${randomUUID()}`,
      scopes: [],
      environmentIds: [environmentId],
    })),
  },
  {
    title: 'revokeApiToken',
    query: 'mutation ($id: ID!) { revokeApiToken(id: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ tokenId }) => ({ id: tokenId }),
  },
  {
    title: 'tendWorker',
    ofWorkers: true,
    query:
      'mutation ($input: TendWorkerInput!) { tendWorker(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ workerId: id }) => ({
      ...{ id, host: 'a', version: '1', capacity: 1, publicKey: WORKER_KEY, testIds: [] },
    })),
  },
  {
    title: 'leaseTests',
    ofWorkers: true,
    query:
      'mutation ($input: LeaseTestsInput!) { leaseTests(input: $input) { __typename ... on NotFoundError { ids } ... on LeaseTestsSuccess { leases { testId } } } }',
    variables: input(({ workerId }) => ({ workerId, limit: 1 })),
  },
  {
    title: 'recordTestEvents',
    ofWorkers: true,
    query:
      'mutation ($input: RecordTestEventsInput!) { recordTestEvents(input: $input) { __typename ... on NotFoundError { ids } ... on RecordTestEventsSuccess { lost } } }',
    variables: input(({ workerId }) => ({ workerId, events: [] })),
  },
  {
    title: 'recordCatalog',
    ofWorkers: true,
    query:
      'mutation ($input: RecordCatalogInput!) { recordCatalog(input: $input) { __typename ... on NotFoundError { ids } ... on RecordCatalogSuccess { goesOn } } }',
    variables: input(({ workerId, testId }) => ({ workerId, testId, attempt: 1, step: 'BEGIN' })),
  },
  {
    title: 'createEnvironment',
    query: 'mutation ($input: CreateEnvironmentInput!) { createEnvironment(input: $input) { __typename } }',
    variables: input(() => ({ name: `made ${randomUUID()}` })),
  },
  {
    title: 'updateEnvironment',
    query:
      'mutation ($input: UpdateEnvironmentInput!) { updateEnvironment(input: $input) { __typename ... on NotFoundError { ids } } }',
    variables: input(({ empty }) => ({ id: empty, name: `renamed ${randomUUID()}` })),
  },
  {
    title: 'deleteEnvironment',
    query: 'mutation ($id: ID!) { deleteEnvironment(id: $id) { __typename ... on NotFoundError { ids } } }',
    variables: ({ empty }) => ({ id: empty }),
  },
];

const triedSubscriptions: readonly Operation[] = [
  {
    title: 'connectionTestProgress',
    query: 'subscription ($id: ID!) { connectionTestProgress(id: $id) { sequence } }',
    variables: ({ testId }) => ({ id: testId }),
  },
  {
    title: 'datastoreEvents',
    query: 'subscription ($id: ID!) { datastoreEvents(environmentId: $id) { cursor } }',
    variables: ({ environmentId }) => ({ id: environmentId }),
  },
  {
    title: 'workerSignals',
    query: 'subscription ($id: ID!) { workerSignals(workerId: $id) { cancelled } }',
    variables: ({ workerId }) => ({ id: workerId }),
  },
  {
    title: 'recordEvents',
    query: 'subscription ($id: ID!) { recordEvents(datastoreId: $id) { cursor } }',
    variables: ({ storeId }) => ({ id: storeId }),
  },
];

const operations = tried.map(guarded);
const subscriptions = triedSubscriptions.map(guarded);

/** Those that answer everybody. */
const ofNoEnvironment = ['viewer', 'connectors', 'connectorsVersion', 'connector', 'parseConnection', 'tendWorker'];

/** What changes must not leave behind; what looking does to a token does not count. */
const tables = [
  'environments',
  'datastores',
  'datastore_usages',
  'data_structures',
  'managed_stores',
  'managed_records',
  'record_events',
  'webhooks',
  'webhook_deliveries',
  'datastore_revisions',
  'revision_keys',
  'secret_versions',
  'secret_keys',
  'connection_tests',
  'journal',
  'retired_ids',
  'data_keys',
  'api_token_environments',
] as const;

test('every operation of the table of rights is tried, with and without what it asks besides', () => {
  const named = (every: readonly Operation[]) =>
    every.map(({ query, besides }) => `${Object.values(rootOf(query)).join('.')}${besides ? ' besides' : ''}`);
  const table: readonly (readonly [string, Right])[] = Object.entries(rights);
  const all = table
    .filter(([coordinate]) => /^(Query|Mutation|Subscription)\./.test(coordinate))
    .flatMap(([coordinate, { more }]) => (more ? [coordinate, `${coordinate} besides`] : [coordinate]));
  expect([...new Set(named([...tried, ...triedSubscriptions]))].toSorted()).toEqual(all.toSorted());
});

describeEachGateway('who may', (open, kind) => {
  let gateway: TestGateway;
  let api: Api;

  beforeAll(async () => {
    gateway = await open({ testing: { unbornWaitMs: 200, limits: { recheckMs: 200 } } });
    api = apiOf(gateway);
  });

  async function newThings(): Promise<Things> {
    const environmentId = await api.newEnvironment();
    const { id: datastoreId, name } = await api.created({ environmentId, config });
    const { id: testId } = await api.testStarted({ target: { datastoreId } });
    await api.ended(testId);
    const used = { datastoreId, kind: 'dashboard', name: 'Sales' };
    const { registerUsage } = await gateway.run(RegisterUsage, { input: used });
    const { id: usageId } = expectType(registerUsage, 'RegisterUsageSuccess').usage;
    const structure = { environmentId, name: 'Orders', fields: [] };
    const { createDataStructure } = await gateway.run(CreateDataStructure, { input: structure });
    const { id: structureId } = expectType(createDataStructure, 'CreateDataStructureSuccess').dataStructure;
    const { id: storeId } = await api.created({ environmentId, config: { managed: { maxSizeMb: 1 } } });
    const record = { key: 'kept', data: '{}', size: 6, version: 1, updated_at: '' };
    const counts = { record_count: 1, used_bytes: 6, last_event: 1 };
    const { query } = gateway.app.database;
    await query
      .insertInto('managed_records')
      .values({ datastore_id: storeId, ...record })
      .execute();
    await query.updateTable('managed_stores').set(counts).where('datastore_id', '=', storeId).execute();
    const made = await gateway.send({
      query: `mutation ($input: CreateWebhookInput!) {
        createWebhook(input: $input) { ... on CreateWebhookSuccess { webhook { id } } } }`,
      variables: { input: { environmentId, ...hook } },
    });
    const { id: webhookId } = (made.json.data as { createWebhook: { webhook: { id: string } } }).createWebhook.webhook;
    const deliveryId = randomUUID();
    const over = { state: 'DEAD', attempts: 10, due_at: null, ended_at: new Date().toISOString() };
    const unknown = { last_attempt_at: null, response_status: null, last_error: null };
    await query
      .insertInto('webhook_deliveries')
      .values({ ...over, ...unknown, id: deliveryId, webhook_id: webhookId, type: 'a', body: '{}', created_at: '' })
      .execute();
    const parent = await gateway.createToken(`thing ${randomUUID()}`, [], [environmentId]);
    const access = await gateway.app.access.authenticate(parent);
    if (!access) throw new Error('The token was just made.');
    const inAMinute = new Date(Date.now() + MINUTE_MS).toISOString();
    const session = { scopes: [], environmentIds: [environmentId], expiresAt: inAMinute, onBehalfOf: null };
    await gateway.app.access.createSession(access, session);
    const { tokenId } = access;
    return {
      environmentId,
      empty: await api.newEnvironment(),
      datastoreId,
      name,
      testId,
      usageId,
      structureId,
      storeId,
      webhookId,
      deliveryId,
      tokenId,
      workerId: randomUUID(),
    };
  }

  let lookedAt: Promise<Things> | undefined;
  /** Things of its own for what changes them; what only looks shares some. */
  const thingsFor = (query: string): Promise<Things> => {
    if (rootOf(query).type === 'Mutation') return newThings();
    lookedAt ??= newThings();
    return lookedAt;
  };

  const dump = async (some: readonly (typeof tables)[number][] = tables) => {
    const { query } = gateway.app.database;
    const all = await Promise.all(some.map((table) => query.selectFrom(table).selectAll().execute()));
    // that something was refused stands in the audit log
    const isRefusal = (row: object) => 'outcome' in row && row.outcome === 'REFUSED';
    return all.map((rows) =>
      rows
        .filter((row) => !isRefusal(row))
        .map((row) => JSON.stringify(row))
        .toSorted(),
    );
  };

  const codesOf = (errors: unknown) =>
    (errors as { extensions: { code: string } }[] | undefined)?.map((error) => error.extensions.code);

  describe('to change something, while the audit log cannot be written', () => {
    const mutations = operations.filter(({ query, ofWorkers }) => rootOf(query).type === 'Mutation' && !ofWorkers);
    let things: Things;

    beforeAll(async () => {
      things = await newThings();
      await api.updated({ id: things.datastoreId, label: 'Two', configSecret: 'another' });
      // nobody runs it, so it can be cancelled
      const { query } = gateway.app.database;
      const waiting = { status: 'QUEUED', owner: randomUUID(), deadline_at: '2999-01-01T00:00:00.000Z' };
      await query.updateTable('connection_tests').set(waiting).where('id', '=', things.testId).execute();
      await rename('journal', 'journal_away');
    });

    afterAll(() => rename('journal_away', 'journal'));

    const rename = (from: string, to: string) =>
      sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(gateway.app.database.query);

    test.each(mutations)('$title: it is not done, and the answer is an error', async ({ query, variables }) => {
      const before = await dump(tables.filter((table) => table !== 'journal'));
      const { json } = await gateway.send({ query, variables: variables(things) });
      const codes = codesOf(json.errors);
      expect(codes?.length).toBeGreaterThan(0);
      for (const code of codes ?? []) expect(code).toBe('INTERNAL');
      expect(await dump(tables.filter((table) => table !== 'journal'))).toEqual(before);
    });
  });

  describe('with a token whose only environment was deleted', () => {
    /** What is asked for: somebody else's, what went with the environment, or what there never was. */
    const places = ['of others', 'deleted', 'missing'] as const;
    type Place = (typeof places)[number];

    async function lostToken(expiresAt: string | null = null) {
      const deleted = await api.newEnvironment();
      const wanted = { name: `lost ${randomUUID()}`, scopes, environmentIds: [deleted], expiresAt };
      const token = await gateway.app.access.createToken('test', wanted);
      const { deleteEnvironment } = await gateway.run(DeleteEnvironment, { id: deleted });
      expectType(deleteEnvironment, 'DeleteEnvironmentSuccess');
      return { token, deleted };
    }

    const nothingIn = (environmentId: string): Things => ({
      environmentId,
      empty: environmentId,
      datastoreId: randomUUID(),
      name: 'no-such',
      testId: randomUUID(),
      usageId: randomUUID(),
      structureId: randomUUID(),
      storeId: randomUUID(),
      webhookId: randomUUID(),
      deliveryId: randomUUID(),
      tokenId: randomUUID(),
      workerId: randomUUID(),
    });

    let token: string;
    let things: Readonly<Record<Place, Things>>;
    let before: Awaited<ReturnType<typeof dump>>;

    beforeAll(async () => {
      const lost = await lostToken();
      token = lost.token;
      things = { 'of others': await newThings(), deleted: nothingIn(lost.deleted), missing: nothingIn(randomUUID()) };
      before = await dump();
    });

    test.each(operations.flatMap((operation) => places.map((place) => ({ ...operation, place }))))(
      '$title, $place: as if there were nothing',
      async ({ query, variables, place, title, everywhere }) => {
        const { json, status } = await gateway.send({ query, variables: variables(things[place]) }, token);
        expect(await dump()).toEqual(before);
        expect(status).toBe(200);
        expect(codesOf(json.errors)).toEqual(everywhere ? ['FORBIDDEN'] : undefined);
        const answer = JSON.stringify(json.data);
        if (ofNoEnvironment.includes(title))
          expect(answer).toMatch(
            /"name":"lost |"type":"S3"|"connectorsVersion":"|"ParseConnectionSuccess"|"TendWorkerSuccess"/,
          );
        // a worker may be what it likes: it is given nothing
        else expect(answer).toMatch(/null|NotFoundError|"(nodes|leases|lost)":\[\]|"goesOn":false/);
      },
    );

    test('lists are empty, and whoever names no environment is told to', async () => {
      const query = `{
        datastores { nodes { id } totalCount }
        environments { nodes { id } }
        viewer { token { environments { id } } }
      }`;
      const { json } = await gateway.send({ query }, token);
      const datastores = { nodes: [], totalCount: 0 };
      const viewer = { token: { environments: [] } };
      expect(json).toEqual({ data: { datastores, environments: { nodes: [] }, viewer } });
      const refused = await apiOf(gateway, token).create({ config });
      expect(issueList(expectType(refused, 'ValidationError'))).toEqual(['input.environmentId ENVIRONMENT_REQUIRED']);
    });

    test('no subscription hears anything but its end, over WebSocket and SSE', async () => {
      const { token: expiring } = await lostToken(new Date(Date.now() + LISTENING_MS).toISOString());
      const heard: Promise<unknown>[] = [];
      for (const place of places) {
        const given = things[place];
        for (const { query, variables } of subscriptions)
          for (const by of ['follow', 'followSse'] as const)
            heard.push(hears(gateway[by](parse(query) as never, variables(given) as never, { token: expiring })));
        await api.create({ environmentId: given.environmentId, config });
      }
      for (const each of await Promise.all(heard)) expect(each).toMatch(/^(NOT_FOUND|UNAUTHENTICATED|4403)$/);
    });

    /** The codes of the errors that a subscription ends with, and the data that it gets. */
    const hears = (results: Promise<readonly { errors?: unknown; data?: unknown }[]>) =>
      results.then(
        (all) => all.map(({ errors, data }) => codesOf(errors)?.join() ?? JSON.stringify(data)).join(' '),
        (closed: { code: number }) => String(closed.code),
      );
  });

  describe('by scope', () => {
    const tokenWith = (some: readonly Scope[]) => gateway.createToken(`scoped ${randomUUID()}`, some);
    const cells = operations.flatMap((operation) => operation.needs.map((scope) => ({ ...operation, scope })));

    describe('without one of those that it needs', () => {
      const tokens = new Map<Scope, string>();
      let things: Things;
      let before: Awaited<ReturnType<typeof dump>>;

      beforeAll(async () => {
        things = await newThings();
        for (const scope of scopes) tokens.set(scope, await tokenWith(scopes.filter((each) => each !== scope)));
        before = await dump();
      });

      test.each(cells)('$title is forbidden without $scope, and changes nothing', async (cell) => {
        const { scope, query, variables } = cell;
        const { json } = await gateway.send({ query, variables: variables(things) }, tokens.get(scope));
        expect(codesOf(json.errors)).toEqual(['FORBIDDEN']);
        expect(JSON.stringify(json.errors)).toContain(scope);
        expect(await dump()).toEqual(before);
      });
    });

    test.each(operations)(
      '$title is allowed with just what it needs',
      async ({ needs, query, variables, ofWorkers }) => {
        const things = await thingsFor(query);
        const token = await tokenWith(needs);
        // a worker is known by the token that it has come with
        const beat = operations.find(({ title }) => title === 'tendWorker');
        if (ofWorkers && beat) await gateway.send({ query: beat.query, variables: beat.variables(things) }, token);
        const { json } = await gateway.send({ query, variables: variables(things) }, token);
        expect(json.errors).toBeUndefined();
        const [result] = Object.values(json.data ?? {});
        expect((result as { __typename?: string }).__typename ?? 'Success').toMatch(
          /Success|ConnectionTestFailedError/,
        );
      },
    );

    // it is refused before the database is asked, whichever that is
    if (kind === 'sqlite')
      describe('a token with one scope alone', () => {
        let own: Things;
        let foreign: Things;
        let gone: Things;

        beforeAll(async () => {
          [own, foreign, gone] = [await newThings(), await newThings(), await newThings()];
          const input = { select: { ids: [gone.datastoreId, gone.storeId] }, confirmed: true };
          const { deleteDatastores } = await gateway.run(DeleteDatastores, { input });
          expectType(deleteDatastores, 'DeleteDatastoresSuccess');
          for (const id of [gone.environmentId, gone.empty]) {
            const { deleteEnvironment } = await gateway.run(DeleteEnvironment, { id });
            expectType(deleteEnvironment, 'DeleteEnvironmentSuccess');
          }
        });

        const aloneWith = async (scope: Scope) => {
          const token = await gateway.createToken(`alone ${randomUUID()}`, [scope], [own.environmentId, own.empty]);
          return { token, before: await dump() };
        };

        test.each(scopes)('%s: does nothing that needs another, wherever it is', async (scope) => {
          const { token, before } = await aloneWith(scope);
          for (const { title, needs, query, variables } of operations) {
            const lacks = needs.filter((each) => each !== scope);
            for (const things of lacks.length > 0 ? [own, foreign, gone] : []) {
              const { json } = await gateway.send({ query, variables: variables(things) }, token);
              // what inputs ask for besides may be asked once they are found
              const isLater = needs[0] === scope && things !== own;
              const refused = codesOf(json.errors)?.join() ?? JSON.stringify(json.data);
              expect({ title, refused }).toEqual({
                title,
                refused: isLater ? expect.stringMatching(/^FORBIDDEN$|NotFoundError/) : 'FORBIDDEN',
              });
            }
          }
          expect(await dump()).toEqual(before);
        });
      });

    test('who may start a test sees how the one before a save went, without DATASTORES_READ', async () => {
      const { environmentId } = await newThings();
      const caller = apiOf(gateway, await tokenWith(['DATASTORES_WRITE', 'DATASTORES_TEST']));
      const refused = await caller.create({ environmentId, config, test: {} });
      expect(refused).toMatchObject({ __typename: 'ConnectionTestFailedError', test: { status: 'FAILED' } });
    });

    test.each(subscriptions)(
      '$title is forbidden without its scope, over WebSocket and SSE',
      async ({ needs, query, variables }) => {
        const things = await newThings();
        const without = await tokenWith(scopes.filter((each) => !needs.includes(each)));
        const document = parse(query) as never;
        for (const by of ['follow', 'followSse'] as const) {
          const results = await gateway[by](document, variables(things) as never, { token: without });
          expect(results.flatMap(({ errors }) => codesOf(errors) ?? [])).toEqual(['FORBIDDEN']);
        }
      },
    );
  });

  describe('by environment', () => {
    const tokenOf = (...ids: string[]) => gateway.createToken(`walled ${randomUUID()}`, scopes, ids);
    /** The answer without the ids that were asked for. */
    const shapeOf = (json: unknown, things: Things) =>
      Object.values(things).reduce((text: string, id: string) => text.replaceAll(id, '*'), JSON.stringify(json));

    test.each(
      operations.filter(({ variables, everywhere, ofWorkers }) => !everywhere && !ofWorkers && variables.length > 0),
    )('$title: what one may not see looks just like what there is not', async ({ query, variables }) => {
      const token = await tokenOf(await api.newEnvironment());
      const hidden = await thingsFor(query);
      const missing: Things = {
        environmentId: randomUUID(),
        empty: randomUUID(),
        datastoreId: randomUUID(),
        name: 'no-such',
        testId: randomUUID(),
        usageId: randomUUID(),
        structureId: randomUUID(),
        storeId: randomUUID(),
        webhookId: randomUUID(),
        deliveryId: randomUUID(),
        tokenId: randomUUID(),
        workerId: randomUUID(),
      };
      const before = await dump();
      const ofHidden = await gateway.send({ query, variables: variables(hidden) }, token);
      const ofMissing = await gateway.send({ query, variables: variables(missing) }, token);
      expect(shapeOf(ofHidden.json, hidden)).toBe(shapeOf(ofMissing.json, missing));
      expect(ofHidden.status).toBe(ofMissing.status);
      expect(ofHidden.text).toMatch(/null|NotFoundError|"nodes":\[\](?!,"totalCount":[^0])/);
      expect(await dump()).toEqual(before);
      // and it is there, for who may see it
      const seen = await gateway.send(
        { query, variables: variables(hidden) },
        await tokenOf(hidden.environmentId, hidden.empty),
      );
      expect(shapeOf(seen.json, hidden)).not.toBe(shapeOf(ofHidden.json, hidden));
    });

    test('a mixed deletion deletes nothing', async () => {
      const [inside, outside] = [await newThings(), await newThings()];
      const own = apiOf(gateway, await tokenOf(inside.environmentId));
      const before = await dump();
      expect(await own.remove({ ids: [inside.datastoreId, outside.datastoreId] })).toMatchObject({
        __typename: 'NotFoundError',
        ids: [outside.datastoreId],
      });
      expect(await dump()).toEqual(before);
    });

    test('a list without an environment has what the caller may see', async () => {
      const [inside] = [await newThings(), await newThings()];
      const token = await tokenOf(inside.environmentId);
      const { json } = await gateway.send({ query: '{ datastores { nodes { id } totalCount } }' }, token);
      expect(json.data).toEqual({
        datastores: { nodes: [{ id: inside.storeId }, { id: inside.datastoreId }], totalCount: 2 },
      });
    });
  });
});
