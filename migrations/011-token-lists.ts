import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** A page of the lasting tokens, and of the session tokens of one of them, is one seek. */
export async function up(db: Schema): Promise<void> {
  await index(db, 'api_tokens', ['parent_id', 'created_at', 'id']);
  await db.schema.dropIndex('api_tokens_parent_id_idx').execute();
}

export async function down(db: Schema): Promise<void> {
  await index(db, 'api_tokens', ['parent_id']);
  await db.schema.dropIndex('api_tokens_parent_id_created_at_id_idx').execute();
}
