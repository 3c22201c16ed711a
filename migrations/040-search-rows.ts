import { type Kysely, sql } from 'kysely';
import { createTrigger, dialectOf, dropTrigger, holdWrites, isPostgres, type Trigger } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What is searched, with two characters at its end: so that its last ones are the beginning of three as well. */
const textOf = (row: string) => `${row}.label_folded || E'\\n\\n' || ${row}.name || E'\\n\\n'`;
const TRIGGERS: readonly Trigger[] = [
  {
    name: 'make_datastore_search',
    table: 'datastores',
    event: 'insert',
    work: `insert into datastore_search (datastore_id, environment_id, text)
      values (new.id, new.environment_id, ${textOf('new')})`,
  },
  {
    name: 'set_datastore_search',
    table: 'datastores',
    event: 'update of label_folded, name',
    when: 'new.label_folded <> old.label_folded or new.name <> old.name',
    work: `update datastore_search set text = ${textOf('new')} where datastore_id = new.id`,
  },
];

/**
 * On Postgres each change of a row that changes a column of an index writes to all of the row's indexes: that of texts,
 * which took four fifths of such a change, gets rows of its own, which change with label and name alone. It knows the
 * environment as well, and three characters at a time: one or two are the beginning of these.
 */
export async function up(db: Schema): Promise<void> {
  if (!isPostgres(db)) return;
  const { text, table } = dialectOf(db);
  await holdWrites(db, 'datastores');
  await sql`create function search_terms(environment_id text, content text) returns tsvector
    language plpgsql immutable strict parallel safe cost 10000 as $$
    declare
      characters text[] := string_to_array(content, null);
      -- no three characters are as long
      terms text[] := array[E'\\n\\n\\n' || environment_id];
    begin
      for at in 3 .. cardinality(characters) loop
        terms := terms || (characters[at - 2] || characters[at - 1] || characters[at]);
      end loop;
      return array_to_tsvector(terms);
    end $$`.execute(db);
  await table('datastore_search')
    .addColumn('datastore_id', text, (column) => column.primaryKey().references('datastores.id').onDelete('cascade'))
    .addColumn('environment_id', text, (column) => column.notNull())
    .addColumn('text', text, (column) => column.notNull())
    .execute();
  await sql`insert into datastore_search (datastore_id, environment_id, text)
    select id, environment_id, ${sql.raw(textOf('datastores'))} from datastores`.execute(db);
  // entries that wait in a list of their own would be looked at by each search
  await sql`create index datastore_search_terms_idx on datastore_search
    using gin (search_terms(environment_id, text)) with (fastupdate = off)`.execute(db);
  // a search goes by which terms are rare
  await sql`analyze datastore_search`.execute(db);
  for (const trigger of TRIGGERS) await createTrigger(db, trigger);
  await db.schema.dropIndex('datastores_search_idx').execute();
}

export async function down(db: Schema): Promise<void> {
  if (!isPostgres(db)) return;
  await sql`create index datastores_search_idx on datastores
    using gin (search_grams(label_folded, name)) with (fastupdate = off)`.execute(db);
  for (const trigger of TRIGGERS) await dropTrigger(db, trigger);
  await db.schema.dropTable('datastore_search').execute();
  await sql`drop function search_terms(text, text)`.execute(db);
}
