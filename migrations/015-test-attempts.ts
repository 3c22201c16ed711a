import type { Kysely } from 'kysely';

/** A test tells which attempt it is in, whatever has died under the others. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('connection_tests')
    .addColumn('restarts', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('connection_tests').dropColumn('restarts').execute();
}
