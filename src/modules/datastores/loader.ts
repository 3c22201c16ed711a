import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreService } from './service.ts';

/**
 * Loads datastores by id, in one statement for each level of a request. It remembers nothing, because a subscription's
 * context lives long.
 */
export function datastoreLoader(service: DatastoreService, access: Access): DataLoader<string, Datastore | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}
