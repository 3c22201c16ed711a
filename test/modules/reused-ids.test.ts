import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { beginRefresh } from '../../src/modules/catalogs/store.ts';
import { keepTested } from '../../src/modules/connection-tests/store.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { graphql } from '../support/gql/gql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DatastoreEvents } from '../support/operations.ts';
import { startTarpit, type Tarpit } from '../support/peers/tarpit.ts';

const Tested = graphql(`
  subscription TestedDatastore($id: ID!) {
    connectionTestProgress(id: $id) {
      test {
        status
        datastore {
          id
        }
      }
    }
  }
`);
const CREATE = `mutation ($input: CreateDatastoreInput!) { answer: createDatastore(input: $input) {
  __typename ... on UserError { code message } ... on CreateDatastoreSuccess { datastore { id version } } } }`;
const UPDATE = `mutation ($input: UpdateDatastoreInput!) { answer: updateDatastore(input: $input) {
  __typename ... on UserError { code } } }`;
const DELETE = `mutation ($id: ID!) { answer: deleteDatastores(input: { select: { ids: [$id] }, confirmed: true }) {
  __typename } }`;
const USE = `mutation ($id: ID!) { answer: registerUsage(input: { datastoreId: $id, kind: "report", name: "sales" }) {
  __typename } }`;
const REVERT = `mutation ($id: ID!) { answer: revertDatastore(input: { id: $id, toVersion: 1 }) {
  __typename ... on ValidationError { issues { path code } } } }`;
const LOG = 'query ($id: ID!) { audit: auditLog(subjectId: $id) { nodes { action } } }';
const ALL_OF_IT = `query ($id: ID!) {
  datastore(id: $id) {
    version description tags { key } secrets { updatedAt } lastTest { id } health { status } catalog { entryCount }
    connectionTests { nodes { id } }
    usages { nodes { id } }
    revisions { nodes { version changes { path } } }
  }
  auditLog(datastoreId: $id) { nodes { action } }
}`;

describeEachGateway('the id of a deleted datastore', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let tarpit: Tarpit;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    tarpit = await startTarpit();
    return () => tarpit.close();
  });

  const config = () => ({ postgres: postgresConfig({ port: tarpit.port }) });
  const ask = async (query: string, variables: object, token?: string) => {
    const { json } = await gateway.send({ query, variables }, token);
    if (json.errors) throw new Error(JSON.stringify(json.errors));
    return json.data as Record<string, unknown>;
  };
  const answer = async (query: string, variables: object, token?: string) =>
    (await ask(query, variables, token)).answer as { __typename: string; datastore?: { version: number } };
  const create = (input: object, token?: string) => answer(CREATE, { input: { config: config(), ...input } }, token);
  const remove = async (id: string) =>
    expect(await answer(DELETE, { id })).toEqual({ __typename: 'DeleteDatastoresSuccess' });
  const recreated = async (id: string, environmentId: string) => {
    await remove(id);
    const { __typename, datastore } = await create({ id, environmentId });
    expect(__typename).toBe('CreateDatastoreSuccess');
    return datastore?.version;
  };

  test('is given again in its environment, and there alone', async () => {
    const id = randomUUID();
    const [environmentId, elsewhere] = [await api.newEnvironment(), await api.newEnvironment()];
    await create({ id, environmentId });
    const scopes = ['DATASTORES_READ', 'DATASTORES_WRITE', 'DATASTORES_TEST'] as const;
    const stranger = await gateway.createToken(`elsewhere ${randomUUID()}`, [...scopes], [elsewhere]);
    const inUse = await create({ id, environmentId: elsewhere }, stranger);
    await remove(id);
    // whoever sees the other environment alone cannot tell whether the id is in use or was
    expect(await create({ id, environmentId: elsewhere }, stranger)).toEqual(inUse);
    expect(await create({ id, environmentId: elsewhere })).toEqual(inUse);
    expect(inUse).toMatchObject({ __typename: 'ConflictError', code: 'ID_TAKEN' });
    const target = { draft: { environmentId, config: config() } };
    expect(await api.startTest({ target, options: { testId: id } })).toMatchObject({ code: 'ID_TAKEN' });
    expect(await create({ id: id.toUpperCase(), environmentId })).toMatchObject({ datastore: { id } });
    expect(await create({ id, environmentId: elsewhere }, stranger)).toEqual(inUse);
    expect(await create({ id, environmentId })).toMatchObject({ code: 'ID_TAKEN' });
  });

  test('leads to nothing of the old datastore', async () => {
    const id = randomUUID();
    const environmentId = await api.newEnvironment();
    await create({
      id,
      environmentId,
      description: 'old',
      tags: [{ key: 'old', value: 'yes' }],
      checkEveryMinutes: 60,
    });
    await api.updated({ id, label: 'Old' });
    expect(await answer(USE, { id })).toEqual({ __typename: 'RegisterUsageSuccess' });
    const { id: testId } = await api.testStarted({ target: { datastoreId: id } });
    await api.cancel(testId);
    await api.ended(testId);
    expect(await recreated(id, environmentId)).toBe(3);
    expect(await ask(ALL_OF_IT, { id })).toEqual({
      datastore: {
        version: 3,
        description: null,
        tags: [],
        secrets: expect.any(Array),
        lastTest: null,
        health: { status: 'UNKNOWN' },
        catalog: null,
        connectionTests: { nodes: [] },
        usages: { nodes: [] },
        revisions: { nodes: [{ version: 3, changes: expect.any(Array) }] },
      },
      auditLog: { nodes: [{ action: 'datastore.created' }] },
    });
    const actions = ['created', 'deleted', 'updated', 'created'].map((action) => `datastore.${action}`);
    actions.splice(2, 0, 'connection_test.cancel', 'connection_test.start');
    expect(await ask(LOG, { id })).toEqual({ audit: { nodes: actions.map((action) => ({ action })) } });
    expect(await api.readTest(testId)).toMatchObject({ id: testId, datastore: null });
    expect(await answer(UPDATE, { input: { id, label: 'New', expectedVersion: 2 } })).toMatchObject({
      code: 'VERSION_CONFLICT',
    });
    expect(await answer(REVERT, { id })).toMatchObject({
      issues: [{ path: ['input', 'toVersion'], code: 'NOT_FOUND' }],
    });
    expect(await recreated(id, environmentId)).toBe(4);
  });

  test('has events of both, of which the new one’s alone show it', async () => {
    const id = randomUUID();
    const environmentId = await api.newEnvironment();
    const follow = (count: number, after: string) =>
      gateway.follow(DatastoreEvents, { environmentId, after }, { enough: (seen) => seen.length >= count });
    const from = Buffer.from(JSON.stringify({ at: new Date().toISOString(), positions: {} })).toString('base64url');
    await create({ id, environmentId });
    await api.updated({ id, label: 'Old' });
    await recreated(id, environmentId);
    const seen = (await follow(4, from)).map(({ data }) => data?.datastoreEvents);
    expect(seen.map((event) => [event?.kind, event?.datastore?.id ?? null])).toEqual([
      ['CREATED', null],
      ['UPDATED', null],
      ['DELETED', null],
      ['CREATED', id],
    ]);
  });

  test('is not the one of a test that runs on, nor of what that reads', async () => {
    const id = randomUUID();
    const environmentId = await api.newEnvironment();
    await create({ id, environmentId });
    const { id: testId } = await api.testStarted({ target: { datastoreId: id } });
    let begun = false;
    const onResult = () => {
      begun = true;
    };
    const following = gateway.follow(Tested, { id: testId }, { onResult });
    await eventually(() => begun);
    const version = await recreated(id, environmentId);
    await api.cancel(testId);
    const tests = (await following).map(({ data }) => data?.connectionTestProgress.test);
    expect(tests[0]?.datastore).toEqual({ id });
    expect(tests.at(-1)).toMatchObject({ status: 'CANCELLED', datastore: null });
    const { database } = gateway.app;
    expect(await database.change((change) => beginRefresh(change, id, testId))).toBe(false);
    // a test that is begun for the old one finds no datastore either
    expect(await database.change((change) => keepTested(change, id, 1))).toBe(false);
    expect(await database.change((change) => keepTested(change, id, version ?? 0))).toBe(true);
    expect((await api.read(id))?.lastTest).toBeNull();
  });

  test('is not what a call that is repeated came to', async () => {
    const id = randomUUID();
    const environmentId = await api.newEnvironment();
    const [creation, change] = [
      { id, environmentId, idempotencyKey: 'c' },
      { id, label: 'Old', idempotencyKey: 'u' },
    ];
    await create(creation);
    const update = () => answer(UPDATE, { input: change });
    expect(await update()).toEqual({ __typename: 'UpdateDatastoreSuccess' });
    await recreated(id, environmentId);
    expect(await create(creation)).toMatchObject({ __typename: 'NotFoundError' });
    expect(await update()).toMatchObject({ __typename: 'NotFoundError' });
    expect((await api.read(id))?.label).not.toBe('Old');
  });
});
