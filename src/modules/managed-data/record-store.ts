import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { ManagedRecordsTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';
import type { JsonObject } from '../data-structures/judge.ts';
import { type FieldCondition, holds } from './conditions.ts';

/** What is stored under a key. */
export interface DataRecord {
  readonly key: string;
  readonly data: JsonObject;
  /** Greater than that of every record that was put into the store before. */
  readonly version: number;
  readonly updatedAt: string;
}

/** What is known of a record without reading its data. */
export interface RecordHead {
  readonly key: string;
  /** In bytes. */
  readonly size: number;
  readonly version: number;
}

/** A record with its size in bytes. */
export interface SizedRecord extends DataRecord, RecordHead {}

/** How many records a page with conditions looks at, at most. */
export const MAX_LOOKED_AT = 2_000;
/** How many bytes of records a page looks at, at most; the first record of all, whatever its size. */
const MAX_LOOKED_AT_BYTES = 8 * 1_048_576;

function recordOf(row: ManagedRecordsTable): SizedRecord {
  const { data, updated_at, ...head } = row;
  return { ...headOf(head), data: JSON.parse(data) as JsonObject, updatedAt: updated_at };
}

function headOf({ key, size, version }: Pick<ManagedRecordsTable, 'key' | 'size' | 'version'>): RecordHead {
  return { key, size: Number(size), version: Number(version) };
}

export async function findRecord(
  database: Pick<Database, 'query'>,
  access: Access,
  datastoreId: string,
  key: string,
): Promise<SizedRecord | null> {
  const row = await database.query
    .selectFrom('managed_records')
    .innerJoin('datastores', 'datastores.id', 'managed_records.datastore_id')
    .selectAll('managed_records')
    .where('managed_records.datastore_id', '=', datastoreId)
    .where('managed_records.key', '=', key)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .executeTakeFirst();
  return row ? recordOf(row) : null;
}

/**
 * Reads a page of the records of a datastore, in the order of their keys. With conditions it looks at 2,000 of them and
 * keeps those that meet all; without, at as many as the page has. In either case it looks at no more than 8 MiB. A page
 * that ends for that may have fewer records than asked for, even none, and tells where the list goes on.
 */
export async function listRecords(
  database: Database,
  access: Access,
  datastoreId: string,
  request: PageRequest,
  conditions: readonly FieldCondition[],
): Promise<Page<DataRecord>> {
  const { after, before, backward, size } = request;
  const most = conditions.length > 0 ? MAX_LOOKED_AT : size;
  const seen = database.query
    .selectFrom('managed_records')
    .innerJoin('datastores', 'datastores.id', 'managed_records.datastore_id')
    .where('managed_records.datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .orderBy('managed_records.key', backward ? 'desc' : 'asc');
  const heads = await seen
    .select(['managed_records.key', 'managed_records.size'])
    .$if(after !== null, (list) => list.where('managed_records.key', '>', after?.[0] ?? ''))
    .$if(before !== null, (list) => list.where('managed_records.key', '<', before?.[0] ?? ''))
    .limit(most + 1)
    .execute();
  const looked = withinBytes(heads.slice(0, most));
  const [first, last] = [looked[0]?.key, looked.at(-1)?.key];
  if (first === undefined || last === undefined) return pageOf([], request, null);
  const rows = await seen
    .selectAll('managed_records')
    .where('managed_records.key', '>=', backward ? last : first)
    .where('managed_records.key', '<=', backward ? first : last)
    .execute();
  const found = rows.map(recordOf).filter(({ data }) => conditions.every((condition) => holds(condition, data)));
  const kept = found.slice(0, size);
  const isCut = found.length > size;
  const isMore = isCut || heads.length > looked.length;
  return pageOf(kept, request, isMore ? (isCut ? (kept.at(-1)?.key ?? last) : last) : null);
}

/** The first of some records, as far as they have 8 MiB together, or `most`; the first one, whatever its size. */
export function withinBytes<Head extends { readonly size: number }>(
  heads: readonly Head[],
  most = MAX_LOOKED_AT_BYTES,
): readonly Head[] {
  let bytes = 0;
  const end = heads.findIndex(({ size }, at) => {
    bytes += Number(size);
    return at > 0 && bytes > most;
  });
  return end < 0 ? heads : heads.slice(0, end);
}

/** `goesOnAfter` is the last key that was looked at; null at the end of the list. */
function pageOf(
  records: readonly DataRecord[],
  { backward, after, before }: PageRequest,
  goesOnAfter: string | null,
): Page<DataRecord> {
  const cursorOf = (key: string) => encodeCursor('KEY', [key]);
  const edges = records.map((node) => ({ cursor: cursorOf(node.key), node }));
  const boundary = goesOnAfter === null ? {} : { [backward ? 'startCursor' : 'endCursor']: cursorOf(goesOnAfter) };
  return {
    edges: backward ? edges.reverse() : edges,
    hasNextPage: backward ? before !== null : goesOnAfter !== null,
    hasPreviousPage: backward ? goesOnAfter !== null : after !== null,
    ...boundary,
  };
}

/** How much of a store is exported between two looks at whether anybody still reads: records, and their bytes. */
const EXPORTED_AT_ONCE = 500;
const EXPORTED_AT_ONCE_BYTES = 1_048_576;

/** A record as it is stored, its data as JSON. */
export interface StoredRecord {
  readonly key: string;
  readonly data: string;
}

/** Reads the next records of a datastore behind a key. `next` is where to go on; null at the end. */
export async function nextStored(
  database: Database,
  access: Access,
  datastoreId: string,
  after: string,
): Promise<{ readonly records: readonly StoredRecord[]; readonly next: string | null }> {
  const seen = database.query
    .selectFrom('managed_records')
    .innerJoin('datastores', 'datastores.id', 'managed_records.datastore_id')
    .where('managed_records.datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .where('managed_records.key', '>', after)
    .orderBy('managed_records.key');
  const heads = await seen.select(['managed_records.key', 'managed_records.size']).limit(EXPORTED_AT_ONCE).execute();
  const looked = withinBytes(heads, EXPORTED_AT_ONCE_BYTES);
  const last = looked.at(-1)?.key;
  if (last === undefined) return { records: [], next: null };
  const records = await seen
    .select(['managed_records.key', 'managed_records.data'])
    .where('managed_records.key', '<=', last)
    // more than that, where some were put meanwhile, comes next
    .limit(looked.length)
    .execute();
  return { records, next: records.length === looked.length ? (records.at(-1)?.key ?? last) : last };
}

/** Reads what is known of the records with these keys, in a store that the change has locked. */
export async function findHeads(change: Change, datastoreId: string, keys: readonly string[]): Promise<RecordHead[]> {
  if (keys.length === 0) return [];
  const rows = await change.query
    .selectFrom('managed_records')
    .select(['key', 'size', 'version'])
    .where('datastore_id', '=', datastoreId)
    .where(isOneOf('managed_records.key', keys))
    .execute();
  return rows.map(headOf);
}

/** Reads the next records behind a key, in the order of keys, in a store that the change has locked. */
export async function nextHeads(
  change: Change,
  datastoreId: string,
  after: string,
  limit: number,
): Promise<RecordHead[]> {
  const rows = await change.query
    .selectFrom('managed_records')
    .select(['key', 'size', 'version'])
    .where('datastore_id', '=', datastoreId)
    .where('key', '>', after)
    .orderBy('key')
    .limit(limit)
    .execute();
  return rows.map(headOf);
}

/** Reads records with their data, in a store that the change has locked. */
export async function readRecords(
  change: Change,
  datastoreId: string,
  keys: readonly string[],
): Promise<SizedRecord[]> {
  if (keys.length === 0) return [];
  const rows = await change.query
    .selectFrom('managed_records')
    .selectAll()
    .where('datastore_id', '=', datastoreId)
    .where(isOneOf('managed_records.key', keys))
    .orderBy('key')
    .execute();
  return rows.map(recordOf);
}

/** Stores records, each key once, in a store that the change has locked. */
export async function writeRecords(
  change: Change,
  datastoreId: string,
  records: readonly SizedRecord[],
): Promise<void> {
  if (records.length === 0) return;
  const rows = records.map(({ key, data, size, version, updatedAt }) => ({
    datastore_id: datastoreId,
    ...{ key, size, version },
    updated_at: updatedAt,
    data: JSON.stringify(data),
  }));
  await change.query
    .insertInto('managed_records')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['datastore_id', 'key']).doUpdateSet(({ ref }) => ({
        size: ref('excluded.size'),
        version: ref('excluded.version'),
        updated_at: ref('excluded.updated_at'),
        data: ref('excluded.data'),
      })),
    )
    .execute();
}

/** Deletes the records with these keys, in a store that the change has locked. */
export async function removeRecords(change: Change, datastoreId: string, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  await change.query
    .deleteFrom('managed_records')
    .where('datastore_id', '=', datastoreId)
    .where(isOneOf('managed_records.key', keys))
    .execute();
}
