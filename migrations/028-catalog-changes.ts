import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What was otherwise in a catalog than in the reading before it. Readings of an older gateway are in none. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('catalog_changes')
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('since', text, (column) => column.notNull())
    .addColumn('counts', text, (column) => column.notNull())
    .addColumn('details', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('catalog_changes_pkey', ['datastore_id', 'at'])
    .execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('catalog_changes').execute();
}
