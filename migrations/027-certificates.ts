import type { Kysely } from 'kysely';
import { dialectOf } from './dialect.ts';

type Schema = Kysely<unknown>;

const COLUMNS = ['certificate_expires_at', 'told_certificates'];

/** When the certificate ends that the last health check saw, and of which ones webhooks were told that they end. */
export async function up(db: Schema): Promise<void> {
  const { text } = dialectOf(db);
  for (const column of COLUMNS) await db.schema.alterTable('datastore_health').addColumn(column, text).execute();
}

export async function down(db: Schema): Promise<void> {
  for (const column of COLUMNS) await db.schema.alterTable('datastore_health').dropColumn(column).execute();
}
