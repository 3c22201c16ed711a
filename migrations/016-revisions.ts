import { type Kysely, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * Each version of a datastore stays. What is stored already gets its present version, without what came before. The
 * keys of older versions' secrets stand in a table of their own, which stays small.
 */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('datastore_revisions')
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('actor', text, (column) => column.notNull())
    .addColumn('on_behalf_of', text)
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('label', text, (column) => column.notNull())
    .addColumn('description', text)
    .addColumn('owner_name', text)
    .addColumn('tags', text)
    .addColumn('tenancy', text)
    .addColumn('config', text, (column) => column.notNull())
    .addColumn('secret_paths', text, (column) => column.notNull())
    .addColumn('changes', text, (column) => column.notNull())
    .addColumn('sealed', text)
    .addPrimaryKeyConstraint('datastore_revisions_pkey', ['datastore_id', 'version'])
    .execute();
  await table('revision_keys')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('wrapped', text, (column) => column.notNull())
    .addColumn('bound_to', text, (column) => column.notNull())
    .addColumn('superseded_at', text, (column) => column.notNull())
    .addUniqueConstraint('revision_keys_datastore_id_version_key', ['datastore_id', 'version'])
    .execute();
  await index(db, 'revision_keys', ['superseded_at']);
  await sql`
    insert into datastore_revisions
      (datastore_id, version, at, actor, on_behalf_of, name, label, description, owner_name, tags, tenancy, config,
       secret_paths, changes)
    select id, version, updated_at, updated_by, updated_on_behalf_of, name, label, description, owner_name, tags, tenancy,
      config, '[]', '[]'
    from datastores`.execute(db);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('revision_keys').execute();
  await db.schema.dropTable('datastore_revisions').execute();
}
