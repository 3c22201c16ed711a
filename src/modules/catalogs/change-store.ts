import { setImmediate as immediate } from 'node:timers/promises';
import type { CatalogColumn, CatalogEntryKind } from '../../connectors/kit/contract/catalog-entry.ts';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import { type CatalogChange, ChangeCollector, type ChangeCounts, type ChangeDetails } from './changes.ts';
import { countThatFit, keysIn } from './store.ts';

/** How many entries, and how many bytes of them, are compared in one step. */
const COMPARED_ENTRIES = 1_000;
const COMPARED_SIZE = 512 * 1024;
/** How many changes of a catalog are kept. */
export const KEPT_CHANGES = 20;

/** Compares two readings of a catalog, in steps between which the event loop goes on. */
export async function compareReadings(database: Database, before: string, after: string): Promise<ChangeCollector> {
  const changes = new ChangeCollector();
  await eachStep(database, after, async (range) => {
    for (const { old, columns, ...entry } of await differing(database, range, before)) {
      if (old === null) changes.added(entry);
      else changes.kept(entry, JSON.parse(old) as CatalogColumn[], JSON.parse(columns) as CatalogColumn[]);
    }
  });
  await eachStep(database, before, async (range) => {
    for (const { old, columns: _, ...entry } of await differing(database, range, after))
      if (old === null) changes.removed(entry);
  });
  return changes;
}

/** Entries of a reading, from behind one key up to another. */
interface Step {
  readonly refreshId: string;
  readonly after: string;
  readonly last: string;
}

async function eachStep(database: Database, refreshId: string, work: (step: Step) => Promise<void>): Promise<void> {
  for (let after = ''; ; ) {
    const range = { refreshId, after, before: null };
    const keys = await keysIn(database, range).limit(COMPARED_ENTRIES).execute();
    const last = keys[countThatFit(keys, COMPARED_ENTRIES, COMPARED_SIZE) - 1]?.sort_key;
    if (last === undefined) return;
    await work({ refreshId, after, last });
    after = last;
    await immediate();
  }
}

/** The entries of a step that another reading has otherwise, or not at all: then `old` is null. */
async function differing({ query }: Database, { refreshId, after, last }: Step, other: string) {
  const rows = await query
    .selectFrom('catalog_entries as entry')
    .leftJoin('catalog_entries as other', (join) =>
      join.on('other.refresh_id', '=', other).onRef('other.sort_key', '=', 'entry.sort_key'),
    )
    .select(['entry.namespace', 'entry.name', 'entry.kind', 'entry.columns', 'other.columns as old'])
    .where('entry.refresh_id', '=', refreshId)
    .where('entry.sort_key', '>', after)
    .where('entry.sort_key', '<=', last)
    .where((eb) => eb.or([eb('other.columns', 'is', null), eb('other.columns', '<>', eb.ref('entry.columns'))]))
    .orderBy('entry.sort_key')
    .execute();
  return rows.map((row) => ({ ...row, kind: row.kind as CatalogEntryKind }));
}

/** Keeps a change of a catalog, whose datastore the caller has locked, and the newest of those before it. */
export async function insertChange(change: Change, datastoreId: string, one: CatalogChange): Promise<void> {
  const { at, since, counts, details } = one;
  await change.query
    .insertInto('catalog_changes')
    .values({ datastore_id: datastoreId, at, since, counts: JSON.stringify(counts), details: JSON.stringify(details) })
    .onConflict((conflict) => conflict.columns(['datastore_id', 'at']).doNothing())
    .execute();
  await change.query
    .deleteFrom('catalog_changes')
    .where('datastore_id', '=', datastoreId)
    .where('at', '<=', ({ selectFrom }) =>
      selectFrom('catalog_changes as newer')
        .select('newer.at')
        .where('newer.datastore_id', '=', datastoreId)
        .orderBy('newer.at', 'desc')
        .limit(1)
        .offset(KEPT_CHANGES),
    )
    .execute();
}

/** Reads the changes of the catalogs of datastores that the caller may see, each the newest first. */
export async function readChanges(
  { query }: Database,
  datastoreIds: readonly string[],
): Promise<ReadonlyMap<string, readonly CatalogChange[]>> {
  const rows = await query
    .selectFrom('catalog_changes')
    .selectAll()
    .where(isOneOf('catalog_changes.datastore_id', datastoreIds))
    .orderBy('datastore_id')
    .orderBy('at', 'desc')
    .execute();
  const ofEach = Map.groupBy(rows, (row) => row.datastore_id);
  return new Map(
    [...ofEach].map(([id, changes]) => [
      id,
      changes.map(({ at, since, counts, details }) => ({
        at,
        since,
        counts: JSON.parse(counts) as ChangeCounts,
        details: JSON.parse(details) as ChangeDetails,
      })),
    ]),
  );
}
