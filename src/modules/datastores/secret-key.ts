import { destinationPathsOf } from '../../connectors/kit/config/destinations.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { Change } from '../../platform/database/database.ts';
import type { Sealer, SecretKey } from '../../platform/keys/sealer.ts';
import { type Datastore, secretOwner } from './datastore.ts';
import { insertSecretKey } from './store.ts';

/** Makes and stores the one key of a datastore's secrets, bound to all destinations that its config has. */
export async function createSecretKey(
  change: Change,
  sealer: Sealer,
  datastore: Datastore,
  at: string,
): Promise<SecretKey> {
  const boundTo = destinationPathsOf(connectorOf(datastore.type));
  const key = await sealer.newKey(change, secretOwner(datastore, boundTo));
  await insertSecretKey(change, datastore.id, key, boundTo, at);
  return key;
}
