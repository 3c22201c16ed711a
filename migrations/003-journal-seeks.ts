import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** The events of one datastore after a position are one seek. */
export async function up(db: Schema): Promise<void> {
  await index(db, 'journal', ['subject_id', 'environment_id', 'sequence']);
  await db.schema.dropIndex('journal_subject_id_idx').execute();
}

export async function down(db: Schema): Promise<void> {
  await index(db, 'journal', ['subject_id']);
  await db.schema.dropIndex('journal_subject_id_environment_id_sequence_idx').execute();
}
