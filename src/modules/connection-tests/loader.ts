import DataLoader from 'dataloader';
import type { Access } from '../access/access.ts';
import type { ConnectionTestService } from './service.ts';
import type { ConnectionTest } from './test.ts';

/**
 * Loads connection tests by id, in one statement for each level of a request. It remembers nothing, because a
 * subscription's context lives long.
 */
export function connectionTestLoader(
  service: ConnectionTestService,
  access: Access,
): DataLoader<string, ConnectionTest | null> {
  return new DataLoader((ids) => service.find(access, ids), { cache: false });
}

/** Loads what processes run, by their ids, as far as the caller may see it. */
export function runningTestsLoader(
  service: ConnectionTestService,
  access: Access,
): DataLoader<string, readonly ConnectionTest[]> {
  return new DataLoader((owners) => service.running(access, owners), { cache: false });
}
