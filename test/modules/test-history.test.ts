import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Access } from '../../src/modules/access/access.ts';
import { TestHistory } from '../../src/modules/connection-tests/history.ts';
import { listTests } from '../../src/modules/connection-tests/store.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { type PageArguments, readPageArguments } from '../../src/platform/paging.ts';
import { describeEachDatabase } from '../support/databases.ts';

const retention = { days: 30, perDatastore: 3 };
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
const everybody = { environmentIds: 'all' } as Access;

describeEachDatabase('the tests that are kept', (open) => {
  let database: Database;
  let statements: string[];
  let environmentId: string;

  beforeEach(async () => {
    ({ database, statements } = await open());
    environmentId = randomUUID();
    const stamps = { created_at: '', updated_at: '', created_by: '' };
    await database.query
      .insertInto('environments')
      .values({ id: environmentId, name: 'e', ...stamps })
      .execute();
  });

  async function datastore(): Promise<string> {
    const id = randomUUID();
    const named = { name: id, label: id, label_folded: id, config: '{}', secrets: '[]', version: 1 };
    const stamps = { created_at: '', updated_at: '', created_by: '', updated_by: '' };
    const row = { id, environment_id: environmentId, type: 'POSTGRES', ...named, ...stamps };
    await database.query.insertInto('datastores').values(row).execute();
    return id;
  }

  /** Puts in tests, one for each age in days, and an event each. @returns their ids */
  async function tests(datastoreId: string | null, ages: readonly number[], more: object = {}): Promise<string[]> {
    const rows = ages.map((days) => ({
      id: randomUUID(),
      datastore_id: datastoreId,
      environment_id: environmentId,
      ...{ type: 'POSTGRES', purpose: 'HEALTH', status: 'PASSED', is_stored: 1, requested_by: '', token_id: '' },
      ...{
        checks: '[]',
        plan: '[]',
        created_at: daysAgo(days),
        finished_at: daysAgo(days),
        deadline_at: daysAgo(days),
      },
      ...more,
    }));
    await database.query.insertInto('connection_tests').values(rows).execute();
    const events = rows.map(({ id }) => ({ test_id: id, sequence: 1, at: daysAgo(0), snapshot: '{"checks":[]}' }));
    await database.query.insertInto('test_events').values(events).execute();
    return rows.map(({ id }) => id);
  }

  /** Goes a whole round. @returns how many steps it took */
  async function round(history = new TestHistory(database, retention)): Promise<number> {
    await database.query.deleteFrom('settings').where('key', '=', 'connection_tests_removed_at').execute();
    let steps = 1;
    while (await history.removeOld()) steps += 1;
    while (await history.removeOldOfNone()) steps += 1;
    return steps;
  }

  async function kept(): Promise<Set<string>> {
    const rows = await database.query.selectFrom('connection_tests').select('id').execute();
    const events = await database.query.selectFrom('test_events').select('test_id').execute();
    expect(events.map((event) => event.test_id).sort()).toEqual(rows.map(({ id }) => id).sort());
    return new Set(rows.map(({ id }) => id));
  }

  test('are those of the last days, and the newest of each datastore', async () => {
    const busy = await tests(await datastore(), [0, 1, 2, 3, 29, 31, 60, 90]);
    const quiet = await tests(await datastore(), [0, 40, 50, 60, 70]);
    const asleep = await tests(await datastore(), [400, 401, 402]);
    const none = await tests(null, [0, 29, 31, 400]);
    await round();
    const expected = [...busy.slice(0, 5), ...quiet.slice(0, 3), ...asleep, ...none.slice(0, 2)];
    expect(await kept()).toEqual(new Set(expected));
    await round();
    expect(await kept()).toEqual(new Set(expected));
  });

  test('are all that something needs: one that runs, the last one of what is stored, one whose catalog is in use', async () => {
    const id = await datastore();
    const newest = await tests(id, [50, 51, 52], { purpose: 'CATALOG' });
    const [last = '', readId = ''] = await tests(id, [60, 61]);
    const [runs = ''] = await tests(id, [62], { status: 'RUNNING', finished_at: null });
    await tests(id, [63, 64]);
    await database.query.updateTable('datastores').set({ last_test_id: last }).where('id', '=', id).execute();
    const reading = { id: readId, datastore_id: id, entry_count: 0, size: 0 };
    await database.query.insertInto('catalog_refreshes').values(reading).execute();
    const [draft = ''] = await tests(null, [62], { status: 'RUNNING', finished_at: null });
    await round();
    expect(await kept()).toEqual(new Set([...newest, last, readId, runs, draft]));
  });

  test('are reached by the cursors of those that are gone', async () => {
    const id = await datastore();
    const all = await tests(id, [1, 2, 3, 4, 31, 32, 33]);
    const page = async (given: PageArguments) => {
      const { edges } = await listTests(database, everybody, id, null, readPageArguments(given, 'NEWEST'));
      return { ids: edges.map(({ node }) => node.id), end: edges.at(-1)?.cursor ?? null };
    };
    const { ids, end } = await page({ first: 6 });
    expect(ids).toEqual(all.slice(0, 6));
    await round();
    expect(await page({ first: 9, after: end })).toMatchObject({ ids: [] });
    expect(await page({ last: 2, before: end })).toMatchObject({ ids: all.slice(2, 4) });
  });

  test('are sought once an hour by one of all processes, and removed in small changes', async () => {
    const old: string[] = [];
    for (const count of [401, 50])
      old.push(
        ...(await tests(
          await datastore(),
          Array.from({ length: 3 + count }, (_, at) => 31 + at),
        )),
      );
    const gone = () => kept().then((left) => old.filter((id) => !left.has(id)).length);
    const [one, other] = [new TestHistory(database, retention), new TestHistory(database, retention)];
    statements.length = 0;
    expect((await Promise.all([one.removeOld(), other.removeOld()])).sort()).toEqual([false, true]);
    const removals = statements.filter((text) => text.startsWith('delete from "connection_tests"'));
    expect(removals.map((text) => [...text.matchAll(/\?|\$\d+/g)].length).sort()).toEqual([1, 200, 200, 50].sort());
    expect(await gone()).toBe(451);
    for (const history of [one, other]) while (await history.removeOld());
    expect([await one.removeOld(), await other.removeOld()]).toEqual([false, false]);
    // and nothing is amiss where two do it at once
    await tests(
      null,
      Array.from({ length: 300 }, (_, at) => 31 + at),
    );
    await Promise.all([round(one), round(other)]);
    expect(await gone()).toBe(451);
    expect((await kept()).size).toBe(6);
  });
});
