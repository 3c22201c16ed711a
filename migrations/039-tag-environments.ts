import { type Kysely, sql } from 'kysely';
import { createTrigger, dialectOf, dropTrigger, holdWrites, isPostgres, type Trigger } from './dialect.ts';

type Schema = Kysely<unknown>;

/** An older version beside this one knows no environment of a tag. */
const SET_ENVIRONMENT: Trigger = {
  name: 'set_tag_environment',
  table: 'datastore_tags',
  event: 'insert',
  when: 'new.environment_id is null',
  work: `update datastore_tags set environment_id = (select environment_id from datastores where id = new.datastore_id)
    where datastore_id = new.datastore_id and key = new.key`,
};

/**
 * A tag says in which environment its datastore is: what has it in one of them is one seek, however many have it in
 * others.
 */
export async function up(db: Schema): Promise<void> {
  await rewrite(db, true, [
    ['key', 'value', 'environment_id', 'datastore_id'],
    ['key', 'environment_id', 'datastore_id'],
  ]);
  await createTrigger(db, SET_ENVIRONMENT);
}

export async function down(db: Schema): Promise<void> {
  await dropTrigger(db, SET_ENVIRONMENT);
  await rewrite(db, false, [['key', 'value', 'datastore_id']]);
}

/** Writes the tags anew in a table of their own: meanwhile they can be read, as a table that gets a column cannot. */
async function rewrite(db: Schema, hasEnvironment: boolean, indexes: readonly string[][]): Promise<void> {
  const { text, table } = dialectOf(db);
  await holdWrites(db, 'datastore_tags');
  await table('new_datastore_tags')
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('value', text, (column) => column.notNull())
    .$call((made) => (hasEnvironment ? made.addColumn('environment_id', text) : made))
    .addPrimaryKeyConstraint('new_datastore_tags_pkey', ['datastore_id', 'key'])
    .execute();
  const [column, from] = hasEnvironment
    ? [sql`, environment_id`, sql`join datastores on datastores.id = datastore_id`]
    : [sql``, sql``];
  await sql`insert into new_datastore_tags (datastore_id, key, value ${column})
    select datastore_id, key, value ${column} from datastore_tags ${from}`.execute(db);
  for (const columns of indexes)
    await db.schema
      .createIndex(['datastore_tags', ...columns, 'idx'].join('_'))
      .on('new_datastore_tags')
      .columns(columns)
      .execute();
  await db.schema.dropTable('datastore_tags').execute();
  await db.schema.alterTable('new_datastore_tags').renameTo('datastore_tags').execute();
  if (!isPostgres(db)) return;
  for (const name of ['datastore_tags_pkey', 'datastore_tags_datastore_id_fkey'])
    await sql`alter table datastore_tags rename constraint ${sql.ref(`new_${name}`)} to ${sql.ref(name)}`.execute(db);
  await sql`analyze datastore_tags`.execute(db);
}
