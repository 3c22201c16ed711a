import { sql } from 'kysely';
import type { Change } from './database.ts';

/**
 * True when anything has this id, whoever may see it, or when a deleted thing had it: ids are unique over all types, so
 * that an id alone says what is meant. Whoever else asks for the same id waits until the change ends.
 */
export async function isUsedId(change: Change, id: string): Promise<boolean> {
  const { kind, query } = change;
  // on SQLite one change runs at a time anyway
  if (kind === 'postgres') await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 0))`.execute(query);
  const found = await query
    .selectFrom('datastores')
    .select('id')
    .where('id', '=', id)
    .unionAll(query.selectFrom('environments').select('id').where('id', '=', id))
    .unionAll(query.selectFrom('connection_tests').select('id').where('id', '=', id))
    .unionAll(query.selectFrom('data_structures').select('id').where('id', '=', id))
    .unionAll(query.selectFrom('retired_ids').select('id').where('id', '=', id))
    .executeTakeFirst();
  return found !== undefined;
}
