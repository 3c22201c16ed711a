import type { Change } from '../../platform/database/database.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';
import { findKeyed } from './store.ts';
import { secretOwner } from './test.ts';

/** Finds the tests whose keys these are, as they are stored. */
export async function findTestOwners(
  change: Change,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, SecretOwner>> {
  const keyed = await findKeyed(change, keyIds);
  return new Map(keyed.map(({ key_id, ...test }) => [key_id, secretOwner(test, test.draft_config ?? '{}')]));
}
