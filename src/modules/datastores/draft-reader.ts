import { placeSecrets } from '../../connectors/kit/config/shape.ts';
import { connectorOf } from '../../connectors/registry.ts';
import { NotFoundError } from '../../errors/api.ts';
import type { Database } from '../../platform/database.ts';
import type { Sealer } from '../../platform/sealer.ts';
import type { Access } from '../access/access.ts';
import type { TestSubject } from '../connection-tests/plan.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import type { Datastore } from './datastore.ts';
import { type Draft, type DraftChange, type DraftSubject, readChange, readDraft } from './draft.ts';
import { findDatastores, readSealed } from './store.ts';

/** How often a datastore is read at most, when changes replace its secrets between two statements. */
const MAX_ATTEMPTS = 5;

/** A datastore, and what a test of it or a change over it begins with. */
export interface StoredDatastore {
  readonly datastore: Datastore;
  readonly subject: TestSubject;
}

/** Turns what a caller names or gives into what can be tested and stored. Only it and the test runner read secrets. */
export class DraftReader {
  readonly #database: Database;
  readonly #sealer: Sealer;
  readonly #environments: EnvironmentService;

  constructor(database: Database, sealer: Sealer, environments: EnvironmentService) {
    this.#database = database;
    this.#sealer = sealer;
    this.#environments = environments;
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

  /** Reads a stored datastore with its secrets. @throws NotFoundError */
  async stored(access: Access, id: string): Promise<StoredDatastore> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const [datastore] = await findDatastores(this.#database, access, [id]);
      if (!datastore) throw new NotFoundError([id]);
      const secrets = await this.#secretsOf(datastore);
      if (secrets) return { datastore, subject: subjectOf(datastore, secrets) };
    }
    throw new Error('a datastore without its secrets');
  }

  /**
   * Opens a datastore's secrets, by config path. @returns undefined when a change has replaced some since it was read
   */
  async #secretsOf(datastore: Datastore): Promise<ReadonlyMap<string, string> | undefined> {
    const ids = datastore.secrets.map((secret) => secret.id);
    const sealed = await readSealed(this.#database, ids);
    if (!ids.every((id) => sealed.has(id))) return undefined;
    const secrets = new Map<string, string>();
    for (const { path, id } of datastore.secrets) {
      const place = { environmentId: datastore.environmentId, ownerId: datastore.id, path };
      secrets.set(path, await this.#sealer.open(place, sealed.get(id) ?? ''));
    }
    return secrets;
  }
}

function subjectOf(datastore: Datastore, secrets: ReadonlyMap<string, string>): TestSubject {
  return {
    connector: connectorOf(datastore.type),
    config: placeSecrets({ config: datastore.config, secrets }),
    tenancy: datastore.tenancy,
    environmentId: datastore.environmentId,
    datastoreId: datastore.id,
    isStored: true,
  };
}
