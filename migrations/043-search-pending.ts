import { type Kysely, sql } from 'kysely';
import { isPostgres } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * Has Postgres gather what changes of texts write to their index, and write it there for some hundred of them at once:
 * most of their terms are the same. Searches read what is gathered besides, which is kept so short that they take a
 * hundredth longer.
 */
export async function up(db: Schema): Promise<void> {
  if (!isPostgres(db)) return;
  await sql`alter index datastore_search_terms_idx
    set (fastupdate = on, gin_pending_list_limit = 64)`.execute(db);
}

/** What is gathered by then is found as before, and goes to the index when the table is vacuumed. */
export async function down(db: Schema): Promise<void> {
  if (!isPostgres(db)) return;
  await sql`alter index datastore_search_terms_idx reset (gin_pending_list_limit)`.execute(db);
  await sql`alter index datastore_search_terms_idx set (fastupdate = off)`.execute(db);
}
