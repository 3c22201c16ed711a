import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type CatalogEntry, catalogLimits } from '../../src/connectors/kit/contract/catalog-entry.ts';
import { CatalogWriter } from '../../src/modules/catalogs/writer.ts';
import { testOf } from '../../src/modules/connection-tests/shown-row.ts';
import type { ConnectionTest } from '../../src/modules/connection-tests/test.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { turnsOf } from '../support/event-loop.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { PostgresConfigInput, ReadCatalogQueryVariables } from '../support/gql/graphql.ts';
import { postgresConfig, s3Config } from '../support/inputs.ts';
import { DatastoreEvents, ListTests, Progress, ReadCatalog, RefreshCatalog } from '../support/operations.ts';
import { type Gate, startGate } from '../support/peers/gate.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType, issueList } from '../support/results.ts';

const TABLES = `
  create schema sales;
  create table sales.orders (id integer primary key, label varchar(80), total numeric(10,2) not null);
  create table sales."Order_Lines" (order_id bigint);
  create table sales.empty ();
  create view sales.overview as select id from sales.orders;
  create materialized view sales.totals as select total from sales.orders;
  create table public.customers (id uuid, gone text);
  alter table public.customers drop column gone`;

/** `namespace.name`, in the order of bytes. */
const NAMES = [
  'public.customers',
  'sales.Order_Lines',
  'sales.empty',
  'sales.orders',
  'sales.overview',
  'sales.totals',
];
const CHECKS = ['endpoint/resolve', 'endpoint/connect', 'session/authenticate', 'catalog/read'];

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
  await administer('postgres', 'create database shop');
  await administer('shop', TABLES);
});

afterAll(() => target.stop());

async function administer(database: string, sql: string): Promise<void> {
  const { host, port, superuser: user, password } = target;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function newDatabase(): Promise<string> {
  const name = `d_${randomUUID().replaceAll('-', '')}`;
  await administer('postgres', `create database ${name}`);
  return name;
}

/** Leads to a real server. */
function real(more: Partial<PostgresConfigInput> = {}): { postgres: PostgresConfigInput } {
  const { port, superuser, password } = target;
  return { postgres: postgresConfig({ port, username: superuser, password, database: 'shop', ...more }) };
}

async function heldBack(): Promise<Gate> {
  const gate = await startGate(target.port);
  onTestFinished(() => gate.close());
  return gate;
}

describeEachGateway('catalogs', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const refresh = async (datastoreId: string, more: { testId?: string; timeoutMs?: number } = {}, token?: string) =>
    (await gateway.run(RefreshCatalog, { input: { datastoreId, ...more } }, token)).refreshCatalog;
  const started = async (datastoreId: string) => expectType(await refresh(datastoreId), 'RefreshCatalogSuccess').test;
  const refreshed = async (datastoreId: string) => api.ended((await started(datastoreId)).id);
  const read = async (id: string, more: Omit<ReadCatalogQueryVariables, 'id'> = {}) =>
    (await gateway.run(ReadCatalog, { id, ...more })).datastore;
  const names = (datastore: Awaited<ReturnType<typeof read>>) =>
    datastore?.catalog?.entries.edges.map(({ node }) => `${node.namespace}.${node.name}`);
  /** Rows of every refresh, finished or not. */
  const storedEntries = (datastoreId: string) =>
    gateway.app.database.query
      .selectFrom('catalog_entries')
      .innerJoin('connection_tests', 'id', 'refresh_id')
      .select('catalog_entries.name')
      .where('datastore_id', '=', datastoreId)
      .execute();
  const areLeft = (datastoreId: string, count: number) =>
    eventually(async () => (await storedEntries(datastoreId)).length === count);
  const entriesOf = (refreshId: string) =>
    gateway.app.database.query
      .selectFrom('catalog_entries')
      .select('name')
      .where('refresh_id', '=', refreshId)
      .execute();

  /** The service itself, and tests of purpose CATALOG that another process runs. */
  async function openCatalogs(datastoreId: string) {
    const { database } = gateway.app;
    const keyring = await Keyring.load(join(gateway.folder, 'master.key'));
    const { id: doneId } = await refreshed(datastoreId);
    const done = await database.query
      .selectFrom('connection_tests')
      .selectAll()
      .where('id', '=', doneId)
      .executeTakeFirstOrThrow();
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const newTest = async () => {
      const row = { ...done, id: randomUUID(), status: 'RUNNING', owner: randomUUID(), finished_at: null };
      const values = { ...row, lease_expires_at: later, deadline_at: later };
      await database.query.insertInto('connection_tests').values(values).execute();
      return testOf(row);
    };
    const end = ({ id }: ConnectionTest) =>
      database.query.updateTable('connection_tests').set({ status: 'PASSED' }).where('id', '=', id).execute();
    return { catalogs: new CatalogWriter(database, keyring), newTest, end };
  }

  describe('a refresh', () => {
    test('is a test that is followed from before its start, and stores all tables with their columns', async () => {
      const { id } = await api.created({ environmentId, config: real() });
      expect((await read(id))?.catalog).toBeNull();
      const testId = randomUUID();
      const following = gateway.follow(Progress, { id: testId, after: 0 });
      const first = expectType(await refresh(id, { testId }), 'RefreshCatalogSuccess').test;
      expect(first).toMatchObject({ id: testId, purpose: 'CATALOG', status: 'QUEUED', type: 'POSTGRES' });
      const events = (await following).map(({ data }) => data?.connectionTestProgress);
      expect(events.map((event) => event?.sequence)).toEqual(events.map((_, index) => index + 1));
      expect(events.at(-1)?.test).toMatchObject({ status: 'PASSED', failure: null });
      expect(events.at(-1)?.test.checks.map(({ name, status }) => [name, status])).toEqual(
        CHECKS.map((name) => [`postgres/${name}`, 'PASSED']),
      );
      expect(events.at(-1)?.test.checks.at(-1)?.evidence).toEqual([
        { name: 'entries', value: '6' },
        { name: 'columns', value: '7' },
      ]);
      const stored = await read(id);
      expect(stored).toMatchObject({ version: 1, lastTest: null, catalog: { entryCount: 6 } });
      expect(names(stored)).toEqual(NAMES);
      expect(stored?.catalog?.entries.edges.map(({ node }) => node).slice(2, 4)).toEqual([
        { namespace: 'sales', name: 'empty', kind: 'TABLE', readable: true, columns: [] },
        {
          namespace: 'sales',
          name: 'orders',
          kind: 'TABLE',
          readable: true,
          columns: [
            { name: 'id', dataType: 'integer', nullable: false },
            { name: 'label', dataType: 'character varying(80)', nullable: true },
            { name: 'total', dataType: 'numeric(10,2)', nullable: false },
          ],
        },
      ]);
      const kinds = stored?.catalog?.entries.edges.map(({ node }) => node.kind);
      expect(kinds).toEqual(['TABLE', 'TABLE', 'TABLE', 'TABLE', 'VIEW', 'VIEW']);
    });

    test('is told to those who follow the datastore, and leaves its last test as it was', async () => {
      const { id } = await api.created({ environmentId, config: real(), test: { timeoutMs: 20_000 } });
      const { lastTest } = (await api.read(id)) ?? {};
      expect(lastTest).toMatchObject({ purpose: 'BEFORE_SAVE' });
      // without a cursor the subscription begins when it is there, so one refresh may come too early
      let isTold = false;
      const following = gateway.follow(
        DatastoreEvents,
        { environmentId, datastoreId: id },
        { enough: ([first]) => first !== undefined },
      );
      const told = following.finally(() => {
        isTold = true;
      });
      const testIds: string[] = [];
      while (!isTold) testIds.unshift((await refreshed(id)).id);
      const [event] = await told;
      expect(event?.data?.datastoreEvents).toMatchObject({
        kind: 'CATALOG_REFRESHED',
        datastoreId: id,
        actor: expect.stringMatching(/^all /),
        datastore: { id, version: 1 },
      });
      expect((await api.read(id))?.lastTest).toEqual(lastTest);
      const { datastore } = await gateway.run(ListTests, { id, purpose: ['CATALOG'] });
      expect(datastore?.connectionTests.edges.map(({ node }) => node.id)).toEqual(testIds);
    });

    test('that fails says why, and the old catalog stays', async () => {
      const { id } = await api.created({ environmentId, config: real() });
      await refreshed(id);
      const before = await read(id);
      await api.updated({ id, config: { postgres: { database: 'no_such' } } });
      const failed = await refreshed(id);
      expect(failed).toMatchObject({
        status: 'FAILED',
        failure: { code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      });
      expect(failed.checks.at(-1)).toMatchObject({ name: 'postgres/catalog/read', status: 'FAILED' });
      expect((await read(id))?.catalog).toEqual(before?.catalog);
      await api.updated({ id, config: { postgres: { port: await closedPort(), password: 'another' } } });
      const refused = await refreshed(id);
      expect(refused.checks.map(({ status }) => status)).toEqual(['PASSED', 'FAILED', 'SKIPPED', 'SKIPPED']);
      expect((await read(id))?.catalog).toEqual(before?.catalog);
      expect(await storedEntries(id)).toHaveLength(6);
    });

    test('takes what has gone out of the catalog, and exchanges it as a whole', async () => {
      const database = await newDatabase();
      await administer(database, 'create table one (id int); create table two (id int)');
      const { id } = await api.created({ environmentId, config: real({ database }) });
      await refreshed(id);
      const before = await read(id);
      expect(names(before)).toEqual(['public.one', 'public.two']);
      await administer(database, 'drop table one; create table three (id int)');
      await refreshed(id);
      const after = await read(id);
      expect(names(after)).toEqual(['public.three', 'public.two']);
      expect(Date.parse(after?.catalog?.refreshedAt ?? '')).toBeGreaterThanOrEqual(
        Date.parse(before?.catalog?.refreshedAt ?? ''),
      );
      await areLeft(id, 2);
    });

    test('of an empty database leaves a catalog without entries', async () => {
      const database = await newDatabase();
      const { id } = await api.created({ environmentId, config: real({ database }) });
      expect(await refreshed(id)).toMatchObject({ status: 'PASSED' });
      expect((await read(id))?.catalog).toMatchObject({ entryCount: 0, entries: { edges: [] } });
    });

    test('that is cancelled stores nothing', async () => {
      const gate = await heldBack();
      const { id } = await api.created({ environmentId, config: real({ port: gate.port }) });
      const { id: testId } = await started(id);
      await expect.poll(() => gate.waiting()).toBe(1);
      await api.cancel(testId);
      expect(await api.ended(testId)).toMatchObject({ status: 'CANCELLED' });
      expect((await read(id))?.catalog).toBeNull();
    });

    test('ends when its datastore is deleted meanwhile, and leaves nothing behind', async () => {
      const gate = await heldBack();
      const { id } = await api.created({ environmentId, config: real({ port: gate.port }) });
      const { id: testId } = await started(id);
      await expect.poll(() => gate.waiting()).toBe(1);
      await api.removed(id);
      gate.open();
      expect(await api.ended(testId)).toMatchObject({ status: 'CANCELLED', failure: { code: 'CANCELLED' } });
      await eventually(async () => (await entriesOf(testId)).length === 0);
      expect(await api.readTest(testId)).toMatchObject({ datastore: null });
      expect(gateway.log()).not.toMatch(/could not be (taken|run|told)|broke off/);
    });

    test('beside another one of the same datastore ends like it, and one catalog is left', async () => {
      const gate = await heldBack();
      const { id } = await api.created({ environmentId, config: real({ port: gate.port }) });
      const tests = await Promise.all([started(id), started(id), started(id)]);
      await expect.poll(() => gate.waiting()).toBe(3);
      gate.open();
      const ends = await Promise.all(tests.map((one) => api.ended(one.id)));
      expect(ends.map(({ status }) => status)).toEqual(['PASSED', 'PASSED', 'PASSED']);
      expect(names(await read(id))).toEqual(NAMES);
      await areLeft(id, 6);
    });

    const entry = (name: string) => ({ namespace: null, name, kind: 'TABLE' as const, columns: [] });

    test('takes nothing from one that is still reading', async () => {
      const { id } = await api.created({ environmentId, config: real() });
      const { catalogs, newTest, end } = await openCatalogs(id);
      const [slow, quick] = [await newTest(), await newTest()];
      await catalogs.begin(slow);
      await catalogs.begin(quick);
      await catalogs.add(slow, [entry('one')]);
      await catalogs.add(quick, [entry('other')]);
      expect(await catalogs.finish(quick)).toBe(true);
      expect(names(await read(id))).toEqual(['null.other']);
      await catalogs.add(slow, [entry('two'), entry('two')]);
      expect(await catalogs.finish(slow)).toBe(true);
      expect(names(await read(id))).toEqual(['null.one', 'null.two']);
      expect((await read(id))?.catalog?.entryCount).toBe(2);
      await end(quick);
      await areLeft(id, 2);
    });

    test('that a crash makes run again keeps the catalog that it had finished', async () => {
      const { id } = await api.created({ environmentId, config: real() });
      const { catalogs, newTest } = await openCatalogs(id);
      const again = await newTest();
      await catalogs.begin(again);
      await catalogs.add(again, [entry('one')]);
      await catalogs.finish(again);
      await catalogs.begin(again);
      expect(names(await read(id))).toEqual(['null.one']);
      await catalogs.discard(again);
      expect(names(await read(id))).toEqual(['null.one']);
      await catalogs.begin(again);
      await catalogs.add(again, [entry('one'), entry('two')]);
      await catalogs.finish(again);
      expect(await read(id)).toMatchObject({ catalog: { entryCount: 2 } });
    });
  });

  describe('a catalog of many or large entries', () => {
    const named = (name: string, columns = 0): CatalogEntry => ({
      namespace: 'n',
      name,
      kind: 'TABLE',
      columns: Array.from({ length: columns }, (_, at) => ({
        name: `${at}`,
        dataType: 'x'.repeat(1_000),
        nullable: true,
      })),
    });
    const numbered = (count: number) => Array.from({ length: count }, (_, at) => named(String(at).padStart(6, '0')));
    const inParts = (entries: readonly CatalogEntry[]) =>
      Array.from({ length: Math.ceil(entries.length / 200) }, (_, at) => entries.slice(at * 200, at * 200 + 200));

    async function withCatalog(entries: readonly CatalogEntry[]) {
      const { id } = await api.created({ environmentId, config: real() });
      const { catalogs, newTest, end } = await openCatalogs(id);
      const one = await newTest();
      await catalogs.begin(one);
      for (const part of inParts(entries)) await catalogs.add(one, part);
      await catalogs.finish(one);
      await end(one);
      return { id, catalogs, newTest, one };
    }

    test('tells what changed from one reading to the next, and webhooks when something did', async () => {
      const { id } = await api.created({ environmentId, config: real(), name: 'changing' });
      const { catalogs, newTest, end } = await openCatalogs(id);
      const url = `http://127.0.0.1:${await closedPort()}/`;
      const created = await gateway.send({
        query: `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) {
          ... on CreateWebhookSuccess { webhook { id } } } }`,
        variables: {
          input: { environmentId, url, datastoreIds: [id], events: ['CATALOG_CHANGED', 'CATALOG_REFRESHED'] },
        },
      });
      const made = created.json.data as { createWebhook: { webhook: { id: string } } };
      const reads = async (entries: readonly CatalogEntry[]) => {
        const reading = await newTest();
        await catalogs.begin(reading);
        await catalogs.add(reading, entries);
        expect(await catalogs.finish(reading)).toBe(true);
        await end(reading);
        return reading.id;
      };
      const changes = async (names = 'addedEntries { name } removedEntries { name }') => {
        const { json } = await gateway.send({
          query: `query ($ids: [ID!]) { datastores(filter: { ids: $ids }) { nodes { catalog { changes { at since
            addedEntryCount removedEntryCount addedColumnCount removedColumnCount retypedColumnCount ${names}
            columns { entry { namespace name kind } column change before after } } } } } }`,
          variables: { ids: [id] },
        });
        expect(json.errors).toBeUndefined();
        type Change = Record<string, unknown> & { at: string; since: string };
        return (json.data as { datastores: { nodes: { catalog: { changes: Change[] } }[] } }).datastores.nodes[0]
          ?.catalog.changes;
      };
      const messages = async () => {
        const rows = await gateway.app.database.query
          .selectFrom('webhook_deliveries')
          .select('body')
          .where('webhook_id', '=', made.createWebhook.webhook.id)
          .where('type', '=', 'datastore.catalog_changed')
          .execute();
        return rows.map(({ body }) => JSON.parse(body) as { data: Record<string, unknown> });
      };
      const columns = (...types: [string, string][]) =>
        types.map(([name, dataType]) => ({ name, dataType, nullable: true }));
      const table = (name: string, ...types: [string, string][]): CatalogEntry => ({
        ...{ namespace: 'shop', name, kind: 'TABLE', columns: columns(...types) },
      });
      // the first reading, by openCatalogs, found other tables
      await reads([
        table('a', ['id', 'int'], ['gone', 'text'], ['b', 'int']),
        table('old'),
        table('same', ['x', 'int']),
      ]);
      expect(await changes()).toMatchObject([{ addedEntryCount: 3, removedEntryCount: NAMES.length, columns: [] }]);
      const last = await reads([
        { ...table('a', ['b', 'bigint'], ['id', 'int'], ['new', 'text']) },
        table('new'),
        { ...table('old'), kind: 'VIEW' },
        { ...table('same'), columns: [{ name: 'x', dataType: 'int', nullable: false }] },
      ]);
      const [newest, before] = (await changes()) ?? [];
      const entry = { namespace: 'shop', name: 'a', kind: 'TABLE' };
      const found = {
        columns: [
          { entry, column: 'b', change: 'RETYPED', before: 'int', after: 'bigint' },
          { entry, column: 'new', change: 'ADDED', before: null, after: 'text' },
          { entry, column: 'gone', change: 'REMOVED', before: 'text', after: null },
        ],
      };
      expect(newest).toEqual({
        ...found,
        ...{ at: expect.any(String), since: before?.at, addedEntryCount: 2, removedEntryCount: 1 },
        ...{ addedColumnCount: 1, removedColumnCount: 1, retypedColumnCount: 1 },
        addedEntries: [{ name: 'new' }, { name: 'old' }],
        removedEntries: [{ name: 'old' }],
      });
      const told = await messages();
      expect(told).toHaveLength(2);
      expect(told.find(({ data }) => data.testId === last)?.data).toMatchObject({
        datastore: { id, name: 'changing' },
        since: before?.at,
        counts: { addedEntries: 2, removedEntries: 1, addedColumns: 1, removedColumns: 1, retypedColumns: 1 },
        addedEntries: [{ name: 'new' }, { name: 'old' }],
        columns: [{ name: 'a', column: 'b', change: 'RETYPED' }, { column: 'new' }, { column: 'gone' }],
      });
      const many = Array.from({ length: 1_500 }, (_, at) => table(`t${String(at).padStart(5, '0')}`));
      await reads(many);
      // a reading that finds all as it was is no change
      await reads(many);
      expect(await changes('addedEntries { name }')).toHaveLength(3);
      expect(await messages()).toHaveLength(3);
      const [first] = (await changes('addedEntries { name }')) ?? [];
      expect(first).toMatchObject({ addedEntryCount: 1_500, removedEntryCount: 4 });
      expect(first?.addedEntries).toHaveLength(100);
      for (const { data } of await messages()) expect((data.addedEntries as object[]).length).toBeLessThanOrEqual(20);
      for (let at = 0; at < 20; at += 1) await reads([table(`only-${at}`)]);
      const kept = (await changes('addedEntries { name }')) ?? [];
      expect(kept.map((change) => change.addedEntries)).toEqual(
        Array.from({ length: 20 }, (_, at) => [{ name: `only-${19 - at}` }]),
      );
      await api.removed(id);
    });

    test('is searched and removed in steps', async () => {
      const { id, catalogs, newTest, one } = await withCatalog(numbered(3_500));
      const searching = read(id, { search: 'nothing' }).then(names);
      expect(await turnsOf(searching)).toBeGreaterThan(3);
      expect(await searching).toEqual([]);
      expect(names(await read(id, { search: '3499' }))).toEqual(['n.003499']);
      expect(names(await read(id, { search: '500', last: 2 }))).toEqual(['n.001500', 'n.002500']);
      const next = await newTest();
      await catalogs.begin(next);
      await catalogs.finish(next);
      expect(await turnsOf(catalogs.tidy())).toBeGreaterThan(3);
      await eventually(async () => (await entriesOf(one.id)).length === 0);
      expect(await read(id)).toMatchObject({ catalog: { entryCount: 0 } });
    });

    test('ends a page early where its entries are large, and gives them all', async () => {
      const { id } = await withCatalog([named('a', 150), named('b', 150), named('c', 150), named('d')]);
      for (const [direction, pages] of [
        ['first', [['n.a'], ['n.b'], ['n.c', 'n.d']]],
        ['last', [['n.c', 'n.d'], ['n.b'], ['n.a']]],
      ] as const) {
        let cursor: string | null | undefined;
        for (const page of pages) {
          const found = await read(id, { [direction]: 10, [direction === 'first' ? 'after' : 'before']: cursor });
          const { pageInfo } = found?.catalog?.entries ?? {};
          expect(names(found)).toEqual(page);
          const isLast = page === pages.at(-1);
          expect(direction === 'first' ? pageInfo?.hasNextPage : pageInfo?.hasPreviousPage).toBe(!isLast);
          cursor = direction === 'first' ? pageInfo?.endCursor : pageInfo?.startCursor;
        }
      }
    });

    test('tells the longest names apart by their ends', async () => {
      const long = '€'.repeat(1_023);
      const { id } = await withCatalog([named(`${long}b`), named(`${long}a`), named(`${long}a`), named('z')]);
      const found = names(await read(id));
      expect(found?.slice(1).sort()).toEqual([`n.${long}a`, `n.${long}b`]);
      expect(found?.[0]).toBe('n.z');
      expect(await read(id)).toMatchObject({ catalog: { entryCount: 3 } });
    });

    test.each([
      ['entry_count', catalogLimits.entries - 1],
      ['size', catalogLimits.size - 9],
    ])('is not stored beyond its bounds, whatever a child sends: %s', async (column, almost) => {
      const { id } = await api.created({ environmentId, config: real() });
      const { catalogs, newTest } = await openCatalogs(id);
      const full = await newTest();
      await catalogs.begin(full);
      await gateway.app.database.query
        .updateTable('catalog_refreshes')
        .set({ [column]: almost })
        .where('id', '=', full.id)
        .execute();
      await expect(catalogs.add(full, [named('a'), named('b')])).rejects.toThrow('more than a catalog may have');
      expect(await entriesOf(full.id)).toEqual([]);
    });
  });

  describe('what a refresh refuses', () => {
    test('a type without a catalog', async () => {
      const { id } = await api.created({ environmentId, config: { s3: s3Config() } });
      const refused = expectType(await refresh(id), 'ValidationError');
      expect(issueList(refused)).toEqual(['input.datastoreId INVALID_COMBINATION']);
      const own = await api.newEnvironment();
      const unmade = await api.create({ environmentId: own, config: { s3: s3Config() }, refreshCatalog: true });
      expect(issueList(expectType(unmade, 'ValidationError'))).toEqual(['input.refreshCatalog INVALID_COMBINATION']);
      expect(await api.count(own)).toBe(0);
    });

    test('what does not exist, an id that was used, and a caller without the scope', async () => {
      const missing = randomUUID();
      expect(await refresh(missing)).toMatchObject({ __typename: 'NotFoundError', ids: [missing] });
      const { id } = await api.created({ environmentId, config: real() });
      const { id: testId } = await refreshed(id);
      expect(await refresh(id, { testId })).toMatchObject({ __typename: 'ConflictError', code: 'ID_TAKEN' });
      expect(issueList(expectType(await refresh(id, { timeoutMs: 999 }), 'ValidationError'))).toEqual([
        'input.timeoutMs OUT_OF_RANGE',
      ]);
      const token = await gateway.createToken(`reads ${randomUUID()}`, ['DATASTORES_READ', 'DATASTORES_WRITE']);
      const { errors } = await gateway.execute(RefreshCatalog, { input: { datastoreId: id } }, token);
      expect(errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });
    });

    test('an environment that the caller may not see', async () => {
      const { id } = await api.created({ environmentId, config: real() });
      const elsewhere = await api.newEnvironment();
      const token = await gateway.createToken(`elsewhere ${randomUUID()}`, ['DATASTORES_TEST'], [elsewhere]);
      expect(await refresh(id, {}, token)).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
    });
  });

  describe('after a save', () => {
    test('the catalog is read when that was asked for', async () => {
      const own = await api.newEnvironment();
      const { id } = await api.created({ environmentId: own, config: real(), refreshCatalog: true });
      await expect.poll(async () => names(await read(id))).toEqual(NAMES);
      const database = await newDatabase();
      await api.updated({ id, config: { postgres: { database } }, refreshCatalog: true });
      await expect.poll(async () => names(await read(id))).toEqual([]);
    });

    test('a refresh that fails undoes nothing', async () => {
      const config = real({ database: 'no_such' });
      const { id } = await api.created({ environmentId, config, refreshCatalog: true });
      const list = async () => (await gateway.run(ListTests, { id })).datastore?.connectionTests.edges ?? [];
      await expect.poll(async () => (await list()).map(({ node }) => node.status)).toEqual(['FAILED']);
      expect((await read(id))?.catalog).toBeNull();
      expect(await api.read(id)).toMatchObject({ version: 1, lastTest: null });
    });
  });

  describe('entries', () => {
    let id: string;

    beforeAll(async () => {
      ({ id } = await api.created({ environmentId, config: real() }));
      await refreshed(id);
    });

    test('come in pages, forward and backward', async () => {
      const forward: string[] = [];
      for (let after: string | null = null; ; ) {
        const page = await read(id, { first: 4, after });
        const { edges, pageInfo } = page?.catalog?.entries ?? { edges: [], pageInfo: undefined };
        forward.push(...(names(page) ?? []));
        expect(pageInfo?.startCursor).toBe(edges[0]?.cursor);
        expect(pageInfo?.hasNextPage).toBe(forward.length < NAMES.length);
        if (!pageInfo?.hasNextPage) break;
        after = pageInfo.endCursor ?? null;
      }
      expect(forward).toEqual(NAMES);
      const last = await read(id, { last: 4 });
      expect(names(last)).toEqual(NAMES.slice(2));
      expect(last?.catalog?.entries.pageInfo.hasPreviousPage).toBe(true);
      const before = last?.catalog?.entries.pageInfo.startCursor ?? null;
      const rest = await read(id, { last: 4, before });
      expect(names(rest)).toEqual(NAMES.slice(0, 2));
      expect(rest?.catalog?.entries.pageInfo.hasPreviousPage).toBe(false);
    });

    test.each([
      ['ORDER', ['sales.Order_Lines', 'sales.orders']],
      ['sales.o', ['sales.Order_Lines', 'sales.orders', 'sales.overview']],
      [' sales.o\n', ['sales.Order_Lines', 'sales.orders', 'sales.overview']],
      ['_lines', ['sales.Order_Lines']],
      ['%', []],
      ['a_es', []],
      ["'", []],
      ['nothing at all', []],
      ['', NAMES],
    ])('are found by %j, also page by page', async (search, found) => {
      expect(names(await read(id, { search }))).toEqual(found);
      const first = await read(id, { search, first: 1 });
      expect(names(first)).toEqual(found.slice(0, 1));
      const after = first?.catalog?.entries.pageInfo.endCursor ?? null;
      expect(names(await read(id, { search, first: 50, after }))).toEqual(after === null ? found : found.slice(1));
      expect(names(await read(id, { search, last: 1 }))).toEqual(found.slice(-1));
    });

    test('are nobody’s who may not see the datastore', async () => {
      const elsewhere = await api.newEnvironment();
      const token = await gateway.createToken(`elsewhere ${randomUUID()}`, ['DATASTORES_READ'], [elsewhere]);
      expect((await gateway.run(ReadCatalog, { id }, token)).datastore).toBeNull();
    });
  });

  test('are gone with their datastore', async () => {
    const { id } = await api.created({ environmentId, config: real() });
    const { id: refreshId } = await refreshed(id);
    expect(await entriesOf(refreshId)).toHaveLength(6);
    await api.removed(id);
    await eventually(async () => (await entriesOf(refreshId)).length === 0);
  });
});
