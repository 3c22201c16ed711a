import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { AskedOfDatastores } from './asked.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreService } from './service.ts';

/**
 * Loads datastores by id, in one statement for each level of a request. It remembers nothing, because a subscription's
 * context lives long.
 */
export function datastoreLoader(service: DatastoreService, access: Access): DataLoader<string, Datastore | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}

/** A datastore by its id, and what an operation asks for of it: the same for all that one asks for. */
export interface AskedDatastore {
  readonly id: string;
  readonly asked: AskedOfDatastores;
}

/** The same for what is answered and nothing else, in which what is not asked for may be missing. */
export function askedDatastoreLoader(
  service: DatastoreService,
  access: Access,
): DataLoader<AskedDatastore, Datastore | null> {
  return new DataLoader(
    (wanted) =>
      service.find(
        access,
        wanted.map(({ id }) => id),
        wanted[0]?.asked,
      ),
    { cache: false },
  );
}
