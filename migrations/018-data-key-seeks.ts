import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

/** What is wrapped by a former key is found without a look at every environment. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await index(db, 'data_keys', ['key_id', 'id']);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('data_keys_key_id_id_idx').execute();
}
