import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

type Schema = Kysely<unknown>;

/**
 * A webhook may hear of all environments. It still belongs to one, whose key seals its secret. An older gateway tells
 * it of that one alone.
 */
export async function up(db: Schema): Promise<void> {
  await db.schema
    .alterTable('webhooks')
    .addColumn('all_environments', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await index(db, 'webhooks', ['all_environments', 'created_at', 'id']);
}

export async function down(db: Schema): Promise<void> {
  await db.schema.dropIndex('webhooks_all_environments_created_at_id_idx').execute();
  await db.schema.alterTable('webhooks').dropColumn('all_environments').execute();
}
