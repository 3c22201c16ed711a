import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { IdempotencyKeysTable } from '../../platform/database/tables.ts';

/** Reads what a call has come to, unless that was at `expired` or before. */
export async function findCall(
  { query }: Pick<Database, 'query'>,
  keyMac: string,
  expired: string,
): Promise<IdempotencyKeysTable | undefined> {
  return query
    .selectFrom('idempotency_keys')
    .selectAll()
    .where('key_mac', '=', keyMac)
    .where('created_at', '>', expired)
    .executeTakeFirst();
}

/**
 * Stores what a call has come to, in the place of one that was at `expired` or before. It waits for another change that
 * stores the same key.
 * @returns false when the key is another call's
 */
export async function insertCall(change: Change, row: IdempotencyKeysTable, expired: string): Promise<boolean> {
  const { key_mac: _, ...columns } = row;
  const stored = await change.query
    .insertInto('idempotency_keys')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('key_mac').doUpdateSet(columns).where('idempotency_keys.created_at', '<=', expired),
    )
    .returning('key_mac')
    .executeTakeFirst();
  return stored !== undefined;
}

/** Removes up to `limit` calls that were at `expired` or before; another process may be removing others. */
export async function removeCalls(change: Change, expired: string, limit: number): Promise<number> {
  const old = change.query
    .selectFrom('idempotency_keys')
    .select('key_mac')
    .where('created_at', '<=', expired)
    .orderBy('created_at')
    .limit(limit);
  const rows = await (change.kind === 'postgres' ? old.forUpdate().skipLocked() : old).execute();
  const keys = rows.map((row) => row.key_mac);
  if (keys.length > 0)
    await change.query.deleteFrom('idempotency_keys').where(isOneOf('idempotency_keys.key_mac', keys)).execute();
  return keys.length;
}
