import type { Change } from '../../platform/database/database.ts';
import { type Actor, appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { queueMessages } from '../webhooks/outbox.ts';
import type { ToldDatastore } from '../webhooks/webhook.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreEventKind } from './events.ts';

/** What happened to a datastore, as its journal keeps it and its followers get it. */
export interface DatastoreEntry {
  readonly kind: DatastoreEventKind;
  /** All of it where it is deleted, for nobody can read it then. */
  readonly datastore: Pick<Datastore, 'id' | 'environmentId'> & Partial<ToldDatastore>;
  readonly actor: Actor;
  /** JSON; never a secret. */
  readonly detail: Record<string, unknown>;
  /** What webhooks are told besides: JSON, never a secret. Left out: nothing. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/**
 * Journals a change of a datastore, and puts what webhooks are told of it into their queue. It locks the head of the
 * environment's chain: call it last in a change.
 */
export async function journalDatastore(change: Change, keyring: Keyring, entry: DatastoreEntry): Promise<void> {
  const { kind, datastore, actor, detail, facts = {} } = entry;
  await queueMessages(change, { kind, datastore, facts });
  await appendJournal(change, keyring, {
    environmentId: datastore.environmentId,
    kind,
    action: `datastore.${kind.toLowerCase()}`,
    actor,
    subjectType: 'datastore',
    subjectId: datastore.id,
    detail,
  });
}
