import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { Usage, UsageService } from './service.ts';

/** Loads usages by id, in one statement for each level of a request. */
export function usageLoader(service: UsageService, access: Access): DataLoader<string, Usage | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}
