import { destinationPathsOf, destinationsDigest } from '../../connectors/kit/config/destinations.ts';
import { deserializeConfig, type PublicConfig } from '../../connectors/kit/config/shape.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import type { Sealer, SecretOwner } from '../../platform/keys/sealer.ts';
import { type Datastore, rowOf } from '../datastores/datastore.ts';
import type { StoredDatastore } from '../datastores/draft-reader.ts';
import type { Revision } from '../datastores/revision.ts';
import { changesOf, type RevisionChange } from './changes.ts';
import {
  eraseSuperseded,
  eraseUpToLater,
  insertKey,
  type KeyedRevision,
  putRevisions,
  type RevisionRow,
} from './store.ts';

const DAY_MS = 24 * 3_600_000;
/** Of how many versions the secrets are erased in one step. */
const ERASED_AT_ONCE = 100;
/** The place of a version's secrets, which are sealed together. */
const SEALED_AS = 'secrets';

/** For how long the secrets of older versions are kept: what ends first counts. */
export interface RevisionLimits {
  /** Days since another version took the place of theirs. */
  readonly days: number;
  /** How many older versions. */
  readonly versions: number;
}

export const revisionDefaults: RevisionLimits = { days: 30, versions: 10 };

export interface RevisionHistoryOptions {
  readonly database: Database;
  readonly sealer: Sealer;
  readonly limits: RevisionLimits;
}

/**
 * Keeps the versions of datastores. The secrets of each older one are sealed together under a key of its own, bound to
 * its datastore, its version and its destinations, so that it can be gone back to for a while, and erased by itself.
 */
export class RevisionHistory {
  readonly #options: RevisionHistoryOptions;

  constructor(options: RevisionHistoryOptions) {
    this.#options = options;
  }

  /** Keeps the version that a change makes, and the secrets of the one that it replaces: a part of that change. */
  async write(change: Change, revision: Revision, stored: StoredDatastore | null): Promise<void> {
    const made = revisionRow(revision.after, changesOf(revision), null);
    if (!stored) return putRevisions(change, [made]);
    const { row, key } = await this.#superseded(change, stored);
    await putRevisions(change, [row, made]);
    if (key) await insertKey(change, key);
  }

  /** The version that is replaced, with its secrets sealed under a key of their own where they are to be kept. */
  async #superseded(change: Change, { datastore, subject, secrets }: StoredDatastore) {
    const { id, version, config } = datastore;
    const { versions, days } = this.#options.limits;
    if (version > versions) await eraseUpToLater(change, id, version - versions);
    const { connector } = subject;
    const keeps = secrets.size > 0 && versions > 0 && days > 0;
    if (!keeps) return { row: revisionRow(datastore, [], null) };
    const boundTo = destinationPathsOf(connector);
    const owner = revisionOwner(datastore, version, config, boundTo);
    const key = await this.#options.sealer.newKey(change, owner);
    const { id: keyId, wrapped } = key;
    const superseded_at = change.clock.timestamp();
    return {
      row: revisionRow(datastore, [], key.seal(SEALED_AS, JSON.stringify([...secrets]))),
      key: { id: keyId, datastore_id: id, version, wrapped, bound_to: JSON.stringify(boundTo), superseded_at },
    };
  }

  /**
   * Opens the secrets of an older version, by config path; null when they are not kept any more.
   * @throws UnsealError when the version was changed outside of the gateway
   */
  async open(
    datastore: Datastore,
    { version, sealed, key, config }: KeyedRevision,
  ): Promise<Map<string, string> | null> {
    if (sealed === null || key === null) return null;
    const boundTo = JSON.parse(key.bound_to) as string[];
    const owner = revisionOwner(datastore, version, deserializeConfig(config), boundTo);
    const opened = await this.#options.sealer.openKey(owner, key);
    return new Map(JSON.parse(opened.open(SEALED_AS, sealed)) as [string, string][]);
  }

  /** Erases the secrets of some versions that were superseded long enough ago. @returns whether there may be more */
  async eraseExpired(): Promise<boolean> {
    const { database, limits } = this.#options;
    return database.change(async (change) => {
      const expired = change.clock.timestamp(-limits.days * DAY_MS);
      return (await eraseSuperseded(change, expired, ERASED_AT_ONCE)) === ERASED_AT_ONCE;
    });
  }
}

/** Says whose secrets a version's are, when they are sealed for the destinations at these paths of its config. */
export function revisionOwner(
  { environmentId, id, type }: Pick<Datastore, 'environmentId' | 'id' | 'type'>,
  version: number,
  config: PublicConfig,
  boundTo: readonly string[],
): SecretOwner {
  const digest = destinationsDigest(type, config, boundTo);
  return { environmentId, kind: 'revision', id: `${id}/${version}`, boundTo: digest };
}

function revisionRow(datastore: Datastore, changes: readonly RevisionChange[], sealed: string | null): RevisionRow {
  const { name, label, description, owner_name, tags, tenancy, config } = rowOf(datastore);
  const { secrets } = datastore;
  return {
    datastore_id: datastore.id,
    version: datastore.version,
    at: datastore.updatedAt,
    actor: datastore.updatedBy,
    on_behalf_of: datastore.updatedOnBehalfOf,
    ...{ name, label, description, owner_name, tags, tenancy, config },
    secret_paths: JSON.stringify(secrets.map(({ path }) => path)),
    changes: JSON.stringify(changes),
    sealed,
  };
}
