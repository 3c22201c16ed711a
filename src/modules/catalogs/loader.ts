import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { Catalog, CatalogService } from './service.ts';

/**
 * Loads catalogs by their datastores' ids, in one statement for each level of a request. It remembers nothing, because
 * a subscription's context lives long.
 */
export function catalogLoader(service: CatalogService, access: Access): DataLoader<string, Catalog | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}
