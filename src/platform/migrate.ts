import { type MigrationResultSet, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { migrations } from '../../migrations/index.ts';
import type { Database } from './database.ts';

/**
 * Brings the tables up to date and returns the names of the migrations that it ran. It does all of them or none; of two
 * processes that start at once, one migrates and the other waits. It rejects when the database was made by a newer
 * version.
 */
export async function migrateToLatest(database: Database): Promise<readonly string[]> {
  return namesOf(await migratorOf(database).migrateToLatest());
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
