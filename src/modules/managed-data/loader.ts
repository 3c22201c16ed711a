import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { ManagedStore, RecordService } from './service.ts';

/** Loads what managed datastores hold by their ids, in one statement for each level of a request. */
export function managedStoreLoader(service: RecordService, access: Access): DataLoader<string, ManagedStore | null> {
  return new DataLoader((ids) => service.stores(access, ids), { cache: false });
}
