import { type Kysely, sql } from 'kysely';
import { createTrigger, dialectOf, dropTrigger, holdWrites, type Trigger } from './dialect.ts';

/**
 * On Postgres they wait for the end of the change, which then has the journal of the environment: nobody waits for a
 * count who would not have waited for that anyway.
 */
const TRIGGERS: readonly Trigger[] = [
  {
    name: 'count_datastore',
    table: 'datastores',
    event: 'insert',
    isDeferred: true,
    work: `insert into datastore_counts (environment_id, type, count) values (new.environment_id, new.type, 1)
      on conflict (environment_id, type) do update set count = datastore_counts.count + 1`,
  },
  {
    name: 'uncount_datastore',
    table: 'datastores',
    event: 'delete',
    isDeferred: true,
    work: 'update datastore_counts set count = count - 1 where environment_id = old.environment_id and type = old.type',
  },
];

/**
 * How many datastores there are is known without counting them. The database itself keeps it, for older versions too.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  await holdWrites(db, 'datastores');
  await table('datastore_counts')
    .addColumn('environment_id', text, (column) => column.notNull().references('environments.id').onDelete('cascade'))
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('count', longInteger, (column) => column.notNull())
    .addPrimaryKeyConstraint('datastore_counts_pkey', ['environment_id', 'type'])
    .execute();
  await sql`insert into datastore_counts (environment_id, type, count)
    select environment_id, type, count(*) from datastores group by environment_id, type`.execute(db);
  for (const trigger of TRIGGERS) await createTrigger(db, trigger);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const trigger of TRIGGERS) await dropTrigger(db, trigger);
  await db.schema.dropTable('datastore_counts').execute();
}
