import { createHash } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  type CatalogColumn,
  type CatalogEntry,
  type CatalogEntryKind,
  catalogLimits,
} from '../../connectors/kit/contract/catalog-entry.ts';
import { type Change, type Database, isOneOf, positionFunction } from '../../platform/database/database.ts';
import type { CatalogEntriesTable, CatalogRefreshesTable, CatalogsTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';

const SEPARATOR = '\u0001';
/** The longest key of an entry, in bytes: an index of Postgres takes 2,704 in a row. */
const LONGEST_KEY = 2_000;
/** How much of a long key its hash takes, with the separator. */
const HASH_LENGTH = 44;
/** How many bytes of entries a page may have, in which case it ends early; one entry it always has. */
const PAGE_SIZE = 256 * 1024;
/** How many entries, and how many bytes of them, are removed in one step. */
const REMOVED_ENTRIES = 1_000;
const REMOVED_SIZE = 512 * 1024;
/** SQLite searches on the event loop, so it searches so many entries in one step. Postgres may search them all. */
const SEARCHED_ENTRIES = { sqlite: 1_000, postgres: catalogLimits.entries } as const;

/** Reads the catalogs in use of those of the datastores that the caller may see. */
export async function findCatalogs(
  database: Database,
  access: Access,
  datastoreIds: readonly string[],
): Promise<CatalogsTable[]> {
  return database.query
    .selectFrom('catalogs')
    .innerJoin('datastores', 'datastores.id', 'catalogs.datastore_id')
    .selectAll('catalogs')
    .where(isOneOf('catalogs.datastore_id', datastoreIds))
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .execute();
}

/** Reads a page of a catalog's entries, sorted by namespace and name. It ends early where its entries are large. */
export async function listEntries(
  database: Database,
  refreshId: string,
  search: string | null,
  request: PageRequest,
): Promise<Page<CatalogEntry>> {
  const range = { refreshId, after: request.after?.[0] ?? null, before: request.before?.[0] ?? null };
  const wanted = { search, backward: request.backward, limit: request.size + 1 };
  // a request may ask for several pages, and the event loop goes on between them
  await immediate();
  const keys = await findKeys(database, range, wanted);
  const size = countThatFit(keys, request.size, PAGE_SIZE);
  const page = toPage(keys.slice(0, size + 1), { ...request, size }, ({ sort_key }) =>
    encodeCursor('CATALOG', [sort_key]),
  );
  const rows = await database.query
    .selectFrom('catalog_entries')
    .selectAll()
    .where('refresh_id', '=', refreshId)
    .where(
      isOneOf(
        'catalog_entries.sort_key',
        page.edges.map(({ node }) => node.sort_key),
      ),
    )
    .execute();
  const entries = new Map(rows.map((row) => [row.sort_key, entryOf(row)]));
  const edges = page.edges.flatMap(({ cursor, node }) => {
    const entry = entries.get(node.sort_key);
    return entry ? [{ cursor, node: entry }] : [];
  });
  return { ...page, edges };
}

type EntryKey = Pick<CatalogEntriesTable, 'sort_key' | 'size'>;

/** Those entries of a refresh that lie between two keys, which do not count themselves. */
interface KeyRange {
  readonly refreshId: string;
  readonly after: string | null;
  readonly before: string | null;
}

interface WantedKeys {
  readonly search: string | null;
  readonly backward: boolean;
  readonly limit: number;
}

/** Finds the first keys of a range, or with `backward` the last, in steps between which the event loop goes on. */
async function findKeys(database: Database, range: KeyRange, wanted: WantedKeys): Promise<EntryKey[]> {
  const { search, backward, limit } = wanted;
  const found: EntryKey[] = [];
  for (let rest = range; ; ) {
    const end = search === null ? undefined : await endOfStep(database, rest, backward);
    const rows = await keysIn(database, rest, backward)
      .$if(end !== undefined, (query) => query.where('sort_key', backward ? '>=' : '<=', end ?? ''))
      .$if(search !== null, (query) =>
        query.where(({ eb, fn }) =>
          eb(fn<number>(positionFunction[database.kind], ['search', eb.val((search ?? '').toLowerCase())]), '>', 0),
        ),
      )
      .limit(limit - found.length)
      .execute();
    found.push(...rows);
    if (end === undefined || found.length === limit) return found;
    rest = { ...rest, [backward ? 'before' : 'after']: end };
    await immediate();
  }
}

/** The key at which a step of a search ends; undefined when it reaches the end of the range. */
async function endOfStep(database: Database, range: KeyRange, backward: boolean): Promise<string | undefined> {
  const row = await keysIn(database, range, backward)
    .limit(1)
    .offset(SEARCHED_ENTRIES[database.kind] - 1)
    .executeTakeFirst();
  return row?.sort_key;
}

/** The keys of a range, in order. */
export function keysIn({ query }: Pick<Database, 'query'>, { refreshId, after, before }: KeyRange, backward = false) {
  return query
    .selectFrom('catalog_entries')
    .select(['sort_key', 'size'])
    .where('refresh_id', '=', refreshId)
    .$if(after !== null, (keys) => keys.where('sort_key', '>', after ?? ''))
    .$if(before !== null, (keys) => keys.where('sort_key', '<', before ?? ''))
    .orderBy('sort_key', backward ? 'desc' : 'asc');
}

/** How many of the first entries, `most` at most, have `size` bytes together at most. The first one always fits. */
export function countThatFit(keys: readonly EntryKey[], most: number, size: number): number {
  let left = size;
  const first = keys.slice(0, most).findIndex((key, index) => {
    left -= key.size;
    return left < 0 && index > 0;
  });
  return first < 0 ? Math.min(keys.length, most) : first;
}

/** Begins or begins again to store what a refresh reads. @returns false when the datastore is gone */
export async function beginRefresh(change: Change, datastoreId: string, refreshId: string): Promise<boolean> {
  if (!(await lockDatastore(change, datastoreId, refreshId))) return false;
  await change.query
    .insertInto('catalog_refreshes')
    .values({ id: refreshId, datastore_id: null, entry_count: 0, size: 0 })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ size: 0 }))
    .execute();
  return true;
}

/**
 * Adds entries to a refresh; an entry that is there already stays as it is.
 * @returns false when the datastore is gone, or the refresh
 * @throws Error when the refresh has more than a catalog may have: what reads it should have left that out
 */
export async function insertEntries(
  change: Change,
  datastoreId: string,
  refreshId: string,
  entries: readonly CatalogEntry[],
): Promise<boolean> {
  if (!(await lockDatastore(change, datastoreId, refreshId))) return false;
  const refresh = await lockRefresh(change, refreshId);
  if (!refresh) return false;
  if (entries.length === 0) return true;
  const rows = entries.map((entry) => rowOf(refreshId, entry));
  const { numInsertedOrUpdatedRows = 0n } = await change.query
    .insertInto('catalog_entries')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['refresh_id', 'sort_key']).doNothing())
    .executeTakeFirstOrThrow();
  const entry_count = refresh.entry_count + Number(numInsertedOrUpdatedRows);
  const size = rows.reduce((sum, row) => sum + row.size, refresh.size);
  if (size > catalogLimits.size || entry_count > catalogLimits.entries)
    throw new Error('A catalog that is read has more than a catalog may have.');
  await change.query.updateTable('catalog_refreshes').set({ entry_count, size }).where('id', '=', refreshId).execute();
  return true;
}

/** Says which reading of a datastore's catalog is in use; undefined while none is. */
export async function findInUse({ query }: Pick<Database, 'query'>, datastoreId: string) {
  return query
    .selectFrom('catalogs')
    .select(['refresh_id as id', 'refreshed_at as at'])
    .where('datastore_id', '=', datastoreId)
    .executeTakeFirst();
}

/**
 * Makes a refresh the catalog in use. The entries of the one before stay until they are removed.
 * @param by `replaces` is the one that is in use as far as the caller knows
 * @returns false when the datastore is gone, or the refresh; 'another' when by now another one is in use
 */
export async function exchangeCatalog(
  change: Change,
  datastoreId: string,
  refreshId: string,
  { at, replaces }: { readonly at: string; readonly replaces: string | undefined },
): Promise<boolean | 'another'> {
  if (!(await lockDatastore(change, datastoreId, refreshId))) return false;
  if ((await findInUse(change, datastoreId))?.id !== replaces) return 'another';
  const refresh = await lockRefresh(change, refreshId);
  if (!refresh) return false;
  await change.query
    .updateTable('catalog_refreshes')
    .set(({ eb }) => ({ datastore_id: eb.case().when('id', '=', refreshId).then(datastoreId).else(null).end() }))
    .where(({ or, eb }) => or([eb('id', '=', refreshId), eb('datastore_id', '=', datastoreId)]))
    .execute();
  const columns = { refresh_id: refreshId, refreshed_at: at, entry_count: refresh.entry_count };
  await change.query
    .insertInto('catalogs')
    .values({ datastore_id: datastoreId, ...columns })
    .onConflict((conflict) => conflict.column('datastore_id').doUpdateSet(columns))
    .execute();
  return true;
}

/**
 * Finds refreshes that are over and whose entries nobody needs: they were never taken into use, another one is, or
 * their datastore is gone.
 */
export async function findNeedlessRefreshes(database: Database, limit: number): Promise<string[]> {
  const rows = await database.query
    .selectFrom('catalog_refreshes')
    .select('id')
    .where('datastore_id', 'is', null)
    .where(({ exists, not, selectFrom }) =>
      not(
        exists(
          selectFrom('connection_tests')
            .select('id')
            .whereRef('id', '=', 'catalog_refreshes.id')
            .where('status', 'in', ['QUEUED', 'RUNNING']),
        ),
      ),
    )
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/**
 * Removes the entries of a refresh that come first after a key, and the refresh with the last of them, unless it is the
 * catalog in use: after a crash, a refresh that had ended may be run again.
 * @param after what the step before returned: Postgres still passes over what was removed, so no step begins anew
 * @returns the last key that was removed; undefined when there is nothing more to remove
 */
export async function removeEntries(change: Change, refreshId: string, after?: string): Promise<string | undefined> {
  const refresh = await lockRefresh(change, refreshId);
  if (refresh?.datastore_id !== null) return undefined;
  const keys = await keysIn(change, { refreshId, after: after ?? null, before: null })
    .limit(REMOVED_ENTRIES)
    .execute();
  const last = keys[countThatFit(keys, REMOVED_ENTRIES, REMOVED_SIZE) - 1]?.sort_key;
  if (last === undefined) {
    await change.query.deleteFrom('catalog_refreshes').where('id', '=', refreshId).execute();
    return undefined;
  }
  await change.query
    .deleteFrom('catalog_entries')
    .where('refresh_id', '=', refreshId)
    .where('sort_key', '>', after ?? '')
    .where('sort_key', '<=', last)
    .execute();
  return last;
}

/**
 * Keeps a datastore from being deleted until the change ends, and others from changing its catalog.
 * @returns false when the datastore that the test reads is gone, whether or not another one has its id by now
 */
async function lockDatastore(change: Change, id: string, testId: string): Promise<boolean> {
  const query = change.query
    .selectFrom('datastores')
    .select('id')
    .where('id', '=', id)
    .where(({ exists, selectFrom }) => {
      const test = selectFrom('connection_tests')
        .select('connection_tests.id')
        .where('connection_tests.id', '=', testId);
      return exists(test.whereRef('connection_tests.datastore_id', '=', 'datastores.id'));
    });
  const row = await (change.kind === 'postgres' ? query.forNoKeyUpdate() : query).executeTakeFirst();
  return row !== undefined;
}

/** Reads a refresh, and keeps others from adding to it, taking it into use or removing it until the change ends. */
async function lockRefresh(change: Change, id: string): Promise<CatalogRefreshesTable | undefined> {
  const query = change.query.selectFrom('catalog_refreshes').selectAll().where('id', '=', id);
  return (change.kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
}

function rowOf(refreshId: string, entry: CatalogEntry): CatalogEntriesTable {
  const { namespace, name, kind } = entry;
  const columns = JSON.stringify(entry.columns);
  const search = `${namespace ?? ''}.${name}`.toLowerCase();
  return {
    refresh_id: refreshId,
    sort_key: sortKeyOf(entry),
    size: Buffer.byteLength(search) + Buffer.byteLength(columns),
    namespace,
    name,
    kind,
    readable: entry.readable == null ? null : Number(entry.readable),
    search,
    columns,
  };
}

/** The order of an entry. Of a key that would be too long the end is told apart by its hash alone. */
function sortKeyOf({ namespace, name, kind }: CatalogEntry): string {
  const key = [namespace ?? '', name, kind].join(SEPARATOR);
  if (Buffer.byteLength(key) <= LONGEST_KEY) return key;
  const beginning = Buffer.from(key)
    .toString('utf8', 0, LONGEST_KEY - HASH_LENGTH)
    .replace(/\ufffd+$/, '');
  return `${beginning}${SEPARATOR}${createHash('sha256').update(key).digest('base64url')}`;
}

function entryOf(row: CatalogEntriesTable): CatalogEntry {
  return {
    namespace: row.namespace,
    name: row.name,
    kind: row.kind as CatalogEntryKind,
    readable: row.readable === null ? null : row.readable === 1,
    columns: JSON.parse(row.columns) as CatalogColumn[],
  };
}
