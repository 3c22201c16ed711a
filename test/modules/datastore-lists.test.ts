import { randomUUID } from 'node:crypto';
import { CompiledQuery } from 'kysely';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Access } from '../../src/modules/access/access.ts';
import { numbered } from '../../src/modules/datastores/datastore.ts';
import { findFreeName } from '../../src/modules/datastores/free-name.ts';
import { listDatastores, orderName } from '../../src/modules/datastores/list-store.ts';
import type { DatastoreQuery } from '../../src/modules/datastores/query.ts';
import { Database } from '../../src/platform/database/database.ts';
import { type PageArguments, readPageArguments } from '../../src/platform/paging.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { describeEachDatabase, newTestDatabase } from '../support/databases.ts';

const every: Omit<DatastoreQuery, 'order'> = {
  ...{ environmentId: null, ids: null, names: null, types: null, search: null, tags: [] },
  ...{ lastTestStatus: null, health: null, inUse: null, updatedSince: null },
};
const columns = { LABEL: 'label_folded', NAME: 'name', TYPE: 'type', CREATED_AT: 'created_at' } as const;

describeEachDatabase('a list of datastores in parts', (open) => {
  const environmentIds = ['a', 'b', 'c'];
  const rows = Array.from({ length: 60 }, (_, at) => {
    const label = `l${(at * 7) % 10}`;
    return {
      ...{ id: randomUUID(), environment_id: environmentIds[at % 3] ?? '', name: `n${(at * 11) % 60}`, label },
      ...{
        label_folded: label,
        type: ['S3', 'CSV', 'MYSQL', 'POSTGRES'][(at * 5) % 4] ?? '',
        config: '{}',
        secrets: '[]',
      },
      ...{
        version: 1,
        created_at: `2026-01-01T00:00:0${at % 10}.000Z`,
        updated_at: '',
        created_by: '',
        updated_by: '',
      },
    };
  });
  let database: Database;

  beforeAll(async () => {
    ({ database } = await open());
    const stamps = { created_at: '', updated_at: '', created_by: '' };
    const environments = environmentIds.map((id) => ({ id, name: id, ...stamps }));
    await database.query.insertInto('environments').values(environments).execute();
    await database.query.insertInto('datastores').values(rows).execute();
  });

  test.each(
    (['LABEL', 'NAME', 'TYPE', 'CREATED_AT'] as const).flatMap((field) =>
      (['ASC', 'DESC'] as const).map((direction) => [field, direction] as const),
    ),
  )('has the order of the whole, by %s %s, from every cursor on and back', async (field, direction) => {
    const column = columns[field];
    const sign = direction === 'ASC' ? 1 : -1;
    for (const types of [null, ['S3'], ['S3', 'CSV', 'S3'], []])
      for (const visible of [['a'], ['a', 'b'], ['a', 'b', 'gone'], []]) {
        const access = { environmentIds: new Set(visible) } as unknown as Access;
        const query: DatastoreQuery = { ...every, types, order: { field, direction } };
        const expected = rows
          .filter((row) => visible.includes(row.environment_id) && (types?.includes(row.type) ?? true))
          .toSorted((one, other) => (`${one[column]} ${one.id}` < `${other[column]} ${other.id}` ? -sign : sign))
          .map(({ id }) => id);
        const page = async (given: PageArguments) => {
          const request = readPageArguments(given, orderName(query));
          const { edges, ...flags } = await listDatastores(database, access, query, request);
          return { ids: edges.map(({ node }) => node.id), cursors: edges.map(({ cursor }) => cursor), ...flags };
        };
        const { ids, cursors, hasNextPage } = await page({ first: 100 });
        expect(ids).toEqual(expected);
        expect(hasNextPage).toBe(false);
        expect((await page({ last: 7 })).ids).toEqual(expected.slice(-7));
        expect((await page({ first: 5, offset: 3 })).ids).toEqual(expected.slice(3, 8));
        const middle = Math.floor(expected.length / 2);
        const cursor = cursors[middle] ?? null;
        if (cursor === null) continue;
        const after = await page({ first: 4, after: cursor });
        expect(after.ids).toEqual(expected.slice(middle + 1, middle + 5));
        expect(after.hasNextPage).toBe(expected.length > middle + 5);
        expect((await page({ last: 4, before: cursor })).ids).toEqual(expected.slice(Math.max(middle - 4, 0), middle));
      }
  });
});

describe('a search on SQLite', () => {
  test.each([
    ['all', {}],
    ['an environment', { environmentId: 'a' }],
    ['a type', { types: ['S3'] }],
    ['a type in an environment', { environmentId: 'a', types: ['S3'] }],
  ])('of %s looks at labels and names in the index alone, and reads what it finds', async (_what, narrowed) => {
    const statements: string[] = [];
    const { url, remove } = await newTestDatabase('sqlite');
    const onStatement = (text: string) => void statements.push(text);
    const database = await Database.open({ url, doorbell: new LocalDoorbell(), onStatement });
    onTestFinished(async () => {
      await database.close();
      await remove();
    });
    const query = { ...every, ...narrowed, search: 'zz', order: { field: 'LABEL', direction: 'ASC' } } as const;
    const access = { environmentIds: 'all' } as unknown as Access;
    const bounds = { atOnce: -1, lookedAt: 500, sorted: 2_000, counted: 0, countedAmong: 0 };
    const request = readPageArguments({ first: 20 }, orderName(query));
    await listDatastores(database, access, query, request, undefined, bounds);
    const text = statements.at(-1) ?? '';
    const plan = CompiledQuery.raw(
      `explain query plan ${text}`,
      [...text.matchAll(/\?/g)].map(() => 'x'),
    );
    const { rows: steps } = await database.query.executeQuery<{ readonly detail: string }>(plan);
    const looked = steps.map(({ detail }) => detail).filter((detail) => /^\w+ datastores /.test(detail));
    expect(looked).toEqual([
      expect.stringMatching(/USING COVERING INDEX datastores_\w+_idx\b/),
      'SEARCH datastores USING INDEX sqlite_autoindex_datastores_1 (id=?)',
    ]);
  });
});

describe('a name that is made', () => {
  async function made(isTaken: (number: number) => boolean): Promise<{ number: number; asked: number }> {
    let asked = 0;
    const number = new Map<string, number>();
    const name = await findFreeName('sales', async (names) => {
      asked += names.length;
      const numbers = names.map((each) => Number(each.slice('sales-'.length) || 1));
      for (const [at, each] of names.entries()) number.set(each, numbers[at] ?? 0);
      return new Set(names.filter((_, at) => isTaken(numbers[at] ?? 0)));
    });
    return { number: number.get(name) ?? 0, asked };
  }

  test.each([0, 1, 2, 99, 100, 101, 199, 200, 201, 12_345, 1_000_000, 987_654_321])(
    'is the first free one behind %d that are taken, and few are asked for',
    async (taken) => {
      const { number, asked } = await made((each) => each <= taken);
      expect(number).toBe(taken + 1);
      expect(asked).toBeLessThan(700);
    },
  );

  test('fills a gap among the first, and is free wherever gaps are', async () => {
    expect((await made((each) => each !== 57 && each < 5_000)).number).toBe(57);
    const isTaken = (each: number) => each < 5_000 && each % 333 !== 0;
    const { number } = await made(isTaken);
    expect(isTaken(number)).toBe(false);
    expect(isTaken(number - 1)).toBe(true);
  });

  test('has at most 63 characters, whatever number it has', () => {
    const name = 'x'.repeat(63);
    expect(numbered(name, 1)).toBe(name);
    expect(numbered(name, 12)).toBe(`${'x'.repeat(60)}-12`);
  });
});
