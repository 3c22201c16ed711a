import type { Change } from '../../platform/database.ts';
import { type Actor, appendJournal } from '../../platform/journal.ts';
import type { Keyring } from '../../platform/keyring.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreEventKind } from './events.ts';

/** What happened to a datastore, as its journal keeps it and its followers get it. */
export interface DatastoreEntry {
  readonly kind: DatastoreEventKind;
  readonly datastore: Pick<Datastore, 'id' | 'environmentId'>;
  readonly actor: Actor;
  /** JSON; never a secret. */
  readonly detail: Record<string, unknown>;
}

/** Journals a change of a datastore. It locks the head of the environment's chain: call it last in a change. */
export async function journalDatastore(change: Change, keyring: Keyring, entry: DatastoreEntry): Promise<void> {
  const { kind, datastore, actor, detail } = entry;
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
