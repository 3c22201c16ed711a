import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Change } from './database/database.ts';
import { type PlaceOf, PreparedStatements } from './database/prepared-statements.ts';

/** A UUID of version 7, which begins with a time: those that are made together lie together in an index. */
export function timeOrderedId(now: number): string {
  const time = now.toString(16).padStart(12, '0');
  // what is random of version 4 is so of version 7
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/**
 * Takes an id for a new datastore. A deleted datastore of the same environment may have had it; whoever asks in another
 * environment learns what he would learn of any id that is used. What is left under that id is known by its version,
 * since those of the new datastore come after the old one's:
 * - revisions, secrets and their keys, tags, usages, health and the catalog in use went with the old datastore;
 * - its connection tests, and what was read of its catalog, belong to none any more, those too that run on;
 * - its journal stays, since a chain has no gaps: `DELETED` and then `CREATED` stand between the two;
 * - idempotency keys stay with the version that they speak of.
 * @returns the first version of the datastore; null when the id is used
 */
export async function claimDatastoreId(change: Change, id: string, environmentId: string): Promise<number | null> {
  await lockId(change, id);
  const retired = await change.query
    .deleteFrom('retired_ids')
    .where('id', '=', id)
    .where('environment_id', '=', environmentId)
    .returning('last_version')
    .executeTakeFirst();
  return (await isUsedId(change, id)) ? null : (retired?.last_version ?? 0) + 1;
}

const usedIds = new PreparedStatements<string>();

/**
 * True when anything has this id, whoever may see it, or when a deleted thing had it: ids are unique over all types, so
 * that an id alone says what is meant. Whoever else asks for the same id waits until the change ends.
 */
export async function isUsedId(change: Change, id: string): Promise<boolean> {
  const { query } = change;
  await lockId(change, id);
  const select = (place: PlaceOf<string>) => {
    const sought = place((given) => given);
    return query
      .selectFrom('datastores')
      .select('id')
      .where('id', '=', sought)
      .unionAll(query.selectFrom('environments').select('id').where('id', '=', sought))
      .unionAll(query.selectFrom('connection_tests').select('id').where('id', '=', sought))
      .unionAll(query.selectFrom('data_structures').select('id').where('id', '=', sought))
      .unionAll(query.selectFrom('retired_ids').select('id').where('id', '=', sought));
  };
  const { rows } = await usedIds.run(change, '', select, id);
  return rows.length > 0;
}

async function lockId({ kind, query }: Change, id: string): Promise<void> {
  // on SQLite one change runs at a time anyway
  if (kind === 'postgres') await sql`select pg_advisory_xact_lock(hashtextextended(${id}, 0))`.execute(query);
}
