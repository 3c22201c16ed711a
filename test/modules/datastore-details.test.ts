import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';

const DETAILS = 'id version description ownerName tags { key value }';
const ERRORS = '... on UserError { code issues { path code } }';
const CREATE = `mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) {
  ${ERRORS} ... on CreateDatastoreSuccess { datastore { ${DETAILS} } } } }`;
const UPDATE = `mutation ($input: UpdateDatastoreInput!) { updateDatastore(input: $input) {
  ${ERRORS} ... on UpdateDatastoreSuccess { datastore { ${DETAILS} } } } }`;
const LIST = `query ($filter: DatastoreFilter) { datastores(filter: $filter, orderBy: { field: NAME }) { totalCount nodes { name } } }`;
const TESTS = `query ($id: ID!) { datastore(id: $id) { version
  lastTest { datastoreVersion isOfStoredVersion } connectionTests(first: 10) { nodes { datastoreVersion isOfStoredVersion } } } }`;
const START = `mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) {
  ${ERRORS} ... on StartConnectionTestSuccess { test { id datastoreVersion isOfStoredVersion } } } }`;

const config = { postgres: { host: 'db.example', database: 'd', username: 'u', password: 'p' } };

interface Stored {
  readonly id: string;
  readonly version: number;
}

describeEachGateway('the details of a datastore', (open) => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await open();
  });
  afterAll(() => gateway.close());

  async function ask<Result = Record<string, unknown>>(query: string, variables: object): Promise<Result> {
    const { json, text } = await gateway.send({ query, variables });
    const [result] = Object.values(json.data ?? {});
    if (!result) throw new Error(text);
    return result as Result;
  }
  const create = async (input: object) =>
    (await ask<{ datastore: Stored }>(CREATE, { input: { config, ...input } })).datastore;
  const named = async (filter: object) => {
    const { totalCount, nodes } = await ask<{ totalCount: number; nodes: { name: string }[] }>(LIST, { filter });
    expect(totalCount).toBe(nodes.length);
    return nodes.map(({ name }) => name);
  };

  test('are stored, changed one by one, and taken away', async () => {
    const tags = [
      { key: 'team', value: 'payments' },
      { key: 'cost/center', value: '4711' },
    ];
    const given = { description: ' Orders.\nAsk before you drop it. ', ownerName: 'Ann', tags };
    const { id, ...created } = await create(given);
    const sorted = [tags[1], tags[0]];
    expect(created).toEqual({ version: 1, description: given.description.trim(), ownerName: 'Ann', tags: sorted });

    const update = (input: object) => ask(UPDATE, { input: { id, ...input } });
    expect(await update({ ownerName: null })).toEqual({
      datastore: { id, version: 2, description: given.description.trim(), ownerName: null, tags: sorted },
    });
    // the same tags in another order are no change
    expect(await update({ tags })).toMatchObject({ datastore: { version: 2 } });
    expect(await update({ tags: [], description: null })).toEqual({
      datastore: { id, version: 3, description: null, ownerName: null, tags: [] },
    });
    expect(await named({ tags: [{ key: 'team' }] })).toEqual([]);
  });

  test.each([
    [{ description: 'x'.repeat(2_001) }, ['description'], 'TOO_LONG'],
    [{ description: 'a\u0007b' }, ['description'], 'INVALID_FORMAT'],
    [{ description: '-----BEGIN PRIVATE KEY-----' }, ['description'], 'SECRET_IN_OPEN_FIELD'],
    [{ ownerName: 'Ann\nBen' }, ['ownerName'], 'INVALID_FORMAT'],
    [{ ownerName: '' }, ['ownerName'], 'TOO_SHORT'],
    [{ tags: [{ key: 'a b', value: 'x' }] }, ['tags', '0', 'key'], 'INVALID_FORMAT'],
    [{ tags: [{ key: 'a', value: 'x'.repeat(129) }] }, ['tags', '0', 'value'], 'TOO_LONG'],
    [
      {
        tags: [
          { key: 'a', value: '1' },
          { key: 'a', value: '2' },
        ],
      },
      ['tags', '1', 'key'],
      'INVALID_COMBINATION',
    ],
    [{ tags: Array.from({ length: 21 }, (_, at) => ({ key: `k${at}`, value: 'x' })) }, ['tags'], 'TOO_LONG'],
  ])('are refused: %j', async (given, path, code) => {
    const input = { config, ...given };
    expect(await ask(CREATE, { input })).toEqual({
      code: 'VALIDATION_FAILED',
      issues: [{ path: ['input', ...path], code }],
    });
  });

  test('find datastores, together with the other filters', async () => {
    const since = new Date().toISOString();
    const one = await create({ name: 'f-one', tags: [{ key: 'team', value: 'a' }] });
    await create({
      name: 'f-two',
      tags: [
        { key: 'team', value: 'a' },
        { key: 'tier', value: '1' },
      ],
    });
    await create({ name: 'f-three', tags: [{ key: 'team', value: 'b' }] });
    const team = { key: 'team', value: 'a' };
    expect(await named({ tags: [team] })).toEqual(['f-one', 'f-two']);
    expect(await named({ tags: [{ key: 'team' }] })).toEqual(['f-one', 'f-three', 'f-two']);
    expect(await named({ tags: [team, { key: 'tier' }] })).toEqual(['f-two']);
    expect(await named({ names: ['f-two', 'f-three', 'nobody'] })).toEqual(['f-three', 'f-two']);
    expect(await named({ ids: [one.id, randomUUID()] })).toEqual(['f-one']);
    expect(await named({ ids: [] })).toEqual([]);
    expect(await named({ ids: [one.id], names: ['f-two'] })).toEqual([]);
    expect(await named({ updatedSince: since })).toEqual(['f-one', 'f-three', 'f-two']);
    expect(await named({ updatedSince: new Date(Date.now() + 60_000).toISOString() })).toEqual([]);
  });

  test('a test knows the version that it is of', async () => {
    const { id } = await create({ name: 'tested' });
    expect(await ask(TESTS, { id })).toMatchObject({ lastTest: null });
    expect(await named({ lastTestStatus: ['QUEUED', 'RUNNING', 'PASSED', 'FAILED'], names: ['tested'] })).toEqual([]);
    const start = (target: object) => ask(START, { input: { target } });
    expect(await start({ datastoreId: id })).toMatchObject({ test: { datastoreVersion: 1, isOfStoredVersion: true } });
    expect(
      await start({ change: { datastoreId: id, config: { postgres: { port: 1, password: 'p' } } } }),
    ).toMatchObject({
      test: { datastoreVersion: null, isOfStoredVersion: false },
    });
    await ask(UPDATE, { input: { id, label: 'Changed' } });
    const read = () => ask<{ lastTest: object; version: number }>(TESTS, { id });
    expect(await read()).toMatchObject({ version: 2, lastTest: { datastoreVersion: 1, isOfStoredVersion: false } });
    await expect.poll(() => named({ lastTestStatus: ['FAILED'], names: ['tested'] })).toEqual(['tested']);
  });
});
