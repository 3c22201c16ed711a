import { randomUUID } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { Access } from '../../src/modules/access/access.ts';
import { wholeDatastores } from '../../src/modules/datastores/asked.ts';
import { fold } from '../../src/modules/datastores/datastore.ts';
import { type Bounds, countDatastores, listDatastores, orderName } from '../../src/modules/datastores/list-store.ts';
import { type DatastoreQuery, orderColumns } from '../../src/modules/datastores/query.ts';
import { searchBacklog } from '../../src/modules/datastores/search-backlog.ts';
import type { Database } from '../../src/platform/database/database.ts';
import type { DatastoresTable } from '../../src/platform/database/tables.ts';
import { readPageArguments } from '../../src/platform/paging.ts';
import { describeEachDatabase } from '../support/databases.ts';
import { seeded } from '../support/random.ts';

const ENVIRONMENTS = ['a', 'b', 'c'];
const CHANGES = 400;
const RENAMINGS = 10;
const QUERIES = 150;
const STATUSES = ['QUEUED', 'PASSED', 'FAILED'];
const WORDS = [
  'Shop',
  'ship',
  'Ähre',
  'STRASSE',
  'straße',
  '日本語',
  '👩‍🔬 lab',
  'a_b%',
  "o'clock",
  '"x" AND y',
  '\\',
  'İ',
];
const stamps = { created_at: '', updated_at: '', created_by: '' };

describeEachDatabase('what lists of datastores are found by', (open, kind) => {
  const random = seeded(20261127);
  const below = (count: number) => Math.floor(random() * count);
  const oneOf = <Item>(items: readonly Item[]): Item => items[below(items.length)] as Item;
  let database: Database;
  let ids: string[] = [];

  beforeAll(async () => {
    ({ database } = await open());
    const environments = ENVIRONMENTS.map((id) => ({ id, name: id, ...stamps }));
    await database.query.insertInto('environments').values(environments).execute();
    for (let at = 0; at < CHANGES; at += 1) await changeSome();
    for (let at = 0; at < RENAMINGS; at += 1) await renameSome(at % 2 === 0);
    // Postgres tells by its statistics what is rare
    await sql`analyze`.execute(database.query);
  });

  const label = () => Array.from({ length: 1 + below(3) }, () => oneOf(WORDS)).join(oneOf([' ', '', '-']));

  /** Changes something or, now and then, takes it back. */
  async function changeSome(): Promise<void> {
    const id = ids.length > 0 ? oneOf(ids) : randomUUID();
    const before = [...ids];
    const isTakenBack = random() < 0.2;
    const changed = database.change(async (change) => {
      for (let at = 0; at <= below(3); at += 1) await makeChange(change, id);
      if (isTakenBack) throw new Error('taken back');
    });
    await (isTakenBack ? expect(changed).rejects.toThrow('taken back') : changed);
    if (isTakenBack) ids = before;
  }

  /** Renames several at a time, of which one is deleted and another, now and then, takes itself back. */
  async function renameSome(isTakenBack: boolean): Promise<void> {
    const renamed = Array.from({ length: 8 }, () => ({ id: oneOf(ids), text: label() }));
    const doomed = renamed[3]?.id;
    const changes = renamed.map(({ id, text }, at) =>
      database.change(async ({ leave, query }) => {
        leave(searchBacklog);
        const set = { label: text, label_folded: fold(text) };
        await query.updateTable('datastores').set(set).where('id', '=', id).execute();
        if (at === 3) await query.deleteFrom('datastores').where('id', '=', id).execute();
        if (at === 5 && isTakenBack) throw new Error('taken back');
      }),
    );
    const outcomes = await Promise.allSettled(changes);
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(isTakenBack ? 1 : 0);
    ids = ids.filter((id) => id !== doomed);
  }

  async function makeChange({ query }: Parameters<Parameters<Database['change']>[0]>[0], id: string): Promise<void> {
    const folded = label();
    const kinds = [
      'add',
      'add',
      'rename',
      'name',
      'delete',
      'test',
      'retest',
      'health',
      'unhealth',
      'use',
      'unuse',
      'tag',
    ];
    const what = ids.includes(id) ? oneOf(kinds) : 'add';
    if (what === 'add') {
      const added = randomUUID();
      ids.push(added);
      const named = { name: `n-${ids.length}-${below(1e9)}`, label: folded, label_folded: fold(folded) };
      const fixed = { type: oneOf(['S3', 'CSV', 'POSTGRES']), config: '{}', secrets: '[]', version: 1, updated_by: '' };
      const at = `2026-01-0${1 + below(9)}T00:00:00.000Z`;
      const row = { id: added, environment_id: oneOf(ENVIRONMENTS), ...fixed, ...named, created_by: '' };
      await query
        .insertInto('datastores')
        .values({ ...row, created_at: at, updated_at: at })
        .execute();
    } else if (what === 'rename' || what === 'name') {
      const set = what === 'name' ? { name: `m-${below(1e9)}` } : { label: folded, label_folded: fold(folded) };
      await query.updateTable('datastores').set(set).where('id', '=', id).execute();
    } else if (what === 'delete') {
      ids = ids.filter((each) => each !== id);
      await query.deleteFrom('datastores').where('id', '=', id).execute();
    } else if (what === 'test') {
      const testId = randomUUID();
      const fixed = { type: '', purpose: '', is_stored: 1, requested_by: '', token_id: '', checks: '', plan: '' };
      const of = { id: testId, datastore_id: id, environment_id: 'a', status: 'QUEUED', deadline_at: '' };
      await query
        .insertInto('connection_tests')
        .values({ ...fixed, ...of, created_at: '' })
        .execute();
      await query.updateTable('datastores').set({ last_test_id: testId }).where('id', '=', id).execute();
    } else if (what === 'retest')
      await query
        .updateTable('connection_tests')
        .set({ status: oneOf(STATUSES) })
        .where('datastore_id', '=', id)
        .execute();
    else if (what === 'health') {
      const status = oneOf(['UNKNOWN', 'HEALTHY', 'UNHEALTHY']);
      await query
        .insertInto('datastore_health')
        .values({ datastore_id: id, status, failures: 0 })
        .onConflict((conflict) => conflict.column('datastore_id').doUpdateSet({ status }))
        .execute();
    } else if (what === 'unhealth') await query.deleteFrom('datastore_health').where('datastore_id', '=', id).execute();
    else if (what === 'use') {
      const usage = { id: randomUUID(), datastore_id: id, kind: 'k', name: String(below(1e9)), registered_at: '' };
      await query.insertInto('datastore_usages').values(usage).execute();
    } else if (what === 'unuse') {
      const usage = await query
        .selectFrom('datastore_usages')
        .select('id')
        .where('datastore_id', '=', id)
        .executeTakeFirst();
      if (usage) await query.deleteFrom('datastore_usages').where('id', '=', usage.id).execute();
    } else {
      await query.deleteFrom('datastore_tags').where('datastore_id', '=', id).execute();
      const value = oneOf(['x', 'y']);
      // an older version says nothing of the environment
      await oneOf([
        sql`insert into datastore_tags (datastore_id, key, value) values (${id}, 'k', ${value})`,
        sql`insert into datastore_tags (datastore_id, key, value, environment_id)
          select id, 'k', ${value}, environment_id from datastores where id = ${id}`,
      ]).execute(query);
    }
  }

  test('says of each datastore what the other tables say', async () => {
    const { query } = database;
    const { rows } = await sql<Record<string, unknown>>`
      select datastores.id, datastores.environment_id, connection_tests.status as last_test_status,
        coalesce(datastore_health.status, 'UNKNOWN') as health,
        (select count(*) from datastore_usages where datastore_id = datastores.id) as usage_count
      from datastores left join connection_tests on connection_tests.id = last_test_id
        left join datastore_health on datastore_health.datastore_id = datastores.id order by datastores.id`.execute(
      query,
    );
    const facets = await query
      .selectFrom('datastore_facets')
      .select(['datastore_id as id', 'environment_id', 'last_test_status', 'health', 'usage_count', 'in_use'])
      .orderBy('datastore_id')
      .execute();
    expect(facets).toEqual(
      rows.map((row) => {
        const usage_count = Number(row.usage_count);
        return { ...row, usage_count, in_use: usage_count > 0 ? 1 : 0 };
      }),
    );
    expect(new Set(facets.map(({ health }) => health)).size).toBe(3);
    expect(new Set(facets.map((facet) => facet.last_test_status)).size).toBe(4);
  });

  test('says of each tag in which environment its datastore is', async () => {
    const tags = await database.query
      .selectFrom('datastore_tags')
      .innerJoin('datastores', 'datastores.id', 'datastore_id')
      .select(['datastore_tags.environment_id as said', 'datastores.environment_id as is'])
      .execute();
    expect(tags.length).toBeGreaterThan(0);
    for (const { said, is } of tags) expect(said).toBe(is);
  });

  test('knows how many there are', async () => {
    const counted = await sql<
      Record<string, unknown>
    >`select environment_id, type, count(*) as count from datastores group by 1, 2 order by 1, 2`.execute(
      database.query,
    );
    const kept = await database.query
      .selectFrom('datastore_counts')
      .selectAll()
      .where('count', '<>', 0)
      .orderBy('environment_id')
      .orderBy('type')
      .execute();
    expect(kept.map((row) => ({ ...row, count: Number(row.count) }))).toEqual(
      counted.rows.map((row) => ({ ...row, count: Number(row.count) })),
    );
  });

  if (kind === 'sqlite')
    test('leaves the texts of changes that share a COMMIT to its end', async () => {
      const stopped = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
      onTestFinished(() => stopped.mockRestore());
      const rename = (id: string) =>
        database.change(async ({ leave, query }) => {
          leave(searchBacklog);
          await query.updateTable('datastores').set({ name: randomUUID() }).where('id', '=', id).execute();
          return (await sql`select number from search_backlog`.execute(query)).rows.length;
        });
      // the first one cannot know that others come, and of the second one there is the row that tells to leave it
      expect(await Promise.all(ids.slice(0, 4).map(rename))).toEqual([0, 2, 3, 4]);
      expect((await sql`select number from search_backlog`.execute(database.query)).rows).toEqual([]);
    });

  if (kind === 'sqlite')
    test('has each three characters of each label and name, and no others', async () => {
      const { rows } = await sql<{ id: string; term: string }>`
        select distinct datastore_id as id, term from datastore_search_terms left join datastore_facets on number = doc`.execute(
        database.query,
      );
      const found = new Set(rows.map(({ id, term }) => `${id} ${term}`));
      const all = await database.query.selectFrom('datastores').select(['id', 'label_folded', 'name']).execute();
      const expected = all.flatMap(({ id, label_folded, name }) => {
        const characters = [...`${label_folded}\n\n${name}\n\n`];
        return characters.slice(2).map((_, at) => `${id} ${characters.slice(at, at + 3).join('')}`);
      });
      expect(found).toEqual(new Set(expected));
    });

  test.each<[string, Bounds]>([
    ['as they are', { atOnce: 100, lookedAt: 5_000, sorted: 2_000, counted: 10_000, countedAmong: 20_000 }],
    ['where few are sought first', { atOnce: 0, lookedAt: 0, sorted: 1_000, counted: 1_000, countedAmong: 0 }],
    ['where some are looked at first', { atOnce: 5, lookedAt: 20, sorted: 30, counted: 30, countedAmong: 100 }],
    ['where all are walked along', { atOnce: -1, lookedAt: 1, sorted: 0, counted: 5, countedAmong: 30 }],
  ])('leads to the same lists and counts, %s', async (_name, bounds) => {
    const rows = await database.query.selectFrom('datastores').selectAll().execute();
    const judge = await judgeOf(database);
    const asked = { ...wholeDatastores, name: 'joined', environment: ['name'], lastTest: ['id', 'type'] } as const;
    let found = 0;
    for (let at = 0; at < QUERIES; at += 1) {
      const query = randomQuery(rows);
      const access = {
        environmentIds: oneOf(['all', new Set(['a']), new Set(['a', 'c']), new Set()]),
      } as unknown as Access;
      const expected = sorted(
        rows.filter((row) => isSeen(access, query, row) && judge(query, row)),
        query,
      );
      const page = oneOf([{ first: 7 }, { last: 5 }, { first: 4, offset: 3 }, { first: 100 }]);
      const request = readPageArguments(page, orderName(query));
      const { edges } = await listDatastores(database, access, query, request, oneOf([undefined, asked]), bounds);
      const start = 'offset' in page ? 3 : 0;
      const wanted = 'last' in page ? expected.slice(-5) : expected.slice(start, start + page.first);
      expect([query, edges.map(({ node }) => node.id)]).toEqual([query, wanted]);
      const { count, isExact } = await countDatastores(database, access, query, bounds);
      if (isExact) expect([query, count]).toEqual([query, expected.length]);
      else expect(count).toBeLessThanOrEqual(expected.length);
      const [cursor] = edges.slice(-1).map((edge) => edge.cursor);
      if (cursor !== undefined && 'first' in page) {
        const next = readPageArguments({ first: 3, after: cursor }, orderName(query));
        const more = await listDatastores(database, access, query, next, undefined, bounds);
        const from = start + edges.length;
        expect(more.edges.map(({ node }) => node.id)).toEqual(expected.slice(from, from + 3));
      }
      found += edges.length;
    }
    expect(found).toBeGreaterThan(QUERIES);
  });

  function randomQuery(rows: readonly Selectable<DatastoresTable>[]): DatastoreQuery {
    const maybe = <Value>(share: number, value: () => Value): Value | null => (random() < share ? value() : null);
    const text = () => {
      const characters = [...oneOf([...WORDS, oneOf(rows).label, oneOf(rows).name])];
      const from = below(characters.length);
      return characters.slice(from, from + 1 + below(5)).join('');
    };
    const order = {
      field: oneOf(Object.keys(orderColumns) as (keyof typeof orderColumns)[]),
      direction: oneOf(['ASC', 'DESC']),
    };
    return {
      environmentId: maybe(0.3, () => oneOf(ENVIRONMENTS)),
      ids: maybe(0.05, () => [oneOf(rows).id, oneOf(rows).id, randomUUID()]),
      names: maybe(0.05, () => [oneOf(rows).name, oneOf(rows).name]),
      types: maybe(0.2, () => oneOf([['S3'], ['S3', 'CSV', 'S3'], []])),
      search: maybe(0.5, () => oneOf([text(), text(), 'none such'])),
      tags: maybe(0.2, () => oneOf([[{ key: 'k', value: 'x' }], [{ key: 'k', value: null }]])) ?? [],
      lastTestStatus: maybe(0.15, () => [oneOf(STATUSES)]),
      health: maybe(0.15, () => oneOf([['UNKNOWN'], ['HEALTHY'], ['UNHEALTHY', 'UNKNOWN']])),
      inUse: maybe(0.15, () => oneOf([true, false])),
      updatedSince: maybe(0.1, () => '2026-01-05T00:00:00.000Z'),
      order: order as DatastoreQuery['order'],
    };
  }
});

function isSeen(access: Access, { environmentId }: DatastoreQuery, row: Selectable<DatastoresTable>): boolean {
  if (environmentId !== null && row.environment_id !== environmentId) return false;
  return access.environmentIds === 'all' || access.environmentIds.has(row.environment_id);
}

/** What a filter leaves, as it is told from the tables themselves. */
async function judgeOf({ query: tables }: Database) {
  const statuses = new Map(
    (await tables.selectFrom('connection_tests').select(['id', 'status']).execute()).map((row) => [row.id, row.status]),
  );
  const healths = new Map(
    (await tables.selectFrom('datastore_health').select(['datastore_id', 'status']).execute()).map((row) => [
      row.datastore_id,
      row.status,
    ]),
  );
  const used = new Set(
    (await tables.selectFrom('datastore_usages').select('datastore_id').execute()).map((row) => row.datastore_id),
  );
  const tags = await tables.selectFrom('datastore_tags').selectAll().execute();
  return (query: DatastoreQuery, row: Selectable<DatastoresTable>): boolean => {
    const wanted = query.search === null ? '' : fold(query.search);
    return (
      (query.ids?.includes(row.id) ?? true) &&
      (query.names?.includes(row.name) ?? true) &&
      (query.types?.includes(row.type) ?? true) &&
      (row.label_folded.includes(wanted) || row.name.includes(wanted)) &&
      query.tags.every(({ key, value }) =>
        tags.some((tag) => tag.datastore_id === row.id && tag.key === key && (value === null || tag.value === value)),
      ) &&
      (query.lastTestStatus?.includes(statuses.get(row.last_test_id ?? '') ?? '') ?? true) &&
      (query.health?.includes(healths.get(row.id) ?? 'UNKNOWN') ?? true) &&
      (query.inUse === null || used.has(row.id) === query.inUse) &&
      (query.updatedSince === null || row.updated_at >= query.updatedSince)
    );
  };
}

function sorted(rows: readonly Selectable<DatastoresTable>[], { order }: DatastoreQuery): string[] {
  const column = orderColumns[order.field];
  const sign = order.direction === 'ASC' ? 1 : -1;
  return rows
    .toSorted((one, other) => sign * (compareBytes(one[column], other[column]) || compareBytes(one.id, other.id)))
    .map(({ id }) => id);
}

/** The databases' order. */
function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
