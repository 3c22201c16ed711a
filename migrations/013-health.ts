import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** A datastore may be tested again and again by itself; what came of it is its health. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await db.schema.alterTable('datastores').addColumn('check_every_minutes', 'integer').execute();
  await table('datastore_health')
    .addColumn('datastore_id', text, (column) => column.primaryKey().references('datastores.id').onDelete('cascade'))
    .addColumn('status', text, (column) => column.notNull())
    .addColumn('since', text)
    .addColumn('differing', text)
    .addColumn('failures', 'integer', (column) => column.notNull())
    .addColumn('next_check_at', text)
    .addColumn('running_test_id', text)
    .addColumn('paused_reason', text)
    .execute();
  await index(db, 'datastore_health', ['next_check_at']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('datastore_health').execute();
  await db.schema.alterTable('datastores').dropColumn('check_every_minutes').execute();
}
