import type { Change, Database } from '../../platform/database/database.ts';

/**
 * How far the removal of an abandoned store has come. Postgres passes over what was removed: the next is sought from
 * here.
 */
export interface Removed {
  readonly datastoreId: string;
  /** The last key, and the last sequence of an event. */
  readonly key: string;
  readonly sequence: number;
}

/** Whether a store is there whose datastore was deleted. */
export async function isAbandoned({ query }: Database, datastoreId: string): Promise<boolean> {
  const row = await query
    .selectFrom('managed_stores')
    .select('datastore_id')
    .where('datastore_id', '=', datastoreId)
    .where('abandoned', '=', 1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Locks the store of a datastore that was deleted. @returns false where there is none */
export async function lockAbandoned({ kind, query }: Change, datastoreId: string): Promise<boolean> {
  const row = await query
    .selectFrom('managed_stores')
    .select('datastore_id')
    .where('datastore_id', '=', datastoreId)
    .where('abandoned', '=', 1)
    .$if(kind === 'postgres', (select) => select.forUpdate())
    .executeTakeFirst();
  return row !== undefined;
}

/** Locks a store whose datastore was deleted, and that nobody else removes. */
export async function lockNextAbandoned({ kind, query }: Change): Promise<string | undefined> {
  const row = await query
    .selectFrom('managed_stores')
    .select('datastore_id')
    .where('abandoned', '=', 1)
    .orderBy('datastore_id')
    .limit(1)
    .$if(kind === 'postgres', (select) => select.forUpdate().skipLocked())
    .executeTakeFirst();
  return row?.datastore_id;
}

/**
 * Removes the next records and events of a store that the change has locked, up to `limit` of each; behind the last
 * ones the store itself.
 * @returns how far it has come; null when nothing is left
 */
export async function removeNext(change: Change, from: Removed, limit: number): Promise<Removed | null> {
  const { datastoreId } = from;
  const keys = await removeNextRecords(change, from, limit);
  const sequences = await removeNextEvents(change, from, limit);
  if (keys.length === limit || sequences.length === limit)
    return { datastoreId, key: keys.at(-1) ?? from.key, sequence: sequences.at(-1) ?? from.sequence };
  await change.query.deleteFrom('managed_stores').where('datastore_id', '=', datastoreId).execute();
  return null;
}

async function removeNextRecords(
  { query }: Change,
  { datastoreId, key: after }: Removed,
  limit: number,
): Promise<string[]> {
  const rows = await query
    .selectFrom('managed_records')
    .select('key')
    .where('datastore_id', '=', datastoreId)
    .where('key', '>', after)
    .orderBy('key')
    .limit(limit)
    .execute();
  const last = rows.at(-1)?.key;
  if (last === undefined) return [];
  await query
    .deleteFrom('managed_records')
    .where('datastore_id', '=', datastoreId)
    .where('key', '>', after)
    .where('key', '<=', last)
    .execute();
  return rows.map(({ key }) => key);
}

async function removeNextEvents(
  { query }: Change,
  { datastoreId, sequence: after }: Removed,
  limit: number,
): Promise<number[]> {
  const rows = await query
    .selectFrom('record_events')
    .select('sequence')
    .where('datastore_id', '=', datastoreId)
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute();
  const last = rows.at(-1)?.sequence;
  if (last === undefined) return [];
  await query
    .deleteFrom('record_events')
    .where('datastore_id', '=', datastoreId)
    .where('sequence', '>', after)
    .where('sequence', '<=', last)
    .execute();
  return rows.map(({ sequence }) => Number(sequence));
}
