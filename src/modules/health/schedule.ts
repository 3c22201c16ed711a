import type { Change } from '../../platform/database/database.ts';
import { firstCheckAt } from './health.ts';

/** Begins the checks of a datastore anew, as a part of the change that wants them. What is known of it stays. */
export async function setSchedule(change: Change, datastoreId: string): Promise<void> {
  const next_check_at = firstCheckAt(change.clock.now(), Math.random());
  const schedule = { next_check_at, running_test_id: null, paused_reason: null, failures: 0 };
  await change.query
    .insertInto('datastore_health')
    .values({ datastore_id: datastoreId, status: 'UNKNOWN', since: null, differing: null, ...schedule })
    .onConflict((conflict) => conflict.column('datastore_id').doUpdateSet(schedule))
    .execute();
}

/** Ends the checks of a datastore. What is known of it stays. */
export async function endSchedule(change: Change, datastoreId: string): Promise<void> {
  await change.query
    .updateTable('datastore_health')
    .set({ next_check_at: null, running_test_id: null, paused_reason: null })
    .where('datastore_id', '=', datastoreId)
    .execute();
}
