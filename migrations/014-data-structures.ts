import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What the records of managed datastores look like, by environment and name. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('data_structures')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('strict', 'integer', (column) => column.notNull())
    .addColumn('fields', text, (column) => column.notNull())
    .addUniqueConstraint('data_structures_environment_id_name_key', ['environment_id', 'name'])
    .execute();
  // the list over several environments is in the order of the names
  await db.schema.createIndex('data_structures_name_id_idx').on('data_structures').columns(['name', 'id']).execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('data_structures').execute();
}
