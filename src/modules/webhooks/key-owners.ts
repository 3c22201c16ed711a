import type { Change } from '../../platform/database.ts';
import type { SecretOwner } from '../../platform/sealer.ts';
import { ownerOf } from './secrets.ts';
import { findKeyed } from './store.ts';

/** Finds the webhooks whose keys these are, as they are stored. */
export async function findWebhookOwners(
  change: Change,
  keyIds: readonly string[],
): Promise<ReadonlyMap<string, SecretOwner>> {
  const keyed = await findKeyed(change, keyIds);
  return new Map(keyed.map(({ keyId, ...webhook }) => [keyId, ownerOf(webhook)]));
}
