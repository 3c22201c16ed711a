import { type Kysely, PostgresAdapter, type RawBuilder, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;
type Sql = RawBuilder<unknown>;

const isPostgres = (db: Schema) => db.getExecutor().adapter instanceof PostgresAdapter;

/**
 * A store outlives its datastore until its records are removed, in steps: nobody sees one without the other. The
 * database itself abandons it, and has an older version do so too. A new datastore that is given the id finds nothing
 * of it; what is left then goes at once.
 */
export async function up(db: Schema): Promise<void> {
  if (isPostgres(db)) {
    await db.schema.alterTable('managed_stores').dropConstraint('managed_stores_datastore_id_fkey').execute();
    await db.schema
      .alterTable('managed_stores')
      .addColumn('abandoned', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
  } else await rebuild(db, 'abandonable');
  await index(db, 'managed_stores', ['abandoned', 'datastore_id']);
  const abandon = sql`update managed_stores set abandoned = 1, data_structure_id = null where datastore_id = old.id`;
  const clear = sql`delete from managed_stores where datastore_id = new.id`;
  await trigger(db, 'abandon_managed_store', sql`delete`, abandon);
  await trigger(db, 'clear_managed_store', sql`insert`, clear);
}

export async function down(db: Schema): Promise<void> {
  for (const name of ['abandon_managed_store', 'clear_managed_store']) {
    await sql`drop trigger ${sql.ref(name)} ${isPostgres(db) ? sql`on datastores` : sql``}`.execute(db);
    if (isPostgres(db)) await sql`drop function ${sql.ref(name)}()`.execute(db);
  }
  await sql`delete from managed_stores where abandoned = 1`.execute(db);
  if (!isPostgres(db)) return rebuild(db, 'tied');
  await db.schema.dropIndex('managed_stores_abandoned_datastore_id_idx').execute();
  await db.schema.alterTable('managed_stores').dropColumn('abandoned').execute();
  await db.schema
    .alterTable('managed_stores')
    .addForeignKeyConstraint('managed_stores_datastore_id_fkey', ['datastore_id'], 'datastores', ['id'])
    .onDelete('cascade')
    .execute();
}

/** Has each row of datastores that is deleted or inserted do something to its store. */
async function trigger(db: Schema, name: string, event: Sql, work: Sql): Promise<void> {
  if (!isPostgres(db))
    return void (await sql`create trigger ${sql.ref(name)} after ${event} on datastores begin ${work}; end`.execute(
      db,
    ));
  await sql`create function ${sql.ref(name)}() returns trigger language plpgsql as $$
    begin ${work}; return null; end $$`.execute(db);
  await sql`create trigger ${sql.ref(name)} after ${event} on datastores
    for each row execute function ${sql.ref(name)}()`.execute(db);
}

/** SQLite lets no foreign key go: the three tables are written anew. */
async function rebuild(db: Schema, kind: 'abandonable' | 'tied'): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  const stores = table('new_managed_stores')
    .addColumn('datastore_id', text, (column) =>
      kind === 'tied'
        ? column.notNull().primaryKey().references('datastores.id').onDelete('cascade')
        : column.notNull().primaryKey(),
    )
    .addColumn('data_structure_id', text, (column) => column.references('data_structures.id').onDelete('restrict'))
    .addColumn('max_bytes', longInteger, (column) => column.notNull())
    .addColumn('used_bytes', longInteger, (column) => column.notNull())
    .addColumn('record_count', longInteger, (column) => column.notNull())
    .addColumn('last_event', longInteger, (column) => column.notNull());
  const isAbandonable = kind === 'abandonable';
  await stores
    .$call((made) =>
      isAbandonable ? made.addColumn('abandoned', 'integer', (column) => column.notNull().defaultTo(0)) : made,
    )
    .execute();
  const owner = 'new_managed_stores.datastore_id';
  await table('new_managed_records')
    .addColumn('datastore_id', text, (column) => column.notNull().references(owner).onDelete('cascade'))
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('size', longInteger, (column) => column.notNull())
    .addColumn('version', longInteger, (column) => column.notNull())
    .addColumn('updated_at', text, (column) => column.notNull())
    .addColumn('data', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('managed_records_pkey', ['datastore_id', 'key'])
    .execute();
  await table('new_record_events')
    .addColumn('datastore_id', text, (column) => column.notNull().references(owner).onDelete('cascade'))
    .addColumn('sequence', longInteger, (column) => column.notNull())
    .addColumn('at', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('actor', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('record_events_pkey', ['datastore_id', 'sequence'])
    .execute();
  for (const [name, columns] of Object.entries(COLUMNS)) {
    const list = sql.join(columns.map((column) => sql.ref(column)));
    await sql`insert into ${sql.ref(`new_${name}`)} (${list}) select ${list} from ${sql.ref(name)}`.execute(db);
  }
  for (const name of Object.keys(COLUMNS).reverse()) await db.schema.dropTable(name).execute();
  for (const name of Object.keys(COLUMNS)) await db.schema.alterTable(`new_${name}`).renameTo(name).execute();
  await index(db, 'managed_stores', ['data_structure_id']);
  await index(db, 'record_events', ['at']);
}

/** Those that are kept, of each table, the tables in the order in which they refer to one another. */
const COLUMNS = {
  managed_stores: ['datastore_id', 'data_structure_id', 'max_bytes', 'used_bytes', 'record_count', 'last_event'],
  managed_records: ['datastore_id', 'key', 'size', 'version', 'updated_at', 'data'],
  record_events: ['datastore_id', 'sequence', 'at', 'kind', 'key', 'actor'],
};
