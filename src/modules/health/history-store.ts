import type { Selectable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { HealthHoursTable } from '../../platform/database/tables.ts';
import { type Durations, type HealthHour, type HealthRecord, hourWith, withCheck } from './history.ts';

function hourOfRow(row: Selectable<HealthHoursTable>): HealthHour {
  return {
    hour: row.hour,
    checks: row.checks,
    passed: row.passed,
    // Postgres gives a long integer as text
    upMs: Number(row.up_ms),
    downMs: Number(row.down_ms),
    firstAt: row.first_at,
    lastAt: row.last_at,
    lastUntil: row.last_until,
    lastPassed: row.last_passed === 1,
    durations: JSON.parse(row.durations) as Durations,
  };
}

/** Adds a check to its hour. Whoever adds has locked the health of the datastore. */
export async function recordCheck(change: Change, datastoreId: string, record: HealthRecord): Promise<void> {
  const first = hourWith(record);
  const known = await change.query
    .selectFrom('health_hours')
    .selectAll()
    .where('datastore_id', '=', datastoreId)
    .where('hour', '=', first.hour)
    .executeTakeFirst();
  const { hour, ...now } = known ? withCheck(hourOfRow(known), record) : first;
  const columns = {
    checks: now.checks,
    passed: now.passed,
    up_ms: now.upMs,
    down_ms: now.downMs,
    first_at: now.firstAt,
    last_at: now.lastAt,
    last_until: now.lastUntil,
    last_passed: Number(now.lastPassed),
    durations: JSON.stringify(now.durations),
  };
  await change.query
    .insertInto('health_hours')
    .values({ datastore_id: datastoreId, hour, ...columns })
    .onConflict((conflict) => conflict.columns(['datastore_id', 'hour']).doUpdateSet(columns))
    .execute();
}

/** Reads the hours since an instant of datastores that the caller may see, by datastore and in their order. */
export async function readHours(
  { query }: Database,
  datastoreIds: readonly string[],
  from: string,
): Promise<ReadonlyMap<string, readonly HealthHour[]>> {
  const rows = await query
    .selectFrom('health_hours')
    .selectAll()
    .where(isOneOf('health_hours.datastore_id', datastoreIds))
    .where('hour', '>=', from)
    .orderBy('datastore_id')
    .orderBy('hour')
    .execute();
  const ofEach = Map.groupBy(rows, (row) => row.datastore_id);
  return new Map([...ofEach].map(([id, hours]) => [id, hours.map(hourOfRow)]));
}

/** Removes hours before an instant, some of them. @returns how many */
export async function removeHours(change: Change, before: string, limit: number): Promise<number> {
  const { numDeletedRows } = await change.query
    .deleteFrom('health_hours')
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple('datastore_id', 'hour'),
        'in',
        selectFrom('health_hours as old')
          .select(['old.datastore_id', 'old.hour'])
          .where('old.hour', '<', before)
          .orderBy('old.hour')
          .limit(limit)
          .$asTuple('datastore_id', 'hour'),
      ),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
