import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** What calls with an idempotency key have come to, for a day. */
export async function up(db: Schema): Promise<void> {
  const { text, table } = dialectOf(db);
  await table('idempotency_keys')
    .addColumn('key_mac', text, (column) => column.notNull().primaryKey())
    .addColumn('input_mac', text, (column) => column.notNull())
    .addColumn('result', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .execute();
  await index(db, 'idempotency_keys', ['created_at']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropTable('idempotency_keys').execute();
}
