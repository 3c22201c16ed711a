import { randomUUID } from 'node:crypto';
import { splitSecrets } from '../../connectors/kit/config/shape.ts';
import { changedPaths, type Datastore, keptSecrets, type StoredSecret } from './datastore.ts';
import type { DraftSubject } from './draft.ts';
import type { StoredDatastore } from './draft-reader.ts';

/** A draft that may be stored, and what it is called. */
export interface NamedDraft {
  readonly subject: DraftSubject;
  /** The datastore that it takes the place of; null for a new one. */
  readonly stored: StoredDatastore | null;
  readonly id: string;
  readonly name: string;
  readonly label: string;
  /** The test that the draft has passed. */
  readonly testId: string | null;
}

/** A secret that a revision brings along, not yet sealed. */
export interface NewSecret extends StoredSecret {
  readonly value: string;
}

/** What storing a draft changes. */
export interface Revision {
  readonly after: Datastore;
  readonly added: readonly NewSecret[];
  readonly removed: readonly StoredSecret[];
  /** The changed paths of a stored datastore: `label`, `config.host`. None when it only has a new test. */
  readonly changed: readonly string[];
}

export function revisionOf(draft: NamedDraft, actor: string): Revision {
  const { subject, stored, name, label, testId } = draft;
  const { connector, tenancy } = subject;
  const { config, secrets } = splitSecrets(connector, subject.config);
  const at = new Date().toISOString();
  const before = stored?.datastore;
  const kept = stored
    ? keptSecrets(stored.datastore, splitSecrets(connector, stored.subject.config).secrets, secrets)
    : [];
  const added = [...secrets]
    .filter(([path]) => !kept.some((secret) => secret.path === path))
    .map(([path, value]) => ({ path, id: randomUUID(), updatedAt: at, value }));
  const references = added.map(({ value: _, ...secret }) => secret);
  const fields = { name, label, tenancy, config, secrets: [...kept, ...references] };
  const removed = before?.secrets.filter((secret) => !kept.includes(secret)) ?? [];
  if (!before) {
    const identity = { id: draft.id, type: connector.type, environmentId: subject.environmentId, version: 1 };
    const stamps = { createdAt: at, updatedAt: at, createdBy: actor, updatedBy: actor, lastTestId: testId };
    return { after: { ...identity, ...fields, ...stamps }, added, removed, changed: [] };
  }
  const changed = changedPaths(before, fields);
  const stamps = { version: before.version + 1, updatedAt: at, updatedBy: actor };
  const after = { ...before, ...(changed.length > 0 ? { ...fields, ...stamps } : {}) };
  return { after: { ...after, lastTestId: testId ?? before.lastTestId }, added, removed, changed };
}
