import { deserializeConfig } from '../../connectors/kit/config/shape.ts';
import type { Change } from '../../platform/database/database.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';
import { revisionOwner } from './history.ts';
import { findKeyed } from './store.ts';

/** Finds the versions of datastores whose keys these are, as they are stored. */
export async function findRevisionOwners(
  change: Change,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, SecretOwner>> {
  const keyed = await findKeyed(change, keyIds);
  return new Map(
    keyed.map(({ keyId, datastore, version, config, boundTo }) => [
      keyId,
      revisionOwner(datastore, version, deserializeConfig(config), boundTo),
    ]),
  );
}
