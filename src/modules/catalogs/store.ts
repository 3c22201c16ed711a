import type { CatalogColumn, CatalogEntry, CatalogEntryKind } from '../../connectors/kit/contract/catalog-entry.ts';
import { type Change, type Database, isOneOf, positionFunction } from '../../platform/database.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { CatalogEntriesTable, CatalogsTable } from '../../platform/tables.ts';
import type { Access } from '../access/access.ts';
import { whereVisible } from '../access/visibility.ts';

const SEPARATOR = '\u0001';
/** A row binds eight values, so this is far below what a statement may bind on SQLite (32,766) or Postgres (65,535). */
const ROWS_IN_ONE_STATEMENT = 500;

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
    .where(whereVisible(access, 'datastores.environment_id'))
    .execute();
}

/** Reads a page of a catalog's entries, sorted by namespace and name. */
export async function listEntries(
  database: Database,
  refreshId: string,
  search: string | null,
  request: PageRequest,
): Promise<Page<CatalogEntry>> {
  const direction = request.backward ? 'desc' : 'asc';
  const { after, before } = request;
  const rows = await database.query
    .selectFrom('catalog_entries')
    .selectAll()
    .where('refresh_id', '=', refreshId)
    .$if(search !== null, (query) =>
      query.where(({ eb, fn }) =>
        eb(fn<number>(positionFunction[database.kind], ['search', eb.val((search ?? '').toLowerCase())]), '>', 0),
      ),
    )
    .$if(after !== null, (query) => query.where('sort_key', '>', after?.[0] ?? ''))
    .$if(before !== null, (query) => query.where('sort_key', '<', before?.[0] ?? ''))
    .orderBy('sort_key', direction)
    .limit(request.size + 1)
    .execute();
  const page = toPage(rows, request, (row) => encodeCursor('CATALOG', [row.sort_key]));
  return { ...page, edges: page.edges.map(({ cursor, node }) => ({ cursor, node: entryOf(node) })) };
}

/**
 * Adds entries to a refresh; an entry that is there already stays as it is. @returns false when the datastore is gone
 */
export async function insertEntries(
  change: Change,
  refreshId: string,
  datastoreId: string,
  entries: readonly CatalogEntry[],
): Promise<boolean> {
  if (!(await lockDatastore(change, datastoreId, 'add'))) return false;
  for (let from = 0; from < entries.length; from += ROWS_IN_ONE_STATEMENT) {
    const rows = entries.slice(from, from + ROWS_IN_ONE_STATEMENT).map((entry) => rowOf(refreshId, datastoreId, entry));
    await change.query
      .insertInto('catalog_entries')
      .values(rows)
      .onConflict((conflict) => conflict.columns(['refresh_id', 'sort_key']).doNothing())
      .execute();
  }
  return true;
}

/**
 * Removes the entries of a refresh, unless they are the catalog in use: after a crash, a refresh that had ended may be
 * run again.
 */
export async function deleteEntries(change: Change, datastoreId: string, refreshId: string): Promise<void> {
  await change.query
    .deleteFrom('catalog_entries')
    .where('refresh_id', '=', refreshId)
    .where(({ eb, selectFrom }) =>
      eb('refresh_id', 'not in', selectFrom('catalogs').select('refresh_id').where('datastore_id', '=', datastoreId)),
    )
    .execute();
}

/** Removes what refreshes that nobody runs any more left behind, and keeps the catalog in use. */
export async function deleteLeftovers(change: Change, datastoreId: string): Promise<void> {
  await change.query
    .deleteFrom('catalog_entries')
    .where('datastore_id', '=', datastoreId)
    .where(({ eb, selectFrom }) =>
      eb('refresh_id', 'not in', selectFrom('catalogs').select('refresh_id').where('datastore_id', '=', datastoreId)),
    )
    .where(({ eb, selectFrom }) =>
      eb(
        'refresh_id',
        'not in',
        selectFrom('connection_tests').select('id').where('status', 'in', ['QUEUED', 'RUNNING']),
      ),
    )
    .execute();
}

/**
 * Makes a refresh the catalog in use, and leaves alone what other refreshes are reading.
 * @returns false when the datastore is gone
 */
export async function exchangeCatalog(
  change: Change,
  datastoreId: string,
  refreshId: string,
  at: string,
): Promise<boolean> {
  // when two refreshes end at once, the second one finds the first one's catalog
  if (!(await lockDatastore(change, datastoreId, 'exchange'))) return false;
  const before = await change.query
    .selectFrom('catalogs')
    .select('refresh_id')
    .where('datastore_id', '=', datastoreId)
    .executeTakeFirst();
  const { count } = await change.query
    .selectFrom('catalog_entries')
    .select(({ fn }) => fn.countAll().as('count'))
    .where('refresh_id', '=', refreshId)
    .executeTakeFirstOrThrow();
  const columns = { refresh_id: refreshId, refreshed_at: at, entry_count: Number(count) };
  await change.query
    .insertInto('catalogs')
    .values({ datastore_id: datastoreId, ...columns })
    .onConflict((conflict) => conflict.column('datastore_id').doUpdateSet(columns))
    .execute();
  if (before) await deleteEntries(change, datastoreId, before.refresh_id);
  return true;
}

/**
 * Keeps a datastore from being deleted until the change ends. For an exchange, other exchanges wait as well.
 * @returns false when the datastore is gone already
 */
async function lockDatastore(change: Change, id: string, purpose: 'add' | 'exchange'): Promise<boolean> {
  const query = change.query.selectFrom('datastores').select('id').where('id', '=', id);
  if (change.kind === 'sqlite') return (await query.executeTakeFirst()) !== undefined;
  const locking = purpose === 'add' ? query.forKeyShare() : query.forNoKeyUpdate();
  return (await locking.executeTakeFirst()) !== undefined;
}

function rowOf(refreshId: string, datastoreId: string, entry: CatalogEntry): CatalogEntriesTable {
  const { namespace, name, kind } = entry;
  return {
    refresh_id: refreshId,
    sort_key: [namespace ?? '', name, kind].join(SEPARATOR),
    datastore_id: datastoreId,
    namespace,
    name,
    kind,
    columns: JSON.stringify(entry.columns),
    search: `${namespace ?? ''}.${name}`.toLowerCase(),
  };
}

function entryOf(row: CatalogEntriesTable): CatalogEntry {
  return {
    namespace: row.namespace,
    name: row.name,
    kind: row.kind as CatalogEntryKind,
    columns: JSON.parse(row.columns) as CatalogColumn[],
  };
}
