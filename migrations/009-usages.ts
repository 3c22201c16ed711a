import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What depends on a datastore, by kind and name: the key that tells them apart is also the order of their list. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('datastore_usages')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('url', text)
    .addColumn('registered_at', text, (column) => column.notNull())
    .addUniqueConstraint('datastore_usages_datastore_id_kind_name_key', ['datastore_id', 'kind', 'name'])
    .execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('datastore_usages').execute();
}
