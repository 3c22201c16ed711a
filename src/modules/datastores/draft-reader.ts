import { placeSecrets } from '../../connectors/kit/config/shape.ts';
import { connectorOf } from '../../connectors/registry.ts';
import { NotFoundError, RequestFault } from '../../errors/api.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Access } from '../access/access.ts';
import type { TestSubject } from '../connection-tests/plan.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import { type Datastore, secretOwner } from './datastore.ts';
import { type Draft, type DraftChange, type DraftSubject, readChange, readDraft } from './draft.ts';
import { findWithSecrets, type SealedSecrets } from './store.ts';

/** A datastore, and what a test of it or a change over it begins with. */
export interface StoredDatastore {
  readonly datastore: Datastore;
  readonly subject: TestSubject;
  /** Its secrets, by config path. */
  readonly secrets: ReadonlyMap<string, string>;
  /** The config paths of the destinations that its secrets are sealed for; null for none. */
  readonly sealedFor: readonly string[] | null;
}

/** Turns what a caller names or gives into what can be tested and stored. Only it and the test runner read secrets. */
export class DraftReader {
  readonly #database: Database;
  readonly #sealer: Sealer;
  readonly #environments: EnvironmentService;
  readonly #logger: Logger;

  constructor(database: Database, sealer: Sealer, environments: EnvironmentService, logger: Logger) {
    this.#database = database;
    this.#sealer = sealer;
    this.#environments = environments;
    this.#logger = logger;
  }

  /** Reads a new datastore. @throws ValidationError, NotFoundError for its environment */
  async draft(access: Access, draft: Draft & EnvironmentChoice): Promise<DraftSubject> {
    const environment = await this.#environments.resolve(access, draft);
    return readDraft(draft, environment.id);
  }

  /** Reads a change over a stored datastore. @throws ValidationError, SecretsRequiredError, NotFoundError */
  async change(access: Access, id: string, change: DraftChange): Promise<DraftSubject> {
    const { subject } = await this.stored(access, id);
    return readChange(subject, change);
  }

  /**
   * Reads a stored datastore with its secrets. @throws NotFoundError, RequestFault SECRETS_UNREADABLE when it was
   * changed outside of the gateway
   */
  async stored(access: Access, id: string): Promise<StoredDatastore> {
    const found = await findWithSecrets(this.#database, access, id);
    if (!found) throw new NotFoundError([id]);
    const { datastore, sealed } = found;
    const secrets = await this.#opened(datastore, sealed);
    return { datastore, subject: subjectOf(datastore, secrets), secrets, sealedFor: sealed.key?.boundTo ?? null };
  }

  async #opened(datastore: Datastore, sealed: SealedSecrets): Promise<ReadonlyMap<string, string>> {
    try {
      return await openSecrets(this.#sealer, datastore, sealed);
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      const { id, environmentId } = datastore;
      this.#logger.error({ datastoreId: id, environmentId, err: error }, SECRETS_DO_NOT_OPEN);
      throw new RequestFault('SECRETS_UNREADABLE');
    }
  }
}

/** Is logged of a datastore that was changed outside of the gateway. */
export const SECRETS_DO_NOT_OPEN = 'the secrets of a datastore do not open beside its config';

/** Opens a datastore's secrets, by config path. @throws UnsealError */
export async function openSecrets(
  sealer: Sealer,
  datastore: Datastore,
  { key, texts }: SealedSecrets,
  query?: Change['query'],
): Promise<Map<string, string>> {
  const secrets = new Map<string, string>();
  const opened = key && (await sealer.openKey(secretOwner(datastore, key.boundTo), key, query));
  for (const { path, id } of datastore.secrets) {
    const text = texts.get(id) ?? '';
    secrets.set(
      path,
      opened ? opened.open(path, text) : await sealer.openOldForm(secretOwner(datastore, []), path, text, query),
    );
  }
  return secrets;
}

function subjectOf(datastore: Datastore, secrets: ReadonlyMap<string, string>): TestSubject {
  return {
    connector: connectorOf(datastore.type),
    config: placeSecrets({ config: datastore.config, secrets }),
    tenancy: datastore.tenancy,
    environmentId: datastore.environmentId,
    datastoreId: datastore.id,
    storedVersion: datastore.version,
    firstVersion: datastore.firstVersion,
  };
}
