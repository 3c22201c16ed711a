import { type Kysely, sql } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * The id of a deleted datastore may be given to a new one of its environment, whose versions go on behind the old
 * one's. Where datastores were deleted before this, the journal says in which environment; it has at least as many
 * entries of a datastore as that had versions.
 */
export async function up(db: Schema): Promise<void> {
  const { text } = dialectOf(db);
  await db.schema.alterTable('retired_ids').addColumn('environment_id', text).execute();
  await db.schema.alterTable('retired_ids').addColumn('last_version', 'integer').execute();
  await db.schema
    .alterTable('datastores')
    .addColumn('first_version', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await sql`
    update retired_ids set
      environment_id = (
        select max(environment_id) from journal where subject_id = retired_ids.id and kind = 'DELETED'),
      last_version = (select count(*) from journal where subject_id = retired_ids.id)
    where id in (select subject_id from journal where kind = 'DELETED')`.execute(db);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.alterTable('datastores').dropColumn('first_version').execute();
  await db.schema.alterTable('retired_ids').dropColumn('last_version').execute();
  await db.schema.alterTable('retired_ids').dropColumn('environment_id').execute();
}
