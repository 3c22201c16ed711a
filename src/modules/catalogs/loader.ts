import DataLoader from 'dataloader';
import type { Database } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import { readChanges } from './change-store.ts';
import type { CatalogChange } from './changes.ts';
import type { Catalog, CatalogService } from './service.ts';

/**
 * Loads catalogs by their datastores' ids, in one statement for each level of a request. It remembers nothing, because
 * a subscription's context lives long.
 */
export function catalogLoader(service: CatalogService, access: Access): DataLoader<string, Catalog | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}

/** Loads what has changed in the catalogs of datastores that the caller has read, in one statement for each level. */
export function catalogChangesLoader(database: Database): DataLoader<string, readonly CatalogChange[]> {
  return new DataLoader(
    async (ids) => {
      const found = await readChanges(database, ids);
      return ids.map((id) => found.get(id) ?? []);
    },
    { cache: false },
  );
}
