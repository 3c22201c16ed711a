import DataLoader from 'dataloader';
import type { Database } from '../../platform/database.ts';
import { type Health, unknownHealth } from './health.ts';
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
