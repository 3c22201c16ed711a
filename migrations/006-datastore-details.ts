import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

const DETAILS = ['description', 'owner_name', 'tags'];

/** Datastores get a description, an owner and tags; a test knows which version of its datastore it is of. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  for (const column of DETAILS) await db.schema.alterTable('datastores').addColumn(column, text).execute();
  await table('datastore_tags')
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('value', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('datastore_tags_pkey', ['datastore_id', 'key'])
    .execute();
  await index(db, 'datastore_tags', ['key', 'value', 'datastore_id']);
  await db.schema.alterTable('connection_tests').addColumn('datastore_version', 'integer').execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.alterTable('connection_tests').dropColumn('datastore_version').execute();
  await db.schema.dropTable('datastore_tags').execute();
  for (const column of DETAILS) await db.schema.alterTable('datastores').dropColumn(column).execute();
}
