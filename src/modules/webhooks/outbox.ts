import { randomUUID } from 'node:crypto';
import type { Change } from '../../platform/database/database.ts';
import type { Tag } from '../datastores/details.ts';
import { insertDelivery } from './delivery-store.ts';
import { lockHearers, readToldDatastore } from './store.ts';
import { isAbout, messageTypes, type ToldDatastore, type WebhookEvent, webhookEvents } from './webhook.ts';

/** Something that has happened to a datastore. */
export interface Happening {
  /** One that webhooks hear of, or another one, of which nobody is told. */
  readonly kind: string;
  /** All of it where it is deleted; otherwise it is read in the change. */
  readonly datastore: { readonly id: string; readonly environmentId: string } & Partial<ToldDatastore>;
  /** What the message says besides: JSON, never a secret. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * Puts what webhooks are told of an event into the queue, in the very change that makes the event: whoever dies after
 * that loses nothing, and a change that is undone tells nobody.
 */
export async function queueMessages(change: Change, { kind, datastore, facts }: Happening): Promise<void> {
  if (!isWebhookEvent(kind)) return;
  const { id, environmentId } = datastore;
  const hearers = (await lockHearers(change, environmentId)).filter(({ events }) => events.includes(kind));
  if (hearers.length === 0) return;
  const about = isWhole(datastore) ? datastore : await readToldDatastore(change, id);
  if (!about) return;
  const { type, name, label, tags } = about;
  const timestamp = change.clock.timestamp();
  const data = { environmentId, datastore: { id, type, name, label, tags: tags.map(writtenTag) }, ...facts };
  const body = JSON.stringify({ type: messageTypes[kind], timestamp, data });
  for (const hearer of hearers)
    if (isAbout(hearer, about))
      await insertDelivery(change, { id: randomUUID(), webhookId: hearer.id, type: messageTypes[kind], body });
}

function isWebhookEvent(kind: string): kind is WebhookEvent {
  return (webhookEvents as readonly string[]).includes(kind);
}

function isWhole(datastore: Happening['datastore']): datastore is Happening['datastore'] & ToldDatastore {
  return datastore.name !== undefined;
}

function writtenTag({ key, value }: Tag): Tag {
  return { key, value };
}
