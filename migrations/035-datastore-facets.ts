import { type Kysely, sql } from 'kysely';
import { createTrigger, dialectOf, dropTrigger, holdWrites, index, isPostgres, type Trigger } from './dialect.ts';

const FACETS = ['last_test_status', 'health', 'in_use'];
const STATUS = '(select status from connection_tests where connection_tests.id = new.last_test_id)';
const setOf = (assignment: string, row: 'new' | 'old') =>
  `update datastore_facets set ${assignment} where datastore_id = ${row}.datastore_id`;

const TRIGGERS: readonly Trigger[] = [
  {
    name: 'make_datastore_facets',
    table: 'datastores',
    event: 'insert',
    work: `insert into datastore_facets (datastore_id, environment_id, last_test_status)
      values (new.id, new.environment_id, ${STATUS})`,
  },
  {
    name: 'set_last_test_facet',
    table: 'datastores',
    event: 'update of last_test_id',
    when: 'new.last_test_id is not null',
    work: `update datastore_facets set last_test_status = ${STATUS} where datastore_id = new.id`,
  },
  {
    name: 'set_test_status_facet',
    table: 'connection_tests',
    event: 'update of status',
    when: 'new.status <> old.status and new.datastore_id is not null',
    work: `${setOf('last_test_status = new.status', 'new')}
      and exists (select 1 from datastores where id = new.datastore_id and last_test_id = new.id)`,
  },
  ...['insert', 'update of status'].map((event) => ({
    name: `${event === 'insert' ? 'make' : 'set'}_health_facet`,
    table: 'datastore_health',
    event,
    work: setOf('health = new.status', 'new'),
  })),
  { name: 'end_health_facet', table: 'datastore_health', event: 'delete', work: setOf("health = 'UNKNOWN'", 'old') },
  {
    name: 'set_usage_facet',
    table: 'datastore_usages',
    event: 'insert',
    work: setOf('usage_count = usage_count + 1', 'new'),
  },
  {
    name: 'end_usage_facet',
    table: 'datastore_usages',
    event: 'delete',
    work: setOf('usage_count = usage_count - 1', 'old'),
  },
];

/**
 * What a list of datastores may be narrowed by stands in other tables, which hold it in no order of an environment:
 * here it is once more, with an index of each. The database itself keeps it, for older versions too.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { text, table } = dialectOf(db);
  await holdWrites(db, 'datastores', 'connection_tests', 'datastore_health', 'datastore_usages');
  const isInUse = sql`case when usage_count > 0 then 1 else 0 end`;
  await table('datastore_facets')
    // the search index of SQLite knows rows by such a number, which no VACUUM changes
    .$call((made) => (isPostgres(db) ? made : made.addColumn('number', 'integer', (column) => column.primaryKey())))
    .addColumn('datastore_id', text, (column) =>
      column.notNull().unique().references('datastores.id').onDelete('cascade'),
    )
    .addColumn('environment_id', text, (column) => column.notNull())
    .addColumn('last_test_status', text)
    .addColumn('health', text, (column) => column.notNull().defaultTo('UNKNOWN'))
    .addColumn('usage_count', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('in_use', 'integer', (column) => column.generatedAlwaysAs(isInUse).stored())
    .execute();
  await sql`insert into datastore_facets (datastore_id, environment_id, last_test_status, health, usage_count)
    select datastores.id, datastores.environment_id, connection_tests.status,
      coalesce(datastore_health.status, 'UNKNOWN'),
      (select count(*) from datastore_usages where datastore_usages.datastore_id = datastores.id)
    from datastores left join connection_tests on connection_tests.id = datastores.last_test_id
      left join datastore_health on datastore_health.datastore_id = datastores.id`.execute(db);
  for (const facet of FACETS) await index(db, 'datastore_facets', [facet, 'environment_id', 'datastore_id']);
  for (const trigger of TRIGGERS) await createTrigger(db, trigger);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const trigger of TRIGGERS) await dropTrigger(db, trigger);
  await db.schema.dropTable('datastore_facets').execute();
}
