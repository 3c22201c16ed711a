import { deserializeConfig, placeSecrets } from '../../connectors/kit/config/shape.ts';
import { ConflictError, NotFoundError, RequestFault, ValidationError } from '../../errors/api.ts';
import { issueCodes, pathTo } from '../../errors/field-issues.ts';
import type { Database } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { Datastore } from '../datastores/datastore.ts';
import type { Tag } from '../datastores/details.ts';
import { type KeyedConfig, readRevert } from '../datastores/draft.ts';
import type { DraftReader, StoredDatastore } from '../datastores/draft-reader.ts';
import { SECRETS_DO_NOT_OPEN } from '../datastores/draft-reader.ts';
import type { Forcible } from '../datastores/preparation.ts';
import type { SaveProof } from '../datastores/proof.ts';
import type { DatastoreSaver, Save } from '../datastores/save.ts';
import type { DatastoreService } from '../datastores/service.ts';
import type { Idempotency, KeepResult, Repeatable } from '../idempotency/service.ts';
import type { RevisionHistory } from './history.ts';
import {
  eraseUpTo,
  findRevision,
  type KeyedRevision,
  listRevisions,
  lockRevised,
  MAX_VERSION,
  type RevisionRow,
} from './store.ts';

export type { RevisionRow } from './store.ts';

/** How often a revert that names no version is tried at most when others come first. */
const MAX_ATTEMPTS = 5;

/** To which version a datastore goes back. */
export interface Revert extends Repeatable, Forcible {
  readonly id: string;
  readonly toVersion: number;
  readonly expectedVersion?: number | null | undefined;
  /** What is to differ from that version: the secrets that are not kept any more. */
  readonly config?: KeyedConfig | null | undefined;
}

export interface Purged {
  readonly datastore: Datastore;
  readonly purgedCount: number;
}

export interface RevisionServiceOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly history: RevisionHistory;
  readonly datastores: DatastoreService;
  readonly drafts: DraftReader;
  readonly proof: SaveProof;
  readonly saver: DatastoreSaver;
  readonly idempotency: Idempotency;
  readonly logger: Logger;
}

/** Shows the versions of datastores, goes back to them, and erases the secrets that are kept for that. */
export class RevisionService {
  readonly #options: RevisionServiceOptions;

  constructor(options: RevisionServiceOptions) {
    this.#options = options;
  }

  async list(access: Access, datastoreId: string, page: PageArguments): Promise<Page<RevisionRow>> {
    requireScope(access, 'DATASTORES_READ');
    return listRevisions(this.#options.database, access, datastoreId, readPageArguments(page, 'REVISION'));
  }

  /**
   * Makes a new version that is as an older one was, with that one's own secrets.
   * @throws NotFoundError, ValidationError when there is no such version or it does not fit the type any more,
   * SecretsRequiredError for secrets that are not kept or would go elsewhere, NameTakenError, ConflictError
   */
  async revert(access: Access, input: Revert): Promise<Datastore> {
    requireScope(access, 'DATASTORES_WRITE');
    const { datastores, idempotency } = this.#options;
    return idempotency.once(
      await datastores.changeCall(access, 'revertDatastore', input.id, input),
      (keep) => this.#revert(access, input, keep),
      (result) => datastores.again(access, result),
    );
  }

  async #revert(access: Access, input: Revert, keep: KeepResult): Promise<Datastore> {
    for (let attempt = 1; ; attempt += 1) {
      const save = await this.#prepare(access, input);
      const reverted = await this.#options.saver.save(access, {
        ...save,
        keep: (change, firstVersion) => keep(change, { id: input.id, firstVersion }),
      });
      if (reverted) return reverted;
      if (input.expectedVersion != null || attempt === MAX_ATTEMPTS)
        throw new ConflictError('VERSION_CONFLICT', input.id);
    }
  }

  async #prepare(access: Access, input: Revert): Promise<Save> {
    const { database, drafts, proof } = this.#options;
    const stored = await drafts.stored(access, input.id);
    const { datastore: before } = stored;
    if (input.expectedVersion != null && input.expectedVersion !== before.version)
      throw new ConflictError('VERSION_CONFLICT', before.id);
    const revision = await findRevision(database, access, input.id, input.toVersion);
    if (!revision) throw noSuchVersion(input);
    const { secrets, missing } = await this.#secretsOf(stored, revision);
    const config = placeSecrets({ config: deserializeConfig(revision.config), secrets });
    const tenancy = revision.tenancy === null ? null : JSON.parse(revision.tenancy);
    const subject = readRevert({ ...stored.subject, config, tenancy }, input, missing);
    await proof.prove(access, subject, null);
    const { name, label, description, owner_name: ownerName, tags } = revision;
    const words = { description, ownerName, tags: tags === null ? [] : (JSON.parse(tags) as Tag[]) };
    // how often a datastore is checked is no part of a version: a revert does not end its checks
    const details = { ...words, checkEveryMinutes: before.checkEveryMinutes };
    const namePath = pathTo(input, 'toVersion');
    const force = input.force ?? false;
    return { subject, stored, id: before.id, name, namePath, label, details, testId: null, force };
  }

  /** The secrets that a version had, and the paths of those that are not kept any more. */
  async #secretsOf(
    { datastore, secrets: current }: StoredDatastore,
    revision: KeyedRevision,
  ): Promise<{ secrets: ReadonlyMap<string, string>; missing: readonly string[] }> {
    if (revision.version === datastore.version) return { secrets: current, missing: [] };
    try {
      const secrets = await this.#options.history.open(datastore, revision);
      const missing = secrets ? [] : (JSON.parse(revision.secret_paths) as string[]);
      return { secrets: secrets ?? new Map(), missing };
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      const { id, environmentId } = datastore;
      const { version } = revision;
      this.#options.logger.error({ datastoreId: id, environmentId, version, err: error }, SECRETS_DO_NOT_OPEN);
      throw new RequestFault('SECRETS_UNREADABLE');
    }
  }

  /** Erases the secrets that are kept for older versions; those in use stay. @throws NotFoundError */
  async purge(access: Access, datastoreId: string): Promise<Purged> {
    requireScope(access, 'DATASTORES_WRITE');
    const { database, datastores, keyring } = this.#options;
    const { firstVersion, purgedCount } = await database.change(async (change) => {
      const locked = await lockRevised(change, access, datastoreId);
      if (!locked) throw new NotFoundError([datastoreId]);
      const count = await eraseUpTo(change, datastoreId, MAX_VERSION);
      await appendJournal(change, keyring, {
        environmentId: locked.environmentId,
        kind: '',
        action: 'datastore.revision-secrets.purged',
        actor: access.actor,
        subjectType: 'datastore',
        subjectId: datastoreId,
        detail: { purgedCount: count },
      });
      return { firstVersion: locked.firstVersion, purgedCount: count };
    });
    return { datastore: await datastores.again(access, { id: datastoreId, firstVersion }), purgedCount };
  }
}

function noSuchVersion(input: Revert): ValidationError {
  const path = pathTo(input, 'toVersion');
  return new ValidationError([{ path, configPath: null, code: 'NOT_FOUND', message: issueCodes.NOT_FOUND }]);
}
