import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type {
  DeleteRecordsInput,
  PutRecordInput,
  PutRecordsInput,
  RecordEventsSubscription,
  RecordFilter,
} from '../support/gql/graphql.ts';
import {
  DeleteRecords,
  ListRecords,
  PutRecord,
  PutRecords,
  ReadManaged,
  ReadRecord,
  RecordEvents,
} from '../support/operations.ts';
import { expectType, issueList } from '../support/results.ts';

const DAY_MS = 86_400_000;

describeEachGateway('records', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const store = async (maxSizeMb = 1) => (await api.created({ environmentId, config: { managed: { maxSizeMb } } })).id;
  const put = async (input: PutRecordInput) => (await gateway.run(PutRecord, { input })).putRecord;
  const stored = async (input: PutRecordInput) => expectType(await put(input), 'PutRecordSuccess').record;
  const putAll = async (input: PutRecordsInput) =>
    expectType((await gateway.run(PutRecords, { input })).putRecords, 'PutRecordsSuccess').results;
  const remove = async (input: DeleteRecordsInput) => (await gateway.run(DeleteRecords, { input })).deleteRecords;
  const read = async (id: string) => (await gateway.run(ReadManaged, { id })).datastore;
  const list = async (id: string, page: object) =>
    (await gateway.run(ListRecords, { id, ...page })).datastore as {
      records: {
        nodes: { key: string }[];
        pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; endCursor: string; startCursor: string };
      };
    };
  const keysOf = async (id: string, page: object) => (await list(id, page)).records.nodes.map(({ key }) => key);
  /** Puts rows in as the service would, many at a time. */
  const fill = async (id: string, count: number, dataOf: (at: number) => object) => {
    for (let from = 0; from < count; from += 500) {
      const items = Array.from({ length: Math.min(500, count - from) }, (_, at) => ({
        key: String(from + at).padStart(6, '0'),
        data: dataOf(from + at),
      }));
      await putAll({ datastoreId: id, items });
    }
  };

  test('are read by key, and paged in the order of keys', async () => {
    const id = await store();
    for (const key of ['b', 'a', 'é', 'B', '😀']) await stored({ datastoreId: id, key, data: { key } });
    const first = await list(id, { first: 3 });
    expect(first.records.nodes.map(({ key }) => key)).toEqual(['B', 'a', 'b']);
    const rest = await list(id, { first: 3, after: first.records.pageInfo.endCursor });
    expect(rest.records.nodes.map(({ key }) => key)).toEqual(['é', '😀']);
    const back = await list(id, { last: 1, before: rest.records.pageInfo.startCursor });
    expect(back.records.nodes.map(({ key }) => key)).toEqual(['b']);
    const { datastore } = await gateway.run(ReadRecord, { id, key: '😀' });
    expect(datastore).toMatchObject({ record: { key: '😀', data: { key: '😀' } } });
  });

  test('delete records that are confirmed alone, all but some', async () => {
    const id = await store();
    for (const key of ['a', 'b', 'c']) await stored({ datastoreId: id, key, data: {} });
    const select = { all: { exceptKeys: ['b'] } };
    expect(await remove({ datastoreId: id, select })).toMatchObject({
      __typename: 'ConfirmationRequiredError',
      usages: [],
    });
    expect(await read(id)).toMatchObject({ recordCount: 3 });
    expect(await remove({ datastoreId: id, select, confirmed: true })).toMatchObject({ deletedCount: 2 });
    expect(await read(id)).toMatchObject({ recordCount: 1, usedBytes: 3 });
  });

  test('are replaced only where the version is the expected one', async () => {
    const datastoreId = await store();
    const { version } = await stored({ datastoreId, key: 'a', data: { a: 1 }, expectedVersion: 0 });
    const conflict = {
      __typename: 'ConflictError',
      code: 'VERSION_CONFLICT',
      current: null,
      currentRecord: { key: 'a', version, data: { a: 1 } },
    };
    expect(await put({ datastoreId, key: 'a', data: {}, expectedVersion: 0 })).toMatchObject(conflict);
    expect(await put({ datastoreId, key: 'a', data: {}, expectedVersion: version + 1 })).toMatchObject(conflict);
    const racing = await Promise.all(
      Array.from({ length: 10 }, (_, b) => put({ datastoreId, key: 'a', data: { b }, expectedVersion: version })),
    );
    expect(racing.filter(({ __typename }) => __typename === 'PutRecordSuccess')).toHaveLength(1);
    // one that comes back under the same key is another one
    await remove({ datastoreId, select: { keys: ['a'] }, confirmed: true });
    await stored({ datastoreId, key: 'a', data: {} });
    expect(await put({ datastoreId, key: 'a', data: {}, expectedVersion: version })).toMatchObject({
      code: 'VERSION_CONFLICT',
    });
    expect(issueList(expectType(await put({ datastoreId, data: {}, expectedVersion: -1 }), 'ValidationError'))).toEqual(
      ['input.expectedVersion OUT_OF_RANGE'],
    );
  });

  test('have other versions in a datastore that is given the id of a deleted one', async () => {
    const datastoreId = await store();
    const { version } = await stored({ datastoreId, key: 'a', data: {} });
    await remove({ datastoreId, select: { all: {} }, confirmed: true });
    await api.removed(datastoreId);
    await api.created({ id: datastoreId, environmentId, config: { managed: { maxSizeMb: 1 } } });
    const again = await stored({ datastoreId, key: 'a', data: {} });
    expect(again.version).toBeGreaterThan(version + 1);
    expect(Number.isSafeInteger(again.version)).toBe(true);
  });

  describe('many in one call', () => {
    test('each have their own result', async () => {
      const datastoreId = await store();
      const results = await putAll({
        datastoreId,
        items: [
          { key: 'a', data: { a: 1 } },
          { key: 'b', data: [] },
          { key: 'a', data: { b: 2 }, merge: true },
          { key: 'a', data: {}, expectedVersion: 1 },
          { data: { text: 'x'.repeat(400_000) } },
        ],
      });
      expect(results).toMatchObject([
        { index: 0, record: { key: 'a', data: { a: 1 }, version: 1 }, error: null },
        {
          index: 1,
          record: null,
          error: {
            code: 'VALIDATION_FAILED',
            issues: [{ path: ['input', 'items', '1', 'data'], code: 'INVALID_TYPE' }],
          },
        },
        { index: 2, record: { data: { a: 1, b: 2 }, version: 2 } },
        { index: 3, record: null, error: { __typename: 'ConflictError', code: 'VERSION_CONFLICT' } },
        { index: 4, record: { version: 3 } },
      ]);
      const big = { text: 'x'.repeat(360_000) };
      const more = await putAll({ datastoreId, items: [{ data: big }, { data: big }, { key: 'c', data: {} }] });
      expect(more.map(({ error }) => error?.code)).toEqual([undefined, 'QUOTA_EXCEEDED', undefined]);
      expect(await read(datastoreId)).toMatchObject({ recordCount: 4 });
    });

    test('merge into 16 MiB of stored records at most', async () => {
      const datastoreId = await store(100);
      const keys = Array.from({ length: 34 }, (_, at) => `k${at}`);
      const data = JSON.stringify({ text: 'x'.repeat(500_000) });
      const size = data.length + 3;
      const { query } = gateway.app.database;
      await query
        .insertInto('managed_records')
        .values(keys.map((key) => ({ datastore_id: datastoreId, key, size, data, version: 1, updated_at: '' })))
        .execute();
      const items = keys.map((key) => ({ key, data: { seen: true }, merge: true }));
      const results = await putAll({ datastoreId, items });
      expect(results.slice(0, 33).map(({ error }) => error)).toEqual(keys.slice(0, 33).map(() => null));
      expect(results[33]).toMatchObject({
        record: null,
        error: { issues: [{ path: ['input', 'items', '33', 'merge'], code: 'TOO_LONG' }] },
      });
    });

    test('are stored all or none with atomic', async () => {
      const datastoreId = await store();
      const items = [
        { key: 'a', data: {} },
        { key: 'b', data: 1 },
      ];
      const results = await putAll({ datastoreId, items, atomic: true });
      expect(results).toMatchObject([
        { record: null, error: null },
        { record: null, error: { code: 'VALIDATION_FAILED' } },
      ]);
      expect(await read(datastoreId)).toMatchObject({ recordCount: 0, usedBytes: 0 });
    });

    test('are 500 at most', async () => {
      const input = { datastoreId: await store(), items: Array.from({ length: 501 }, () => ({ data: {} })) };
      const { putRecords } = await gateway.run(PutRecords, { input });
      expect(issueList(expectType(putRecords, 'ValidationError'))).toEqual(['input.items TOO_LONG']);
    });
  });

  describe('with a filter', () => {
    test.each<readonly [string, RecordFilter[], string[]]>([
      ['a text', [{ path: ['city'], equals: 'Bern' }], ['a', 'c']],
      ['a number in an object', [{ path: ['size', 'width'], equals: 2 }], ['b']],
      ['an element of a list', [{ path: ['tags', '1'], equals: true }], ['a']],
      ['null, or nothing at all', [{ path: ['city'], equals: null }], ['b', 'd']],
      [
        'several',
        [
          { path: ['city'], equals: 'Bern' },
          { path: ['tags', '0'], equals: 'x' },
        ],
        ['a'],
      ],
      ['a number that is given as text', [{ path: ['size', 'width'], equals: '2' }], []],
      ['what every object has', [{ path: ['constructor', 'name'], equals: 'Object' }], []],
      ['the length of a list', [{ path: ['tags', 'length'], equals: 2 }], []],
    ])('%s is found', async (_title, filter, keys) => {
      const datastoreId = await store();
      await putAll({
        datastoreId,
        items: [
          { key: 'a', data: { city: 'Bern', tags: ['x', true] } },
          { key: 'b', data: { city: null, size: { width: 2 } } },
          { key: 'c', data: { city: 'Bern' } },
          { key: 'd', data: {} },
        ],
      });
      expect(await keysOf(datastoreId, { filter })).toEqual(keys);
      expect(await keysOf(datastoreId, { filter, last: 1 })).toEqual(keys.slice(-1));
    });

    test('look at 2,000 records a page, and tell where to go on', async () => {
      const id = await store();
      await fill(id, 2_100, (at) => ({ last: at === 2_050 }));
      const filter = [{ path: ['last'], equals: true }];
      const first = await list(id, { filter, first: 5 });
      expect(first.records).toMatchObject({ nodes: [], pageInfo: { hasNextPage: true, hasPreviousPage: false } });
      const next = await list(id, { filter, first: 5, after: first.records.pageInfo.endCursor });
      expect(next.records).toMatchObject({ nodes: [{ key: '002050' }], pageInfo: { hasNextPage: false } });
      const back = await list(id, { filter: [{ path: ['last'], equals: 'no' }], last: 5 });
      expect(back.records).toMatchObject({ nodes: [], pageInfo: { hasPreviousPage: true } });
    });

    test.each([
      ['an object', { path: ['a'], equals: {} }, 'filter.0.equals INVALID_TYPE'],
      ['no path', { path: [], equals: 1 }, 'filter.0.path TOO_SHORT'],
      ['a long path', { path: Array.from({ length: 33 }, () => 'a') }, 'filter.0.path TOO_LONG'],
      ['a long text', { path: ['a'], equals: 'x'.repeat(1_025) }, 'filter.0.equals TOO_LONG'],
    ])('are refused with %s', async (_title, filter, issue) => {
      const query =
        'query ($id: ID!, $filter: [RecordFilter!]) { datastore(id: $id) { ... on ManagedDatastore { records(filter: $filter) { nodes { key } } } } }';
      const { json } = await gateway.send({ query, variables: { id: await store(), filter: [filter] } });
      const [error] = json.errors as unknown as { extensions: { issues: { path: string[]; code: string }[] } }[];
      expect(error?.extensions.issues.map(({ path, code }) => `${path.join('.')} ${code}`)).toEqual([issue]);
    });
  });

  test('have pages of 8 MiB at most', async () => {
    const id = await store(10);
    for (let at = 0; at < 18; at += 1)
      await stored({ datastoreId: id, key: String(at).padStart(2, '0'), data: { text: 'x'.repeat(500_000) } });
    const first = await list(id, { first: 18 });
    expect(first.records.nodes).toHaveLength(16);
    expect(first.records.pageInfo).toMatchObject({ hasNextPage: true });
    expect(await keysOf(id, { first: 18, after: first.records.pageInfo.endCursor })).toEqual(['16', '17']);
    expect(await keysOf(id, { last: 18, before: first.records.pageInfo.startCursor })).toEqual([]);
    expect((await list(id, { last: 18 })).records).toMatchObject({
      nodes: expect.objectContaining({ length: 16 }),
      pageInfo: { hasPreviousPage: true },
    });
  });

  describe('tell what happens to them', () => {
    type Event = RecordEventsSubscription['recordEvents'];
    const follow = (datastoreId: string, count: number, after: string | null = null) => {
      const events: Event[] = [];
      const over = gateway.follow(
        RecordEvents,
        { datastoreId, after },
        {
          enough: (results) => results.length >= count,
          onResult: ({ data }) => void (data && events.push(data.recordEvents)),
        },
      );
      return { events, over };
    };

    test('from a cursor on, in order, without a gap, and then as it comes', async () => {
      const datastoreId = await store();
      const beginning = follow(datastoreId, 1);
      // whoever gives no cursor hears what comes after its beginning, which it cannot tell
      let number = 0;
      await eventually(async () => {
        await stored({ datastoreId, key: `k${number++}`, data: { number } });
        return beginning.events.length > 0;
      });
      const [first] = beginning.events;
      await putAll({
        datastoreId,
        items: [
          { key: 'x', data: { a: 1 } },
          { key: 'x', data: { a: 2 } },
        ],
      });
      await remove({ datastoreId, select: { keys: ['x'] }, confirmed: true });
      const rest = follow(datastoreId, number - Number(first?.key.slice(1)) - 1 + 4, first?.cursor ?? '');
      await stored({ datastoreId, key: 'live', data: {} });
      await rest.over;
      expect(rest.events.slice(-4)).toMatchObject([
        { kind: 'PUT', key: 'x', record: null, actor: expect.stringMatching(/^all /), datastoreId },
        { kind: 'PUT', key: 'x', record: null },
        { kind: 'DELETED', key: 'x', record: null },
        { kind: 'PUT', key: 'live', record: { data: {} } },
      ]);
      expect(new Set(rest.events.map(({ cursor }) => cursor)).size).toBe(rest.events.length);
    });

    test('until the datastore is deleted', async () => {
      const datastoreId = await store();
      const cursor = Buffer.from(JSON.stringify({ at: new Date().toISOString(), datastoreId, sequence: 0 })).toString(
        'base64url',
      );
      const following = follow(datastoreId, 100, cursor);
      await stored({ datastoreId, key: 'a', data: {} });
      await eventually(() => following.events.length === 1);
      await remove({ datastoreId, select: { all: {} }, confirmed: true });
      await api.removed(datastoreId);
      await following.over;
      expect(following.events.length).toBeLessThan(100);
    });

    test.each([
      ['no cursor', 'nonsense', 'BAD_USER_INPUT'],
      ['one of another datastore', { at: new Date().toISOString(), datastoreId: 'x', sequence: 1 }, 'BAD_USER_INPUT'],
      ['an old one', { at: new Date(Date.now() - 8 * DAY_MS).toISOString(), sequence: 1 }, 'CURSOR_EXPIRED'],
    ])('%s ends with an error', async (_title, cursor, code) => {
      const datastoreId = await store();
      const given = typeof cursor === 'string' ? cursor : JSON.stringify({ datastoreId, ...cursor });
      const after = Buffer.from(given).toString('base64url');
      const [result] = await gateway.follow(RecordEvents, { datastoreId, after });
      expect(result?.errors?.[0]?.extensions?.code).toBe(code);
      if (code === 'BAD_USER_INPUT')
        expect(result?.errors?.[0]?.extensions?.issues).toMatchObject([{ path: ['after'] }]);
    });

    test('for a week', async () => {
      const datastoreId = await store();
      for (const key of ['a', 'b']) await stored({ datastoreId, key, data: {} });
      const { query } = gateway.app.database;
      const at = new Date(Date.now() - 8 * DAY_MS).toISOString();
      await query.updateTable('record_events').set({ at }).where('key', '=', 'a').execute();
      await gateway.app.chores.run();
      const left = query.selectFrom('record_events').select('key').where('datastore_id', '=', datastoreId);
      expect(await left.execute()).toEqual([{ key: 'b' }]);
    });
  });
});
