import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { destinationPathsOf, destinationsDigest } from '../../connectors/kit/config/destinations.ts';
import { type PublicConfig, splitSecrets } from '../../connectors/kit/config/shape.ts';
import type { Connector } from '../../connectors/kit/contract/connector.ts';
import type { Actor } from '../../platform/journal/journal.ts';
import { changedPaths, type Datastore, keptSecrets, type StoredSecret } from './datastore.ts';
import type { Details } from './details.ts';
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
  readonly details: Details;
  /** The test that the draft has passed. */
  readonly testId: string | null;
}

/** A secret that a revision seals. */
export interface NewSecret extends StoredSecret {
  readonly value: string;
}

/** What storing a draft changes. */
export interface Revision {
  readonly before: Datastore | null;
  readonly after: Datastore;
  /** All secrets, when they are to be sealed anew; null when they stay as they are stored. */
  readonly sealed: readonly NewSecret[] | null;
  /** The changed paths of a stored datastore: `label`, `config.host`. None when it only has a new test. */
  readonly changed: readonly string[];
}

/** `at` is when it is stored; `firstVersion` is the version that a new datastore begins with. */
export function revisionOf(draft: NamedDraft, actor: Actor, at: string, firstVersion = 1): Revision {
  const { subject, stored, name, label, details, testId } = draft;
  const { connector, tenancy } = subject;
  const { config, secrets } = splitSecrets(connector, subject.config);
  const before = stored?.datastore ?? null;
  const isSameConfig = stored !== null && stored.subject.config === subject.config;
  const were = stored && !isSameConfig ? splitSecrets(connector, stored.subject.config).secrets : secrets;
  const kept = stored ? keptSecrets(stored.datastore, were, secrets) : [];
  const given = [...secrets.keys()]
    .filter((path) => !kept.some((secret) => secret.path === path))
    .map((path) => ({ path, id: randomUUID(), updatedAt: at }));
  const isSame = stored !== null && given.length === 0 && kept.length === stored.datastore.secrets.length;
  const stays = isSame && isSealedFor(stored, connector, config);
  // a secret that stays the same is sealed anew beside those that change, and for other destinations
  const references = stays ? kept : [...kept.map((secret) => ({ ...secret, id: randomUUID() })), ...given];
  const sealed = stays ? null : references.map((secret) => ({ ...secret, value: secrets.get(secret.path) ?? '' }));
  const fields = { name, label, ...details, tenancy, config, secrets: references };
  if (!before) {
    const identity = { id: draft.id, type: connector.type, environmentId: subject.environmentId };
    const versions = { version: firstVersion, firstVersion };
    const created = { createdAt: at, createdBy: actor.name, createdOnBehalfOf: actor.onBehalfOf };
    const after = { ...identity, ...versions, ...fields, ...created, ...updatedBy(actor, at), lastTestId: testId };
    return { before, after, sealed, changed: [] };
  }
  const changed = changedPaths(before, { ...fields, secrets: [...kept, ...given] });
  const stamps = { version: before.version + 1, ...updatedBy(actor, at) };
  const after = { ...before, ...(changed.length > 0 ? { ...fields, ...stamps } : {}) };
  return { before, after: { ...after, lastTestId: testId ?? before.lastTestId }, sealed, changed };
}

function updatedBy({ name, onBehalfOf }: Actor, at: string) {
  return { updatedAt: at, updatedBy: name, updatedOnBehalfOf: onBehalfOf };
}

/** Whether the stored secrets are sealed for all destinations that a config has, so that they open beside it. */
function isSealedFor({ datastore, sealedFor }: StoredDatastore, connector: Connector, config: PublicConfig): boolean {
  if (datastore.secrets.length === 0) return true;
  const paths = destinationPathsOf(connector);
  const digest = (of: PublicConfig) => destinationsDigest(connector.type, of, paths);
  return isDeepStrictEqual(sealedFor, paths) && digest(datastore.config) === digest(config);
}
