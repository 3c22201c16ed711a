import DataLoader from 'dataloader';
import type { Database } from '../../platform/database/database.ts';
import { type Health, unknownHealth } from './health.ts';
import { beginningOf, type HealthHistory, type HealthWindow, historyOf } from './history.ts';
import { readHours } from './history-store.ts';
import { healthOf, readHealth } from './store.ts';

/** Loads the health of datastores that the caller has read, in one statement for each level of a request. */
export function healthLoader(database: Database): DataLoader<string, Health> {
  return new DataLoader(
    async (ids) => {
      const rows = new Map((await readHealth(database, ids)).map((row) => [row.datastore_id, healthOf(row)]));
      return ids.map((id) => rows.get(id) ?? unknownHealth);
    },
    { cache: false },
  );
}

/** Which history to load: of a datastore that the caller has read. */
export interface HistoryKey {
  readonly datastoreId: string;
  readonly window: HealthWindow;
}

/** Loads histories, in one statement for each window and level of a request. */
export function healthHistoryLoader(database: Database): DataLoader<HistoryKey, HealthHistory> {
  return new DataLoader(
    async (keys) => {
      const now = database.clock.now();
      const found = new Map<HealthWindow, Awaited<ReturnType<typeof readHours>>>();
      for (const [window, wanted] of Map.groupBy(keys, (key) => key.window)) {
        const ids = wanted.map(({ datastoreId }) => datastoreId);
        found.set(window, await readHours(database, ids, beginningOf(window, now)));
      }
      return keys.map(({ datastoreId, window }) => historyOf(found.get(window)?.get(datastoreId) ?? [], window, now));
    },
    { cache: false },
  );
}
