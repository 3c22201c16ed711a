import type { Kysely } from 'kysely';
import { dialectOf, index } from './dialect.ts';

type Schema = Kysely<unknown>;

/** By each of these the newest entries are one seek. */
const SOUGHT = [['subject_id'], ['actor'], ['action'], ['outcome'], []];

/** An entry of the journal says what came of what was wanted, and is found by whoever asks for it. */
export async function up(db: Schema): Promise<void> {
  const { text } = dialectOf(db);
  await db.schema
    .alterTable('journal')
    .addColumn('outcome', text, (column) => column.notNull().defaultTo('SUCCEEDED'))
    .execute();
  for (const columns of SOUGHT) await index(db, 'journal', [...columns, 'at', 'id']);
  await index(db, 'journal', ['environment_id', 'at', 'id']);
  await db.schema.dropIndex('journal_environment_id_at_idx').execute();
}

export async function down(db: Schema): Promise<void> {
  await index(db, 'journal', ['environment_id', 'at']);
  await db.schema.dropIndex('journal_environment_id_at_id_idx').execute();
  for (const columns of SOUGHT) await db.schema.dropIndex(['journal', ...columns, 'at_id_idx'].join('_')).execute();
  await db.schema.alterTable('journal').dropColumn('outcome').execute();
}
