import type { Kysely } from 'kysely';
import { index } from './dialect.ts';

/** What an environment's entries are asked for by, too: without these all of them would be looked at for a rare one. */
const SOUGHT = ['actor', 'action', 'outcome'];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const column of SOUGHT) await index(db, 'journal', ['environment_id', column, 'at', 'id']);
}

export async function down(db: Kysely<unknown>): Promise<void> {
  for (const column of SOUGHT) await db.schema.dropIndex(`journal_environment_id_${column}_at_id_idx`).execute();
}
