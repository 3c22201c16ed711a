import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * What the health checks of each hour found, so that a month can be told from at most 744 rows of a datastore, however
 * often it is checked and whatever becomes of the tests. A check of an older gateway beside this schema is in no row.
 */
export async function up(db: Schema): Promise<void> {
  const { text, longInteger, table } = dialectOf(db);
  await table('health_hours')
    .addColumn('datastore_id', text, (column) => column.notNull().references('datastores.id').onDelete('cascade'))
    .addColumn('hour', text, (column) => column.notNull())
    .addColumn('checks', 'integer', (column) => column.notNull())
    .addColumn('passed', 'integer', (column) => column.notNull())
    .addColumn('up_ms', longInteger, (column) => column.notNull())
    .addColumn('down_ms', longInteger, (column) => column.notNull())
    .addColumn('first_at', text, (column) => column.notNull())
    .addColumn('last_at', text, (column) => column.notNull())
    .addColumn('last_until', text, (column) => column.notNull())
    .addColumn('last_passed', 'integer', (column) => column.notNull())
    .addColumn('durations', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('health_hours_pkey', ['datastore_id', 'hour'])
    .execute();
  await index(db, 'health_hours', ['hour']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('health_hours').execute();
}
