import { type Kysely, PostgresAdapter, sql } from 'kysely';
import { index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** The tables whose `wrapped` is `v1.<id of the data key>.…`. */
const TABLES = ['secret_keys', 'revision_keys', 'webhooks'];

/**
 * A column that the database itself takes out of `wrapped` tells which data key wraps a key. So what is under a data
 * key can be found, and no data key can go while something is under it, whatever version of the gateway has written it.
 */
export async function up(db: Schema): Promise<void> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter;
  for (const table of TABLES) {
    await (isPostgres ? addToPostgres(db, table) : addToSqlite(db, table));
    await index(db, table, ['data_key_id', 'id']);
  }
  await index(db, 'data_keys', ['active', 'id']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropIndex('data_keys_active_id_idx').execute();
  for (const table of TABLES) {
    await db.schema.dropIndex(`${table}_data_key_id_id_idx`).execute();
    await db.schema.alterTable(table).dropColumn('data_key_id').execute();
  }
}

/**
 * What is in the table already is not judged (`not valid`): a row that somebody has changed by hand keeps no gateway
 * from starting. The judgement is deferred, since an environment goes together with its tests and their keys.
 */
async function addToPostgres(db: Schema, table: string): Promise<void> {
  await sql`
    alter table ${sql.table(table)}
      add column data_key_id text collate "C" generated always as (split_part(wrapped, '.', 2)) stored,
      add constraint ${sql.id(`${table}_data_key_id_fkey`)} foreign key (data_key_id) references data_keys (id)
        deferrable initially deferred not valid`.execute(db);
}

/** SQLite judges nothing of what is there either, and has the column computed where it is read. */
async function addToSqlite(db: Schema, table: string): Promise<void> {
  await sql`
    alter table ${sql.table(table)}
      add column data_key_id text generated always as (substr(wrapped, 4, instr(substr(wrapped, 4), '.') - 1)) virtual
        references data_keys (id) deferrable initially deferred`.execute(db);
}
