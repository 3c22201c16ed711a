import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

/** A connection test knows the trace that it is part of, whichever process runs it. */
export async function up(db: Schema): Promise<void> {
  await db.schema.alterTable('connection_tests').addColumn('traceparent', dialectOf(db).text).execute();
}

export async function down(db: Schema): Promise<void> {
  await db.schema.alterTable('connection_tests').dropColumn('traceparent').execute();
}
