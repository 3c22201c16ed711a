import { type Kysely, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * Gives each reading of a catalog a row, so that its entries can be removed in steps when nobody needs them any
 * more, also after its datastore has gone. An entry knows its size, and its columns come last, so that a search
 * reads none of them.
 */
export async function up(db: Schema): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  await table('catalog_refreshes')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.references('datastores.id').onDelete('set null'))
    .addColumn('entry_count', 'integer', (column) => column.notNull())
    .addColumn('size', longInteger, (column) => column.notNull())
    .execute();
  await index(db, 'catalog_refreshes', ['datastore_id']);
  await index(db, 'catalogs', ['refresh_id']);
  await table('catalog_entries_in_use')
    .addColumn('refresh_id', text, (column) => column.notNull().references('catalog_refreshes.id').onDelete('restrict'))
    .addColumn('sort_key', text, (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('namespace', text)
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('search', text, (column) => column.notNull())
    .addColumn('columns', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('catalog_entries_key', ['refresh_id', 'sort_key'])
    .execute();
  await sql`
    insert into catalog_refreshes (id, datastore_id, entry_count, size)
    select refresh_id, datastore_id, entry_count, 0 from catalogs`.execute(db);
  await sql`
    insert into catalog_entries_in_use (refresh_id, sort_key, size, namespace, name, kind, search, columns)
    select refresh_id, sort_key, octet_length(search) + octet_length(columns), namespace, name, kind, search, columns
    from catalog_entries
    where refresh_id in (select id from catalog_refreshes)
      and length(name) <= 1024 and length(coalesce(namespace, '')) <= 1024`.execute(db);
  await db.schema.dropTable('catalog_entries').execute();
  await db.schema.alterTable('catalog_entries_in_use').renameTo('catalog_entries').execute();
  await sql`
    update catalogs set entry_count =
      (select count(*) from catalog_entries where catalog_entries.refresh_id = catalogs.refresh_id)`.execute(db);
}

export async function down(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('catalog_entries_before')
    .addColumn('refresh_id', text, (column) => column.notNull())
    .addColumn('sort_key', text, (column) => column.notNull())
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('namespace', text)
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('columns', text, (column) => column.notNull())
    .addColumn('search', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('catalog_entries_pkey', ['refresh_id', 'sort_key'])
    .execute();
  await sql`
    insert into catalog_entries_before
      (refresh_id, sort_key, datastore_id, namespace, name, kind, columns, search)
    select refresh_id, sort_key, datastore_id, namespace, name, kind, columns, search
    from catalog_entries join catalog_refreshes on id = refresh_id
    where datastore_id is not null`.execute(db);
  await db.schema.dropTable('catalog_entries').execute();
  await db.schema.alterTable('catalog_entries_before').renameTo('catalog_entries').execute();
  await index(db, 'catalog_entries', ['datastore_id']);
  await db.schema.dropIndex('catalogs_refresh_id_idx').execute();
  await db.schema.dropTable('catalog_refreshes').execute();
}
