import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * The processes that serve or take tests: a row each, written over and over again, so there are as many as processes.
 * Those that reach the database by a gateway have the token and the key that they have shown it.
 */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('processes')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('host', text, (column) => column.notNull())
    .addColumn('version', text, (column) => column.notNull())
    .addColumn('network', text)
    .addColumn('capacity', 'integer', (column) => column.notNull())
    .addColumn('running', 'integer', (column) => column.notNull())
    .addColumn('started_at', text, (column) => column.notNull())
    .addColumn('last_seen_at', text, (column) => column.notNull())
    .addColumn('token_id', text)
    .addColumn('public_key', text)
    .execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('processes').execute();
}
