import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { EnvironmentRow, EnvironmentService } from './service.ts';

/**
 * Loads environments by id, in one statement for each level of a request. It remembers nothing, because a
 * subscription's context lives long.
 */
export function environmentLoader(
  service: EnvironmentService,
  access: Access,
): DataLoader<string, EnvironmentRow | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}
