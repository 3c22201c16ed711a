import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';

/** When the last round through all datastores was begun, by the database's clock. */
const BEGUN_KEY = 'connection_tests_removed_at';

/** Begins a round, unless one was begun in the last `everyMs`. @returns whether this process is the one that goes it */
export async function beginRound({ clock, query }: Database, everyMs: number): Promise<boolean> {
  const now = clock.timestamp();
  const begun = await query
    .insertInto('settings')
    .values({ key: BEGUN_KEY, value: now })
    .onConflict((conflict) =>
      conflict.column('key').doUpdateSet({ value: now }).where('settings.value', '<', clock.timestamp(-everyMs)),
    )
    .returning('key')
    .executeTakeFirst();
  return begun !== undefined;
}

/** A datastore, as far as it matters for which of its tests are kept. */
export interface KeptTests {
  readonly id: string;
  /** Null where it was never tested as it is stored. */
  readonly last_test_id: string | null;
  /** When its oldest test was asked for; null where it has none. */
  readonly oldest: string | null;
  /** When the oldest of its newest tests was, those that are kept however old they are; null where it has no more. */
  readonly kept_since: string | null;
}

/** Reads the next datastores behind an id, with what says whether they have a test that is not among their newest. */
export async function nextDatastores(
  { query }: Database,
  afterId: string,
  { newest, limit }: { readonly newest: number; readonly limit: number },
): Promise<KeptTests[]> {
  return query
    .selectFrom('datastores')
    .select(['datastores.id', 'last_test_id'])
    .select(({ selectFrom }) => {
      const createdAt = selectFrom('connection_tests')
        .select('connection_tests.created_at')
        .whereRef('datastore_id', '=', 'datastores.id')
        .limit(1);
      return [
        createdAt.orderBy('connection_tests.created_at').as('oldest'),
        createdAt
          .orderBy('connection_tests.created_at', 'desc')
          .offset(newest - 1)
          .as('kept_since'),
      ];
    })
    .where('datastores.id', '>', afterId)
    .orderBy('datastores.id')
    .limit(limit)
    .execute();
}

export interface OldTests {
  /** Null for those of drafts and of datastores that were deleted. */
  readonly datastoreId: string | null;
  readonly createdBefore: string;
  /** A test that stays. */
  readonly except: string | null;
  readonly limit: number;
}

/** Finds tests that have ended, the oldest first, but none by whose id a catalog is known. */
export async function findOld({ query }: Database, wanted: OldTests): Promise<string[]> {
  const rows = await query
    .selectFrom('connection_tests')
    .select('id')
    .where('datastore_id', wanted.datastoreId === null ? 'is' : '=', wanted.datastoreId)
    .where('created_at', '<', wanted.createdBefore)
    .where('finished_at', 'is not', null)
    .$if(wanted.except !== null, (select) => select.where('id', '<>', wanted.except))
    .where(({ exists, not, selectFrom }) => {
      const readings = selectFrom('catalog_refreshes').select('catalog_refreshes.id');
      return not(exists(readings.whereRef('catalog_refreshes.id', '=', 'connection_tests.id')));
    })
    // Postgres sees the order of the index in this one alone where the first column is null
    .orderBy('datastore_id')
    .orderBy('created_at')
    .limit(wanted.limit)
    .execute();
  return rows.map(({ id }) => id);
}

/** Removes tests with their events. */
export async function removeTests(change: Change, ids: readonly string[]): Promise<void> {
  await change.query.deleteFrom('connection_tests').where(isOneOf('connection_tests.id', ids)).execute();
}
