import { readFile } from 'node:fs/promises';
import { parse } from 'graphql';
import { beforeAll, describe, expect, test } from 'vitest';
import { StoreRemoval } from '../../src/modules/managed-data/removal.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type {
  DataStructureFieldInput,
  DeleteRecordsInput,
  PutRecordInput,
  StartConnectionTestInput,
} from '../support/gql/graphql.ts';
import {
  CreateDataStructure,
  DeleteDataStructure,
  DeleteDatastores,
  DeleteRecords,
  ListRecords,
  PutRecord,
  PutRecords,
  ReadCatalog,
  ReadManaged,
  RefreshCatalog,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

const MEGABYTE = 1_048_576;

const order: readonly DataStructureFieldInput[] = [
  { name: 'title', type: 'TEXT', required: true },
  { name: 'price', type: 'NUMBER', default: 1 },
  { name: 'lines', type: 'ARRAY', itemType: 'COLLECTION', fields: [{ name: 'sku', type: 'TEXT', required: true }] },
];

/** JSON objects in one another, this many. */
const deep = (depth: number): object => (depth > 1 ? { a: deep(depth - 1) } : {});

describeEachGateway('managed data stores', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const structure = async (fields: readonly DataStructureFieldInput[], strict = false, environment = environmentId) => {
    const input = { environmentId: environment, name: `s ${Math.random()}`, strict, fields: [...fields] };
    const { createDataStructure } = await gateway.run(CreateDataStructure, { input });
    return expectType(createDataStructure, 'CreateDataStructureSuccess').dataStructure.id;
  };
  const store = async (more: { maxSizeMb?: number; dataStructureId?: string } = {}) =>
    (await api.created({ environmentId, config: { managed: { maxSizeMb: 1, ...more } } })).id;
  const put = async (input: PutRecordInput) => (await gateway.run(PutRecord, { input })).putRecord;
  const stored = async (input: PutRecordInput) => expectType(await put(input), 'PutRecordSuccess').record;
  const remove = async (input: DeleteRecordsInput) => (await gateway.run(DeleteRecords, { input })).deleteRecords;
  const tested = async (input: StartConnectionTestInput) => api.ended((await api.testStarted(input)).id);
  const keysOf = async (id: string) => {
    const { datastore } = await gateway.run(ListRecords, { id });
    return (datastore as { records: { nodes: { key: string }[] } }).records.nodes.map(({ key }) => key);
  };
  const read = async (id: string) => (await gateway.run(ReadManaged, { id })).datastore;

  test('pass both of their checks, before they are saved and after', async () => {
    const validationMethods = ['managed/storage/read', 'managed/storage/write'];
    const { id } = await api.created({ environmentId, config: { managed: { maxSizeMb: 1 } }, test: {} });
    await stored({ datastoreId: id, key: 'a', data: {} });
    const before = await read(id);
    const written = await tested({ target: { datastoreId: id }, options: { validationMethods } });
    const evidence = [
      { name: 'records', value: '1' },
      { name: 'usedBytes', value: '3' },
      { name: 'maxBytes', value: String(MEGABYTE) },
    ];
    expect(written).toMatchObject({
      status: 'PASSED',
      checks: [
        { status: 'PASSED', evidence },
        { status: 'PASSED', evidence: expect.arrayContaining([{ name: 'writtenBytes', value: expect.anything() }]) },
      ],
    });
    // what was written is gone, and is counted nowhere
    expect(await read(id)).toEqual(before);
    expect(await keysOf(id)).toEqual(['a']);
    const draft = { environmentId, config: { managed: { maxSizeMb: 1 } } };
    const drafted = await tested({ target: { draft }, options: { validationMethods } });
    expect(drafted).toMatchObject({ status: 'PASSED', checks: [{ status: 'PASSED' }, { status: 'PASSED' }] });
  });

  test('fail their checks where the store is full, or the data structure is not there', async () => {
    const id = await store();
    for (const key of ['a', 'b', 'c']) await stored({ datastoreId: id, key, data: { text: 'x'.repeat(349_510) } });
    const validationMethods = ['managed/storage/write'];
    const full = await tested({ target: { datastoreId: id }, options: { validationMethods } });
    expect(full).toMatchObject({ status: 'FAILED', failure: { code: 'QUOTA_EXCEEDED', configPath: 'maxSizeMb' } });
    const dataStructureId = await structure(order, false, await api.newEnvironment());
    const draft = { environmentId, config: { managed: { maxSizeMb: 1, dataStructureId } } };
    expect(await tested({ target: { draft } })).toMatchObject({
      status: 'FAILED',
      failure: { code: 'RESOURCE_NOT_FOUND', configPath: 'dataStructureId' },
    });
  });

  test('have their structure for a catalog', async () => {
    const id = await store({ dataStructureId: await structure(order) });
    const { refreshCatalog } = await gateway.run(RefreshCatalog, { input: { datastoreId: id } });
    const { test: refresh } = expectType(refreshCatalog, 'RefreshCatalogSuccess');
    expect(await api.ended(refresh.id)).toMatchObject({ status: 'PASSED' });
    const { datastore } = await gateway.run(ReadCatalog, { id });
    const columns = [
      { name: 'title', dataType: 'text', nullable: false },
      { name: 'price', dataType: 'number', nullable: true },
      { name: 'lines', dataType: 'array of collection', nullable: true },
      { name: 'lines[].sku', dataType: 'text', nullable: false },
    ];
    expect(datastore?.catalog?.entries.edges).toMatchObject([
      { node: { name: 'records', kind: 'COLLECTION', columns } },
    ]);
  });

  test('do what their page in the documentation says, step by step', async () => {
    const page = await readFile(new URL('../../docs/managed-data-stores.md', import.meta.url), 'utf8');
    const operations = [...page.matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text = '']) => text);
    const variables: Record<string, string> = { environmentId };
    const told: string[] = [];
    const following: Promise<readonly { errors?: unknown }[]>[] = [];
    for (const query of operations) {
      if (query.startsWith('subscription')) {
        const { storeId: datastoreId = '' } = variables;
        const at = new Date().toISOString();
        const after = Buffer.from(JSON.stringify({ at, datastoreId, sequence: 3 })).toString('base64url');
        const given = { storeId: datastoreId, after };
        following.push(gateway.follow(parse(query) as never, given as never, { enough: ({ length }) => length > 1 }));
        continue;
      }
      const { json } = await gateway.send({ query, variables });
      told.push(JSON.stringify(json));
      const ids = /"(dataStructure|datastore)":\{"id":"([^"]+)"/.exec(told.at(-1) ?? '');
      if (ids) variables[ids[1] === 'datastore' ? 'storeId' : 'structureId'] = ids[2] ?? '';
    }
    expect(told).toHaveLength(7);
    for (const answer of told) expect(answer).not.toMatch(/"code"|"errors"/);
    expect(told[4]).toContain('"paid":{"nodes":[{"key":"order-3"}]');
    expect(told[6]).toContain('"deletedCount":2');
    const [events] = await Promise.all(following);
    expect(JSON.stringify(events)).toMatch(/DELETED.+order-2.+DELETED.+order-3/);
  });

  test('are tested by the gateway alone: no child starts for them', async () => {
    const alone = await open();
    const caller = apiOf(alone);
    const at = await caller.newEnvironment();
    await caller.created({ environmentId: at, config: { managed: { maxSizeMb: 1 } }, test: {} });
    expect(alone.log()).not.toContain('An executor has started.');
  });

  test('count their records and bytes to the last one', async () => {
    const id = await store();
    expect(await read(id)).toMatchObject({ usedBytes: 0, recordCount: 0, dataStructure: null });
    const first = await stored({ datastoreId: id, key: 'é', data: { a: 1 } });
    expect(first).toMatchObject({ key: 'é', data: { a: 1 }, version: 1 });
    expect(await read(id)).toMatchObject({ usedBytes: 2 + '{"a":1}'.length, recordCount: 1 });
    expect(await stored({ datastoreId: id, key: 'é', data: { b: 2 }, merge: true })).toMatchObject({
      data: { a: 1, b: 2 },
      version: 2,
    });
    expect(await stored({ datastoreId: id, key: 'é', data: { c: 3 } })).toMatchObject({ data: { c: 3 }, version: 3 });
    const { key } = await stored({ datastoreId: id, data: {} });
    expect(key).toMatch(/^[0-9a-f-]{36}$/);
    expect(await read(id)).toMatchObject({ usedBytes: 2 + 7 + 36 + 2, recordCount: 2 });
    const deleted = await remove({ datastoreId: id, select: { keys: ['é', 'é', 'none'] }, confirmed: true });
    expect(deleted).toMatchObject({ deletedCount: 1 });
    expect(await read(id)).toMatchObject({ usedBytes: 38, recordCount: 1 });
  });

  test('never hold more than they may, whoever writes at once', async () => {
    const id = await store();
    const size = 50_000;
    const text = 'x'.repeat(size);
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, at) => put({ datastoreId: id, key: String(at), data: { text } })),
    );
    const fitting = results.filter(({ __typename }) => __typename === 'PutRecordSuccess').length;
    const refused = results.filter(({ __typename }) => __typename === 'QuotaExceededError');
    expect(fitting).toBe(Math.floor(MEGABYTE / (size + 13)));
    expect(refused).toHaveLength(50 - fitting);
    const now = await read(id);
    expect(now).toMatchObject({ recordCount: fitting });
    expect(refused[0]).toMatchObject({ code: 'QUOTA_EXCEEDED', maxBytes: MEGABYTE });
  });

  test('take no less room than they use', async () => {
    const id = await store({ maxSizeMb: 2 });
    for (const key of ['a', 'b', 'c']) await stored({ datastoreId: id, key, data: { text: 'x'.repeat(400_000) } });
    expect(await api.update({ id, config: { managed: { maxSizeMb: 1 } } })).toMatchObject({
      __typename: 'QuotaExceededError',
      issues: [{ path: ['input', 'config', 'managed', 'maxSizeMb'] }],
    });
    expect(await read(id)).toMatchObject({ config: { maxSizeMb: 2 } });
    const grown = await store();
    await api.updated({ id: grown, config: { managed: { maxSizeMb: 2 } } });
    for (const key of ['a', 'b', 'c']) await stored({ datastoreId: grown, key, data: { text: 'x'.repeat(400_000) } });
    const changed = await gateway.send({
      query: `mutation ($revert: RevertDatastoreInput!, $update: UpdateDatastoresInput!) {
        revertDatastore(input: $revert) { ... on UserError { code } }
        updateDatastores(input: $update) { ... on UpdateDatastoresSuccess { results { error { code } } } }
      }`,
      variables: {
        revert: { id: grown, toVersion: 1 },
        update: { items: [{ id: grown, config: { managed: { maxSizeMb: 1 } } }] },
      },
    });
    expect(changed.json).toEqual({
      data: {
        revertDatastore: { code: 'QUOTA_EXCEEDED' },
        updateDatastores: { results: [{ error: { code: 'QUOTA_EXCEEDED' } }] },
      },
    });
  });

  test('use a data structure of their own environment, which then is not deleted', async () => {
    const dataStructureId = await structure(order);
    const elsewhere = await structure(order, false, await api.newEnvironment());
    const id = await store({ dataStructureId });
    expect(await read(id)).toMatchObject({ dataStructure: { id: dataStructureId } });
    const wrong = await api.create({
      environmentId,
      config: { managed: { maxSizeMb: 1, dataStructureId: elsewhere } },
    });
    expect(issueList(expectType(wrong, 'ValidationError'))).toEqual(['input.config.managed.dataStructureId NOT_FOUND']);
    const { deleteDataStructure } = await gateway.run(DeleteDataStructure, { id: dataStructureId });
    expect(deleteDataStructure).toMatchObject({ __typename: 'InUseError', code: 'IN_USE' });
  });

  test('are not deleted with records without a confirmation', async () => {
    const id = await store();
    await stored({ datastoreId: id, key: 'a', data: {} });
    expect(await api.remove({ ids: [id] })).toMatchObject({ __typename: 'ConfirmationRequiredError' });
    await remove({ datastoreId: id, select: { all: {} }, confirmed: true });
    expect(await api.removed(id)).toEqual([id]);
  });

  describe('with many records', () => {
    const MANY = 1_250;

    /** A store with records that were put by the hundred. */
    const filled = async (more: { dataStructureId?: string } = {}) => {
      const id = await store(more);
      for (let from = 0; from < MANY; from += 250) {
        const items = Array.from({ length: 250 }, (_, at) => ({ key: `k${from + at}`, data: { title: 'x' } }));
        const { putRecords } = await gateway.run(PutRecords, { input: { datastoreId: id, items } });
        expectType(putRecords, 'PutRecordsSuccess');
      }
      return id;
    };
    const deleted = async (id: string) => {
      const input = { select: { ids: [id] }, confirmed: true };
      const { deleteDatastores } = await gateway.run(DeleteDatastores, { input });
      expectType(deleteDatastores, 'DeleteDatastoresSuccess');
    };
    const left = async (id: string) => {
      const { query } = gateway.app.database;
      const rows = await Promise.all(
        (['managed_stores', 'managed_records', 'record_events'] as const).map((table) =>
          query.selectFrom(table).select('datastore_id').where('datastore_id', '=', id).execute(),
        ),
      );
      return rows.map((found) => found.length);
    };

    beforeAll(() => gateway.app.chores.stop());

    test('are gone at once, and removed in steps, by whichever process is there', async () => {
      const dataStructureId = await structure(order);
      const id = await filled({ dataStructureId });
      await deleted(id);
      expect(await read(id)).toBeNull();
      expect(await put({ datastoreId: id, data: { title: 'x' } })).toMatchObject({ __typename: 'NotFoundError' });
      const records = `${gateway.url}/datastores/${id}/records`;
      const response = await fetch(records, { headers: { authorization: `Bearer ${gateway.token}` } });
      expect(response.status).toBe(404);
      const { deleteDataStructure } = await gateway.run(DeleteDataStructure, { id: dataStructureId });
      expect(deleteDataStructure).toMatchObject({ __typename: 'DeleteDataStructureSuccess' });
      // the deletion itself has begun with the first ones
      expect(await left(id)).toEqual([1, MANY - 500, MANY - 500]);
      // a step of a process that then dies
      expect(await new StoreRemoval(gateway.app.database).step()).toBe(true);
      expect(await left(id)).toEqual([1, MANY - 1_000, MANY - 1_000]);
      const next = new StoreRemoval(gateway.app.database);
      while (await next.step());
      expect(await left(id)).toEqual([0, 0, 0]);
    });

    test('leave nothing to a datastore that is given their id before they are removed', async () => {
      const id = await filled();
      await deleted(id);
      await api.created({ id, environmentId, config: { managed: { maxSizeMb: 1 } } });
      expect(await read(id)).toMatchObject({ usedBytes: 0, recordCount: 0 });
      expect(await left(id)).toEqual([1, 0, 0]);
      await stored({ datastoreId: id, key: 'a', data: {} });
      while (await new StoreRemoval(gateway.app.database).step());
      expect(await keysOf(id)).toEqual(['a']);
      expect(await read(id)).toMatchObject({ usedBytes: 3, recordCount: 1 });
    });

    test('are removed by several processes at once', async () => {
      const ids = [await filled(), await filled()];
      for (const id of ids) await deleted(id);
      const removals = [1, 2, 3].map(() => new StoreRemoval(gateway.app.database));
      await Promise.all(
        removals.map(async (removal) => {
          while (await removal.step());
        }),
      );
      // one that found the others busy with all that is left looks again
      while (await removals[0]?.step());
      for (const id of ids) expect(await left(id)).toEqual([0, 0, 0]);
    });
  });

  describe('judge records by their structure', () => {
    test.each<readonly [string, boolean, object, string[]]>([
      ['a field that is missing', false, {}, ['title REQUIRED']],
      ['a field that is null', false, { title: null }, ['title REQUIRED']],
      ['a field of another type', false, { title: 1, price: '1' }, ['title INVALID_TYPE', 'price INVALID_TYPE']],
      ['an element of an array', false, { title: 'a', lines: [{ sku: 'x' }, {}] }, ['lines.1.sku REQUIRED']],
      ['an unknown field, where strict', true, { title: 'a', more: 1 }, ['more UNKNOWN_FIELD']],
      ['an unknown field in an array', true, { title: 'a', lines: [{ sku: 'x', b: 1 }] }, ['lines.0.b UNKNOWN_FIELD']],
    ])('%s', async (_title, strict, data, issues) => {
      const id = await store({ dataStructureId: await structure(order, strict) });
      const refused = expectType(await put({ datastoreId: id, data }), 'ValidationError');
      expect(issueList(refused)).toEqual(issues.map((issue) => `input.data.${issue}`));
      expect(await read(id)).toMatchObject({ recordCount: 0 });
    });

    test('and fill in defaults', async () => {
      const id = await store({ dataStructureId: await structure(order) });
      const { data } = await stored({ datastoreId: id, data: { title: 'a', more: true } });
      expect(data).toEqual({ title: 'a', more: true, price: 1 });
    });
  });

  test.each<readonly [string, Partial<PutRecordInput>, string]>([
    ['no object', { data: [1] }, 'input.data INVALID_TYPE'],
    ['a number that lost digits', { data: { a: [2 ** 60] } }, 'input.data.a.0 OUT_OF_RANGE'],
    ['__proto__', { data: JSON.parse('{"a":{"__proto__":1}}') }, 'input.data.a.__proto__ INVALID_VALUE'],
    ['more than 512 KiB', { data: { a: 'x'.repeat(524_281) } }, 'input.data TOO_LONG'],
    ['too deep a nest', { data: deep(40) }, `input.data${'.a'.repeat(32)} TOO_LONG`],
    ['a key with a zero byte', { key: 'a\0' }, 'input.key INVALID_FORMAT'],
    ['an empty key', { key: '' }, 'input.key TOO_SHORT'],
    ['a long key', { key: 'x'.repeat(257) }, 'input.key TOO_LONG'],
  ])('refuse a record with %s', async (_title, more, issue) => {
    const id = await store();
    expect(issueList(expectType(await put({ datastoreId: id, data: {}, ...more }), 'ValidationError'))).toEqual([
      issue,
    ]);
    expect(await read(id)).toMatchObject({ recordCount: 0, usedBytes: 0 });
  });
});
