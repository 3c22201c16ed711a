import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements, placesOf } from '../../platform/database/prepared-statements.ts';
import type { IdempotencyKeysTable } from '../../platform/database/tables.ts';

interface Sought {
  readonly keyMac: string;
  readonly expired: string;
}

const reads = new PreparedStatements<Sought>({ isShort: true });

/** Reads what a call has come to, unless that was at `expired` or before. */
export async function findCall(
  database: Pick<Database, 'kind' | 'query'>,
  keyMac: string,
  expired: string,
): Promise<IdempotencyKeysTable | undefined> {
  const select = (place: PlaceOf<Sought>) =>
    database.query
      .selectFrom('idempotency_keys')
      .selectAll()
      .where(
        'key_mac',
        '=',
        place((sought) => sought.keyMac),
      )
      .where(
        'created_at',
        '>',
        place((sought) => sought.expired),
      );
  const { rows } = await reads.run(database, '', select, { keyMac, expired });
  return rows[0];
}

interface NewCall {
  readonly row: IdempotencyKeysTable;
  readonly expired: string;
}

const inserts = new PreparedStatements<NewCall>();

/**
 * Stores what a call has come to, in the place of one that was at `expired` or before. It waits for another change that
 * stores the same key.
 * @param orElse makes what the change fails with when the key is another call's
 */
export async function insertCall(change: Change, call: NewCall, orElse: () => Error): Promise<void> {
  const insert = (place: PlaceOf<NewCall>) => {
    const row = placesOf(call.row, (of) => place((values) => of(values.row)));
    const { key_mac: _, ...columns } = row;
    return change.query
      .insertInto('idempotency_keys')
      .values(row)
      .onConflict((conflict) =>
        conflict
          .column('key_mac')
          .doUpdateSet(columns)
          .where(
            'idempotency_keys.created_at',
            '<=',
            place((values) => values.expired),
          ),
      );
  };
  await inserts.runLater(change, '', insert, call, orElse);
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
