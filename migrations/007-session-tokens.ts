import { type Kysely, sql } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** The columns that say for whom something was done, besides those with the token's name. */
const ON_BEHALF_OF = [
  ['api_tokens', 'on_behalf_of'],
  ['datastores', 'created_on_behalf_of'],
  ['datastores', 'updated_on_behalf_of'],
  ['connection_tests', 'requested_on_behalf_of'],
  ['journal', 'on_behalf_of'],
] as const;

/** A token may have short-lived ones for browsers, which end with it and act on behalf of somebody. */
export async function up(db: Schema): Promise<void> {
  const { text } = dialectOf(db);
  await db.schema
    .alterTable('api_tokens')
    .addColumn('parent_id', text, (column) => column.references('api_tokens.id').onDelete('cascade'))
    .execute();
  for (const [table, column] of ON_BEHALF_OF) await db.schema.alterTable(table).addColumn(column, text).execute();
  await index(db, 'api_tokens', ['parent_id']);
  // those that have expired are removed, and lasting tokens never stand in the way
  await sql`
    create index api_tokens_session_expires_at_idx on api_tokens (expires_at)
    where parent_id is not null`.execute(db);
}

/** An older version knows nothing of parents: it would take a session token for a lasting one, so all of them end. */
export async function down(db: Schema): Promise<void> {
  await sql`delete from api_tokens where parent_id is not null`.execute(db);
  await db.schema.dropIndex('api_tokens_session_expires_at_idx').execute();
  await db.schema.dropIndex('api_tokens_parent_id_idx').execute();
  for (const [table, column] of ON_BEHALF_OF) await db.schema.alterTable(table).dropColumn(column).execute();
  await db.schema.alterTable('api_tokens').dropColumn('parent_id').execute();
}
