import type { Change } from '../../platform/database/database.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';
import { secretOwner } from './datastore.ts';
import { findKeyed } from './store.ts';

/** Finds the datastores whose keys these are, as they are stored. */
export async function findDatastoreOwners(
  change: Change,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, SecretOwner>> {
  const keyed = await findKeyed(change, keyIds);
  return new Map(keyed.map(({ keyId, datastore, boundTo }) => [keyId, secretOwner(datastore, boundTo)]));
}
