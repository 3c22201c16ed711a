import { type Kysely, sql } from 'kysely';
import { dialectOf } from './dialect.ts';

/** The events of a test that has ended become one text beside it. The index has those whose events are rows still. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('connection_tests').addColumn('event_log', dialectOf(db).text).execute();
  await db.schema
    .createIndex('connection_tests_finished_at_idx')
    .on('connection_tests')
    .column('finished_at')
    .where(sql`event_log`, 'is', null)
    .execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('connection_tests_finished_at_idx').execute();
  await db.schema.alterTable('connection_tests').dropColumn('event_log').execute();
}
