import { sql } from 'kysely';
import { type MigrationResultSet, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { migrations } from '../../migrations/index.ts';
import type { Database } from './database.ts';

const VACUUMED_KEY = 'vacuumed_at';

/**
 * Brings the tables up to date and returns the names of the migrations that it ran. It does all of them or none; of two
 * processes that start at once, one migrates and the other waits. It rejects when the database was made by a newer
 * version.
 */
export async function migrateToLatest(database: Database): Promise<readonly string[]> {
  return namesOf(await migratorOf(database).migrateToLatest());
}

/**
 * Takes out of a SQLite file what was deleted in it before deleted bytes were overwritten: once in a database's life.
 * It needs as much free disk space as the database has, and is tried again at the next start when it rejects.
 */
export async function vacuumOnce(database: Database): Promise<void> {
  if (database.kind !== 'sqlite') return;
  const { query } = database;
  const done = await query.selectFrom('settings').select('key').where('key', '=', VACUUMED_KEY).executeTakeFirst();
  if (done) return;
  await sql`vacuum`.execute(query);
  await sql`pragma wal_checkpoint(truncate)`.execute(query);
  await query
    .insertInto('settings')
    .values({ key: VACUUMED_KEY, value: database.clock.timestamp() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
}

/** Removes every table, with what is in it. */
export async function migrateDown(database: Database): Promise<readonly string[]> {
  return namesOf(await migratorOf(database).migrateTo(NO_MIGRATIONS));
}

function migratorOf(database: Database): Migrator {
  return new Migrator({ db: database.query, provider: { getMigrations: async () => ({ ...migrations }) } });
}

function namesOf({ error, results = [] }: MigrationResultSet): readonly string[] {
  if (error !== undefined) throw new Error('The database could not be migrated', { cause: error });
  return results.map((result) => result.migrationName);
}
