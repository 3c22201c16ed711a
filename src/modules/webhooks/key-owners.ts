import type { Change } from '../../platform/database/database.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';
import { secretOwner } from './secrets.ts';
import { findKeyed } from './store.ts';

/** Finds the webhooks with these ids, which have their keys themselves. */
export async function findWebhookOwners(
  change: Change,
  ids: readonly string[],
): Promise<ReadonlyMap<string, SecretOwner>> {
  return new Map((await findKeyed(change, ids)).map((webhook) => [webhook.id, secretOwner(webhook)]));
}
