import { type Kysely, sql } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * Each datastore's secrets, and those of each test that has not ended, get a key of their own, which dies with them.
 * What is stored already stays as it is: it is sealed anew when it is next written, or by `key upgrade`.
 */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('secret_keys')
    .addColumn('id', text, (column) => column.notNull().primaryKey())
    .addColumn('datastore_id', text, (column) => column.unique().references('datastores.id').onDelete('cascade'))
    .addColumn('test_id', text, (column) => column.unique().references('connection_tests.id').onDelete('cascade'))
    .addColumn('wrapped', text, (column) => column.notNull())
    .addColumn('bound_to', text)
    .addColumn('created_at', text, (column) => column.notNull())
    .addCheckConstraint('secret_keys_owner_check', sql`(datastore_id is null) <> (test_id is null)`)
    .execute();
}

/** @throws Error when there are secrets that an older version could not open: nothing is changed then */
export async function down(db: Schema): Promise<void> {
  const { rows } = await sql`
    select id from secret_keys
    where datastore_id is not null
      or test_id in (select id from connection_tests where draft_secrets is not null)
    limit 1`.execute(db);
  if (rows.length > 0) {
    throw new Error(
      'There are secrets that an older version cannot open, so nothing was changed: restore the backup from before the upgrade, or delete the datastores that were saved since',
    );
  }
  await db.schema.dropTable('secret_keys').execute();
}
