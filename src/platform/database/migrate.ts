import { sql } from 'kysely';
import { DEFAULT_MIGRATION_TABLE, type MigrationResultSet, Migrator, NO_MIGRATIONS } from 'kysely/migration';
import { migrations } from '../../../migrations/index.ts';
import type { Database } from './database.ts';

const VACUUMED_KEY = 'vacuumed_at';
/** The setting by which a migration says how new a program has to be: the last migration that it knows, at least. */
export const OLDEST_KEY = 'oldest_migration';
const LAST_KNOWN = Object.keys(migrations).at(-1) ?? '';

/**
 * Brings the tables up to date and returns the names of the migrations that it ran. It does all of them or none; of two
 * processes that start at once, one migrates and the other waits. Tables of a newer version are left as they are, for
 * it has kept what this one reads and writes: `onNewer` gets the names of its migrations. It rejects when a newer
 * version has said that this one is too old.
 */
export async function migrateToLatest(
  database: Database,
  onNewer: (names: readonly string[]) => void = () => undefined,
): Promise<readonly string[]> {
  for (;;) {
    const newer = await newerMigrations(database);
    const known = { ...migrations, ...Object.fromEntries(newer.map((name) => [name, { up: async () => undefined }])) };
    const migrator = new Migrator({ db: database.query, provider: { getMigrations: async () => known } });
    const result = await migrator.migrateToLatest();
    // a newer version may have come in between
    if (result.error !== undefined && (await newerMigrations(database)).length > newer.length) continue;
    if (newer.length > 0) onNewer(newer);
    return namesOf(result);
  }
}

/** Whether the database was ever migrated. */
export async function isMigrated({ query }: Database): Promise<boolean> {
  const tables = await query.introspection.getTables({ withInternalKyselyTables: true });
  return tables.some(({ name }) => name === DEFAULT_MIGRATION_TABLE);
}

/** The migrations of a newer version that were run already. */
async function newerMigrations(database: Database): Promise<readonly string[]> {
  const { query } = database;
  if (!(await isMigrated(database))) return [];
  const { rows } = await sql<{
    name: string;
  }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)} order by name`.execute(query);
  const newer = rows.map(({ name }) => name).filter((name) => name > LAST_KNOWN);
  if (newer.length === 0) return [];
  const oldest = await query.selectFrom('settings').select('value').where('key', '=', OLDEST_KEY).executeTakeFirst();
  if (oldest && oldest.value > LAST_KNOWN)
    throw notMigrated(
      new Error(`A newer version has changed its tables (${newer.join(', ')}): this one is too old for them`),
    );
  return newer;
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
  if (error !== undefined) throw notMigrated(error);
  return results.map((result) => result.migrationName);
}

function notMigrated(cause: unknown): Error {
  return new Error('The database could not be migrated', { cause });
}
