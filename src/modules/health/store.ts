import type { Selectable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { DatastoreHealthTable } from '../../platform/database/tables.ts';
import type { Health, HealthResult, HealthStatus } from './health.ts';

export type HealthRow = Selectable<DatastoreHealthTable>;

export function healthOf(row: HealthRow): Health {
  return {
    status: row.status as HealthStatus,
    since: row.since,
    differing: row.differing as HealthResult | null,
    failures: row.failures,
    nextCheckAt: row.next_check_at,
    pausedReason: row.paused_reason,
    certificates: {
      expiresAt: row.certificate_expires_at,
      told: row.told_certificates === null ? [] : (JSON.parse(row.told_certificates) as string[]),
    },
  };
}

/** Reads what is known of these datastores, which the caller may see. */
export async function readHealth(database: Database, datastoreIds: readonly string[]): Promise<HealthRow[]> {
  return database.query
    .selectFrom('datastore_health')
    .selectAll()
    .where(isOneOf('datastore_health.datastore_id', datastoreIds))
    .execute();
}

/** The datastores whose check is due, at most `limit`, as they are taken `until` then. Other processes take others. */
export async function takeDue(change: Change, now: string, until: string, limit: number): Promise<HealthRow[]> {
  const due = change.query
    .selectFrom('datastore_health')
    .selectAll()
    .where('next_check_at', '<=', now)
    .orderBy('next_check_at')
    .limit(limit);
  const rows = await (change.kind === 'postgres' ? due.forUpdate().skipLocked() : due).execute();
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.datastore_id);
  // whoever has taken them says more soon; if it dies, they are due again then
  await change.query
    .updateTable('datastore_health')
    .set({ next_check_at: until })
    .where(isOneOf('datastore_health.datastore_id', ids))
    .execute();
  return rows.map((row) => ({ ...row, next_check_at: until }));
}

/** By this a check is still as it was taken: neither a change of the datastore nor another one of its id came since. */
type Taken = Pick<HealthRow, 'datastore_id' | 'next_check_at'>;

export async function setRunning(change: Change, taken: Taken, testId: string, until: string): Promise<void> {
  await change.query
    .updateTable('datastore_health')
    .set({ running_test_id: testId, next_check_at: until })
    .where('datastore_id', '=', taken.datastore_id)
    .where('next_check_at', '=', taken.next_check_at)
    .execute();
}

export async function setPaused(change: Change, taken: Taken, reason: string): Promise<void> {
  await change.query
    .updateTable('datastore_health')
    .set({ running_test_id: null, next_check_at: null, paused_reason: reason })
    .where('datastore_id', '=', taken.datastore_id)
    .where('next_check_at', '=', taken.next_check_at)
    .execute();
}

/**
 * What is needed to settle a check: the health, and how often its datastore is to be checked. The datastore is locked
 * first, as whoever deletes it does, for the history of its checks refers to it.
 */
export async function lockForResult(change: Change, datastoreId: string) {
  const query = change.query
    .selectFrom('datastore_health')
    .innerJoin('datastores', 'datastores.id', 'datastore_health.datastore_id')
    .selectAll('datastore_health')
    .select(['datastores.environment_id', 'datastores.check_every_minutes'])
    .where('datastore_health.datastore_id', '=', datastoreId);
  return (
    change.kind === 'postgres' ? query.forKeyShare('datastores').forUpdate('datastore_health') : query
  ).executeTakeFirst();
}

export async function writeResult(change: Change, datastoreId: string, health: Health): Promise<void> {
  const { expiresAt, told } = health.certificates;
  await change.query
    .updateTable('datastore_health')
    .set({
      status: health.status,
      since: health.since,
      differing: health.differing,
      failures: health.failures,
      next_check_at: health.nextCheckAt,
      paused_reason: health.pausedReason,
      running_test_id: null,
      certificate_expires_at: expiresAt,
      told_certificates: told.length === 0 ? null : JSON.stringify(told),
    })
    .where('datastore_id', '=', datastoreId)
    .execute();
}
