import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { DataStructure, DataStructureService } from './service.ts';

/** Loads data structures by id, in one statement for each level of a request. */
export function dataStructureLoader(
  service: DataStructureService,
  access: Access,
): DataLoader<string, DataStructure | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}
