import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import type {
  DatastoreOrder,
  DatastoreOrderField,
  ListDatastoresQueryVariables,
  OrderDirection,
  TestPurpose,
} from '../support/gql/graphql.ts';
import { postgresConfig, qdrantConfig, s3Config } from '../support/inputs.ts';
import { ListDatastores, ListTests, ListWithRelations } from '../support/operations.ts';

const fields: readonly DatastoreOrderField[] = ['LABEL', 'NAME', 'TYPE', 'CREATED_AT', 'UPDATED_AT'];
const directions: readonly OrderDirection[] = ['ASC', 'DESC'];
const orders = fields.flatMap((field) => directions.map((direction): DatastoreOrder => ({ field, direction })));
const columns = {
  LABEL: 'label_folded',
  NAME: 'name',
  TYPE: 'type',
  CREATED_AT: 'created_at',
  UPDATED_AT: 'updated_at',
} as const;

// equal ones, and such as databases like to put in an order of their own
const labels = ['same', 'Same', 'SAME', 'Zoo', 'ähre', 'Äpfel', '_under', '50 %', 'ｚ', '😀', 'a b', 'a-b', 'ab'];

describeEachGateway('lists of datastores', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  const list = async (variables: Omit<ListDatastoresQueryVariables, 'environmentId'>) =>
    (await gateway.run(ListDatastores, { environmentId, ...variables })).datastores;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
    const configs = [{ postgres: postgresConfig() }, { s3: s3Config() }, { qdrant: qdrantConfig() }] as const;
    for (let at = 0; at < 45; at += 1) {
      const config = configs[at % 3] ?? configs[0];
      const { id } = await api.created({ environmentId, label: labels[at % labels.length], config });
      const stamp = (of: number) => `2026-01-01T00:00:00.${String(of % 4).padStart(3, '0')}Z`;
      await gateway.app.database.query
        .updateTable('datastores')
        .set({ created_at: stamp(at), updated_at: stamp(at + 1) })
        .where('id', '=', id)
        .execute();
    }
    // what must never show up in the lists of the other one
    await api.created({ environmentId: await api.newEnvironment(), label: 'same', config: configs[0] });
  });

  /** As the list must come: by the bytes of the column, then of the id. */
  async function expected({ field, direction }: DatastoreOrder): Promise<string[]> {
    const column = columns[field];
    const rows = await gateway.app.database.query
      .selectFrom('datastores')
      .select(['id', column])
      .where('environment_id', '=', environmentId)
      .execute();
    const compare = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
    const sorted = rows
      .map((row) => ({ id: row.id, key: (row as Record<string, string>)[column] ?? '' }))
      .toSorted((one, other) => compare(one.key, other.key) || compare(one.id, other.id))
      .map(({ id }) => id);
    return direction === 'DESC' ? sorted.toReversed() : sorted;
  }

  describe.each(orders)('by $field $direction', (orderBy) => {
    test('forward, every one comes once and in order', async () => {
      const seen: string[] = [];
      let after: string | null = null;
      for (let page = 1; page <= 7; page += 1) {
        const { edges, pageInfo, totalCount } = await list({ orderBy, first: 7, after });
        seen.push(...edges.map(({ node }) => node.id));
        expect(totalCount).toBe(45);
        expect(pageInfo).toEqual({
          hasNextPage: page < 7,
          hasPreviousPage: page > 1,
          startCursor: edges[0]?.cursor,
          endCursor: edges.at(-1)?.cursor,
        });
        after = pageInfo.endCursor ?? null;
      }
      expect(seen).toEqual(await expected(orderBy));
    });

    test('backward, every one comes once and in the same order', async () => {
      const seen: string[] = [];
      let before: string | null = null;
      for (let page = 1; page <= 7; page += 1) {
        const { edges, pageInfo } = await list({ orderBy, last: 7, before });
        seen.unshift(...edges.map(({ node }) => node.id));
        expect(pageInfo).toMatchObject({ hasNextPage: page > 1, hasPreviousPage: page < 7 });
        before = pageInfo.startCursor ?? null;
      }
      expect(seen).toEqual(await expected(orderBy));
    });
  });

  test('without any argument it is the first twenty by label', async () => {
    const { edges, pageInfo } = await list({});
    expect(edges.map(({ node }) => node.id)).toEqual(
      (await expected({ field: 'LABEL', direction: 'ASC' })).slice(0, 20),
    );
    expect(pageInfo.hasNextPage).toBe(true);
  });

  test('a cursor still leads on when its row is gone', async () => {
    const own = await api.newEnvironment();
    const ids: string[] = [];
    for (const label of ['a', 'b', 'c']) {
      ids.push((await api.created({ environmentId: own, label, config: { postgres: postgresConfig() } })).id);
    }
    const page = await gateway.run(ListDatastores, { environmentId: own, first: 2 });
    await api.removed(ids[1] ?? '');
    const after = page.datastores.pageInfo.endCursor;
    const rest = await gateway.run(ListDatastores, { environmentId: own, first: 2, after });
    expect(rest.datastores.edges.map(({ node }) => node.id)).toEqual([ids[2]]);
  });

  test('by offset, pages fit together', async () => {
    const seen: string[] = [];
    for (let offset = 0; offset < 45; offset += 20) {
      const { edges, pageInfo } = await list({ first: 20, offset });
      seen.push(...edges.map(({ node }) => node.id));
      expect(pageInfo).toMatchObject({ hasPreviousPage: offset > 0, hasNextPage: offset < 40 });
    }
    const all = await expected({ field: 'LABEL', direction: 'ASC' });
    expect(seen).toEqual(all);
    const fromTheEnd = await list({ last: 20, offset: 5 });
    expect(fromTheEnd.edges.map(({ node }) => node.id)).toEqual(all.slice(20, 40));
    expect(fromTheEnd.pageInfo).toMatchObject({ hasPreviousPage: true, hasNextPage: true });
  });

  test('all are counted, whatever the page leaves out', async () => {
    const { pageInfo } = await list({ first: 40 });
    const { startCursor, endCursor } = pageInfo;
    const pages = [{ after: endCursor }, { before: startCursor }, { after: startCursor, before: endCursor }];
    for (const cursors of [{}, ...pages, { offset: 40 }])
      for (const size of [{ first: 100 }, { last: 100 }])
        expect([cursors, size, (await list({ ...cursors, ...size })).totalCount]).toEqual([cursors, size, 45]);
  });

  test('a page with nothing on it has no cursors', async () => {
    const nothing = { hasNextPage: false, startCursor: null, endCursor: null };
    const beyond = await list({ offset: 1_000 });
    expect(beyond.edges).toEqual([]);
    expect(beyond.pageInfo).toEqual({ ...nothing, hasPreviousPage: true });
    expect(beyond.totalCount).toBe(45);
    const empty = await gateway.run(ListDatastores, { environmentId: randomUUID() });
    expect(empty.datastores).toEqual({ edges: [], totalCount: 0, pageInfo: { ...nothing, hasPreviousPage: false } });
  });

  test('without an environment it is those of all that the caller may see', async () => {
    const { datastores } = await gateway.run(ListDatastores, { first: 1 });
    expect(datastores.totalCount).toBeGreaterThan(45);
    const token = await gateway.createToken(`walled ${environmentId}`, ['DATASTORES_READ'], [environmentId]);
    expect((await gateway.run(ListDatastores, { first: 1 }, token)).datastores.totalCount).toBe(45);
  });

  describe('filters', () => {
    test('by types', async () => {
      const { edges, totalCount } = await list({ filter: { types: ['S3', 'QDRANT'] }, first: 100 });
      expect(totalCount).toBe(30);
      expect(new Set(edges.map(({ node }) => node.type))).toEqual(new Set(['S3', 'QDRANT']));
    });

    test('by no type and by no purpose, nothing', async () => {
      expect(await list({ filter: { types: [] } })).toMatchObject({ edges: [], totalCount: 0 });
      const { edges } = await list({ first: 1 });
      const datastoreId = edges[0]?.node.id ?? '';
      const { id } = await api.testStarted({ target: { datastoreId } });
      await api.ended(id);
      const tests = async (purpose: TestPurpose[] | null) =>
        (await gateway.run(ListTests, { id: datastoreId, purpose })).datastore?.connectionTests.edges;
      expect(await tests([])).toEqual([]);
      expect(await tests(null)).toMatchObject([{ node: { id } }]);
    });

    test.each([
      ['same', 12, 'letters of any size'],
      ['ÄHRE', 4, 'letters beyond ASCII, too'],
      ['%', 3, 'a percent sign is a percent sign'],
      ['_', 3, 'an underscore is an underscore'],
      ['0 %', 3, 'in the middle'],
      ['a_b', 0, 'and no pattern'],
      ['ZOO-2', 1, 'in the name'],
      ["' or 1=1 --", 0, 'a quote is a quote'],
      ['\\', 0, 'a backslash is a backslash'],
      ['', 45, 'nothing to look for'],
      [' \n', 45, 'nothing either'],
      [' same\n', 12, 'as it was pasted'],
    ])('search %j finds %i: %s', async (search, count) => {
      const { edges, totalCount } = await list({ filter: { search }, first: 100 });
      expect(edges).toHaveLength(count);
      expect(totalCount).toBe(count);
      expect((await list({ filter: { search }, first: 1 })).totalCount).toBe(count);
      const found = (text: string) => text.toLowerCase().includes(search.trim().toLowerCase());
      for (const { node } of edges) expect(found(node.label) || found(node.name)).toBe(true);
    });

    test('go together with an order and a cursor', async () => {
      const filter = { types: ['POSTGRES', 'S3'], search: 'SAME' } as const;
      const variables = { filter: { ...filter, types: [...filter.types] }, orderBy: orders[1] };
      const first = await list({ ...variables, first: 5 });
      const rest = await list({ ...variables, first: 50, after: first.pageInfo.endCursor });
      expect(first.edges.length + rest.edges.length).toBe(first.totalCount);
      expect(new Set([...first.edges, ...rest.edges].map(({ node }) => node.id)).size).toBe(first.totalCount);
    });
  });

  describe('arguments that cannot be', () => {
    const cursor = (...values: unknown[]) => Buffer.from(JSON.stringify(values)).toString('base64url');
    test.each<[string, ListDatastoresQueryVariables, string[]]>([
      ['first 0', { first: 0 }, ['first OUT_OF_RANGE']],
      ['first 101', { first: 101 }, ['first OUT_OF_RANGE']],
      ['last -1', { last: -1 }, ['last OUT_OF_RANGE']],
      ['last 101', { last: 101 }, ['last OUT_OF_RANGE']],
      ['first and last', { first: 1, last: 1 }, ['last INVALID_COMBINATION']],
      ['offset -1', { offset: -1 }, ['offset OUT_OF_RANGE']],
      ['offset 10,001', { offset: 10_001 }, ['offset OUT_OF_RANGE']],
      ['offset and a cursor', { offset: 1, after: cursor('LABEL ASC', 'a', 'b') }, ['offset INVALID_COMBINATION']],
      ['a cursor that is none', { after: 'garbage' }, ['after INVALID_VALUE']],
      ['an empty cursor', { before: '' }, ['before INVALID_VALUE']],
      ['a cursor of another order', { after: cursor('LABEL DESC', 'a', 'b') }, ['after INVALID_VALUE']],
      ['a cursor of other values', { after: cursor('LABEL ASC', 1, {}) }, ['after INVALID_VALUE']],
      ['a cursor with a zero byte', { after: cursor('LABEL ASC', 'a\u0000', 'b') }, ['after INVALID_VALUE']],
      ['a search with a zero byte', { filter: { search: 'a\u0000b' } }, ['filter.search INVALID_FORMAT']],
      ['several at once', { first: 0, offset: -1, after: 'x' }, ['first OUT_OF_RANGE', 'offset OUT_OF_RANGE']],
    ])('%s', async (_name, variables, issues) => {
      const { errors, data } = await gateway.execute(ListDatastores, { environmentId, ...variables });
      expect(data).toBeNull();
      expect(errors?.[0]?.extensions?.code).toBe('BAD_USER_INPUT');
      const found = errors?.[0]?.extensions?.issues as { path: string[]; code: string }[];
      expect(found.map(({ path, code }) => `${path.join('.')} ${code}`)).toEqual(expect.arrayContaining(issues));
      // who shows no more than the message says where it is
      if (found.length === 1) expect(errors?.[0]?.message).toMatch(`${found[0]?.path.join('.')}: `);
    });

    test('are refused in the lists within a datastore as well', async () => {
      const { edges } = await list({ first: 1 });
      const id = edges[0]?.node.id ?? '';
      const { errors } = await gateway.execute(ListTests, { id, first: 101, after: 'garbage' });
      expect(errors?.[0]).toMatchObject({
        path: ['datastore', 'connectionTests'],
        extensions: { code: 'BAD_USER_INPUT' },
      });
      expect(errors?.[0]?.extensions?.issues).toMatchObject([{ path: ['first'] }, { path: ['after'] }]);
    });
  });

  test('environment and last test come with their datastores, and what they lead to costs one statement a level', async () => {
    const own = await api.newEnvironment();
    const started: string[] = [];
    for (let at = 0; at < 50; at += 1) {
      const { id } = await api.created({ environmentId: own, config: { postgres: postgresConfig() } });
      started.push((await api.testStarted({ target: { datastoreId: id } })).id);
    }
    for (const id of started) await api.ended(id);
    const counted = async (first: number) => {
      // so that the caller is known already
      await gateway.run(ListWithRelations, { environmentId: own, first: 1 });
      gateway.statements.length = 0;
      const { datastores } = await gateway.run(ListWithRelations, { environmentId: own, first });
      expect(datastores.nodes).toHaveLength(first);
      for (const { id, environment, lastTest } of datastores.nodes) {
        expect(environment.id).toBe(own);
        expect(lastTest).toMatchObject({ status: 'FAILED', datastore: { id } });
      }
      // rounds look for statuses, left-over refreshes and deliveries, no list does; a token is remembered for 2 s
      const others = /"status" = |"catalog_refreshes"|"webhook_deliveries"|"api_tokens"/;
      return gateway.statements.filter((sql) => !others.test(sql));
    };
    const few = await counted(5);
    const tables = few.map((sql) => /from "(\w+)"/.exec(sql)?.[1]);
    expect(tables.toSorted()).toEqual(['datastores', 'datastores']);
    expect(await counted(50)).toHaveLength(few.length);
  });
});
