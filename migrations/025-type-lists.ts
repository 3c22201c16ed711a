import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

/** Lists of one type come by label, which is their usual order: without these all labels would be looked at. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await index(db, 'datastores', ['environment_id', 'type', 'label_folded', 'id']);
  await index(db, 'datastores', ['type', 'label_folded', 'id']);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await db.schema.dropIndex('datastores_environment_id_type_label_folded_id_idx').execute();
  await db.schema.dropIndex('datastores_type_label_folded_id_idx').execute();
}
