import { type Kysely, sql } from 'kysely';
import { createTrigger, dropTrigger, isPostgres, type Trigger } from './dialect.ts';

type Schema = Kysely<unknown>;

const NUMBER = '(select number from datastore_facets where datastore_id = new.id)';
const AT_ONCE = `update datastore_search set text = new.label_folded || '\n\n' || new.name || '\n\n'
  where rowid = ${NUMBER}`;
const LATER = `insert or ignore into search_backlog (number) values (${NUMBER})`;
const IS_LEFT = 'exists (select 1 from search_backlog)';

function onRename(name: string, work: string, condition = 'true'): Trigger {
  const when = `(new.label_folded <> old.label_folded or new.name <> old.name) and ${condition}`;
  return { name, table: 'datastores', event: 'update of label_folded, name', when, work };
}

const BEFORE = onRename('set_datastore_search', AT_ONCE);
const TRIGGERS = [
  onRename('set_datastore_search', AT_ONCE, `not ${IS_LEFT}`),
  onRename('leave_datastore_search', LATER, IS_LEFT),
];

/**
 * SQLite's index of texts writes what it has gathered whenever the next statement begins. Whoever changes several texts
 * in a transaction puts a row with the number 0 into the backlog, and what is renamed from then on comes behind it; at
 * the end these go to the index together, and the backlog is emptied. For all others, older versions too, it is empty.
 */
export async function up(db: Schema): Promise<void> {
  if (isPostgres(db)) return;
  await sql`create table search_backlog (number integer primary key) strict`.execute(db);
  await dropTrigger(db, BEFORE);
  for (const trigger of TRIGGERS) await createTrigger(db, trigger);
}

export async function down(db: Schema): Promise<void> {
  if (isPostgres(db)) return;
  for (const trigger of TRIGGERS) await dropTrigger(db, trigger);
  await createTrigger(db, BEFORE);
  await db.schema.dropTable('search_backlog').execute();
}
