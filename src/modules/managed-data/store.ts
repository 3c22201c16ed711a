import type { Selectable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { ManagedStoresTable } from '../../platform/database/tables.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';

/** What a managed datastore holds, and may hold. */
export interface ManagedStore {
  readonly datastoreId: string;
  readonly dataStructureId: string | null;
  readonly maxBytes: number;
  readonly usedBytes: number;
  readonly recordCount: number;
  /** The sequence of the newest of its events; 0 where there was none. */
  readonly lastEvent: number;
}

function storeOf(row: Selectable<ManagedStoresTable>): ManagedStore {
  return {
    datastoreId: row.datastore_id,
    dataStructureId: row.data_structure_id,
    maxBytes: Number(row.max_bytes),
    usedBytes: Number(row.used_bytes),
    recordCount: Number(row.record_count),
    lastEvent: Number(row.last_event),
  };
}

/** Reads those of the stores of these datastores that the caller may see. */
export async function findStores(database: Database, access: Access, ids: readonly string[]): Promise<ManagedStore[]> {
  const rows = await database.query
    .selectFrom('managed_stores')
    .innerJoin('datastores', 'datastores.id', 'managed_stores.datastore_id')
    .selectAll('managed_stores')
    .where(isOneOf('managed_stores.datastore_id', ids))
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .execute();
  return rows.map(storeOf);
}

/** A store that is locked, and the environment of its datastore. */
export interface LockedStore extends ManagedStore {
  readonly environmentId: string;
}

/** Locks the store of a datastore that the caller may see: nobody else writes into it until the change ends. */
export async function lockStore(change: Change, access: Access, id: string): Promise<LockedStore | undefined> {
  const row = await change.query
    .selectFrom('managed_stores')
    .innerJoin('datastores', 'datastores.id', 'managed_stores.datastore_id')
    .selectAll('managed_stores')
    .select('datastores.environment_id')
    .where('managed_stores.datastore_id', '=', id)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .$if(change.kind === 'postgres', (query) => query.forUpdate('managed_stores'))
    .executeTakeFirst();
  return row && { ...storeOf(row), environmentId: row.environment_id };
}

/** Locks the stores of some datastores, which the change has locked for its caller. */
export async function lockStores(change: Change, ids: readonly string[]): Promise<ManagedStore[]> {
  const rows = await change.query
    .selectFrom('managed_stores')
    .selectAll()
    .where(isOneOf('managed_stores.datastore_id', ids))
    .orderBy('datastore_id')
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .execute();
  return rows.map(storeOf);
}

/** Locks the stores whose records have to fit a data structure, which the change has locked for its caller. */
export async function lockStoresOf(change: Change, dataStructureId: string): Promise<ManagedStore[]> {
  const rows = await change.query
    .selectFrom('managed_stores')
    .selectAll()
    .where('data_structure_id', '=', dataStructureId)
    .orderBy('datastore_id')
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .execute();
  return rows.map(storeOf);
}

/**
 * Makes the store of a new datastore, whose events are counted from `lastEvent` on, or sets what a change of its
 * datastore says. @returns the store
 */
export async function keepStore(
  change: Change,
  wanted: Pick<ManagedStore, 'datastoreId' | 'dataStructureId' | 'maxBytes'>,
  lastEvent: number,
): Promise<ManagedStore> {
  const settings = { data_structure_id: wanted.dataStructureId, max_bytes: wanted.maxBytes };
  const row = await change.query
    .insertInto('managed_stores')
    .values({ datastore_id: wanted.datastoreId, ...settings, used_bytes: 0, record_count: 0, last_event: lastEvent })
    .onConflict((conflict) => conflict.column('datastore_id').doUpdateSet(settings))
    .returningAll()
    .executeTakeFirstOrThrow();
  return storeOf(row);
}

/** Notes what a store holds now, and which was its last event. */
export async function countStore(
  change: Change,
  { datastoreId, usedBytes, recordCount, lastEvent }: Omit<ManagedStore, 'dataStructureId' | 'maxBytes'>,
): Promise<void> {
  await change.query
    .updateTable('managed_stores')
    .set({ used_bytes: usedBytes, record_count: recordCount, last_event: lastEvent })
    .where('datastore_id', '=', datastoreId)
    .execute();
}
