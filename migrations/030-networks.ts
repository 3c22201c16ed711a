import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * An environment may be reached from one network alone, where a worker takes its tests; a test before a save says which
 * process its caller waits in.
 */
export async function up(db: Schema): Promise<void> {
  const { text } = dialectOf(db);
  await db.schema.alterTable('environments').addColumn('network', text).execute();
  await db.schema.alterTable('connection_tests').addColumn('network', text).execute();
  await db.schema.alterTable('connection_tests').addColumn('caller', text).execute();
  await index(db, 'connection_tests', ['status', 'network', 'created_at']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropIndex('connection_tests_status_network_created_at_idx').execute();
  await db.schema.alterTable('connection_tests').dropColumn('caller').execute();
  await db.schema.alterTable('connection_tests').dropColumn('network').execute();
  await db.schema.alterTable('environments').dropColumn('network').execute();
}
