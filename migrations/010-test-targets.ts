import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

/** A test knows its server, so that how many run against one may be limited. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('connection_tests').addColumn('target', dialectOf(db).text).execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('connection_tests').dropColumn('target').execute();
}
