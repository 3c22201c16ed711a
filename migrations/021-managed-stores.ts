import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * The records that the gateway keeps itself, what has happened to them, and a row for each store that is locked by
 * whoever writes into it. A record's size stands before its data: SQLite reads a row from its beginning.
 */
export async function up(db: Schema): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  await table('managed_stores')
    .addColumn('datastore_id', text, (column) =>
      column.notNull().primaryKey().references('datastores.id').onDelete('cascade'),
    )
    .addColumn('data_structure_id', text, (column) => column.references('data_structures.id').onDelete('restrict'))
    .addColumn('max_bytes', longInteger, (column) => column.notNull())
    .addColumn('used_bytes', longInteger, (column) => column.notNull())
    .addColumn('record_count', longInteger, (column) => column.notNull())
    .addColumn('last_event', longInteger, (column) => column.notNull())
    .execute();
  await index(db, 'managed_stores', ['data_structure_id']);
  await table('managed_records')
    .addColumn('datastore_id', text, (column) =>
      column.notNull().references('managed_stores.datastore_id').onDelete('cascade'),
    )
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('size', longInteger, (column) => column.notNull())
    .addColumn('version', longInteger, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addColumn('data', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('managed_records_pkey', ['datastore_id', 'key'])
    .execute();
  await table('record_events')
    .addColumn('datastore_id', text, (column) =>
      column.notNull().references('managed_stores.datastore_id').onDelete('cascade'),
    )
    .addColumn('sequence', longInteger, (column) => column.notNull())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('actor', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('record_events_pkey', ['datastore_id', 'sequence'])
    .execute();
  await index(db, 'record_events', ['at']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('record_events').execute();
  await db.schema.dropTable('managed_records').execute();
  await db.schema.dropTable('managed_stores').execute();
}
