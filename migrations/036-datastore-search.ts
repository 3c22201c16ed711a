import { type Kysely, sql } from 'kysely';
import { createTrigger, dropTrigger, isPostgres, type Trigger } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What is searched, with two characters at its end: so that its last ones are the beginning of three as well. */
const textOf = (row: string) => `${row}.label_folded || '\n\n' || ${row}.name || '\n\n'`;
const TRIGGERS: readonly Trigger[] = [
  {
    name: 'make_datastore_search',
    table: 'datastore_facets',
    event: 'insert',
    work: `insert into datastore_search (rowid, text)
      select new.number, ${textOf('datastores')} from datastores where id = new.datastore_id`,
  },
  {
    name: 'set_datastore_search',
    table: 'datastores',
    event: 'update of label_folded, name',
    when: 'new.label_folded <> old.label_folded or new.name <> old.name',
    work: `update datastore_search set text = ${textOf('new')}
      where rowid = (select number from datastore_facets where datastore_id = new.id)`,
  },
  {
    name: 'end_datastore_search',
    table: 'datastore_facets',
    event: 'delete',
    work: 'delete from datastore_search where rowid = old.number',
  },
];

/**
 * A search looks for a part of a label or a name: an index of what stands in them, one, two and three characters at a
 * time, finds the few that may have it. The databases keep it themselves, for older versions too.
 */
export async function up(db: Schema): Promise<void> {
  await (isPostgres(db) ? indexOnPostgres(db) : indexOnSqlite(db));
}

export async function down(db: Schema): Promise<void> {
  if (isPostgres(db)) {
    await db.schema.dropIndex('datastores_search_idx').execute();
    await sql`drop function search_grams(text, text)`.execute(db);
    return;
  }
  for (const trigger of TRIGGERS) await dropTrigger(db, trigger);
  for (const table of ['datastore_search_terms', 'datastore_search']) await db.schema.dropTable(table).execute();
}

/** It keeps which row has which three characters, not where, and not the text. */
async function indexOnSqlite(db: Schema): Promise<void> {
  await sql`create virtual table datastore_search using fts5
    (text, content='', contentless_delete=1, detail=none, tokenize='trigram case_sensitive 1')`.execute(db);
  await sql`create virtual table datastore_search_terms using fts5vocab (datastore_search, instance)`.execute(db);
  await sql`insert into datastore_search (rowid, text)
    select number, ${sql.raw(textOf('datastores'))} from datastores
      join datastore_facets on datastore_facets.datastore_id = datastores.id order by number`.execute(db);
  for (const trigger of TRIGGERS) await createTrigger(db, trigger);
}

/**
 * An index of arrays needs no extension, which not every role may create, and finds one or two characters as well. Its
 * function is dear, which the planner is told: it is for the index alone.
 */
async function indexOnPostgres(db: Schema): Promise<void> {
  await sql`create function search_grams(label text, name text) returns text[]
    language plpgsql immutable strict parallel safe cost 10000 as $$
    declare
      characters text[] := string_to_array(label || E'\\n\\n' || name, null);
      grams text[] := characters;
    begin
      for at in 2 .. cardinality(characters) loop
        grams := grams || (characters[at - 1] || characters[at]);
      end loop;
      for at in 3 .. cardinality(characters) loop
        grams := grams || (characters[at - 2] || characters[at - 1] || characters[at]);
      end loop;
      return grams;
    end $$`.execute(db);
  // entries that wait in a list of their own would be looked at by each search
  await sql`create index datastores_search_idx on datastores
    using gin (search_grams(label_folded, name)) with (fastupdate = off)`.execute(db);
}
