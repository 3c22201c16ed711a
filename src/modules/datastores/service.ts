import { ConflictError, NameTakenError, NotFoundError } from '../../errors/api.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { maxPageSize, type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import type { Call, CallResult, Idempotency, KeepResult, Repeatable } from '../idempotency/service.ts';
import type { AskedOfDatastores } from './asked.ts';
import type { Datastore } from './datastore.ts';
import type { DraftReader } from './draft-reader.ts';
import { countDatastores, type DatastoreCount, listDatastores, orderName } from './list-store.ts';
import type { DatastoreUpdate, DatastoreUpsert, NewDatastore, SavePreparation } from './preparation.ts';
import type { DatastoreQuery } from './query.ts';
import type { DatastoreSaver } from './save.ts';
import { findByName, findDatastores } from './store.ts';

/** How often an update that names no version, or an upsert, is tried at most when others come first. */
const MAX_ATTEMPTS = 5;

const EVERY: Omit<DatastoreQuery, 'environmentId' | 'names'> = {
  ids: null,
  types: null,
  search: null,
  tags: [],
  lastTestStatus: null,
  health: null,
  inUse: null,
  updatedSince: null,
  order: { field: 'NAME', direction: 'ASC' },
};

export type UpsertOutcome = 'CREATED' | 'UPDATED' | 'UNCHANGED';

/** What an upsert has come to. */
export interface Upserted {
  readonly datastore: Datastore;
  readonly outcome: UpsertOutcome;
}

/** A datastore by its name, which is unique within an environment. */
export interface DatastoreName extends EnvironmentChoice {
  readonly name: string;
}

export interface DatastoreServiceOptions {
  readonly database: Database;
  readonly environments: EnvironmentService;
  readonly drafts: DraftReader;
  readonly preparation: SavePreparation;
  readonly saver: DatastoreSaver;
  readonly idempotency: Idempotency;
}

/** Finds, creates and changes datastores. */
export class DatastoreService {
  readonly #options: DatastoreServiceOptions;

  constructor(options: DatastoreServiceOptions) {
    this.#options = options;
  }

  /**
   * Returns datastores in the order of the ids, with null where there is none that the caller may see. What is not
   * asked for may be missing in them; without `asked` all of them is there.
   */
  async find(access: Access, ids: readonly string[], asked?: AskedOfDatastores): Promise<(Datastore | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const datastores = await findDatastores(this.#options.database, access, ids, asked);
    const found = new Map(datastores.map((one) => [one.id, one]));
    return ids.map((id) => found.get(id) ?? null);
  }

  /** The same for one; null where there is none. */
  async findOne(access: Access, id: string, asked: AskedOfDatastores): Promise<Datastore | null> {
    requireScope(access, 'DATASTORES_READ');
    const [found = null] = await findDatastores(this.#options.database, access, [id], asked);
    return found;
  }

  /**
   * Finds a datastore by its name; null when there is none that the caller may see.
   * @throws ValidationError when no environment is named and the caller has several or none
   */
  async findByName(access: Access, wanted: DatastoreName): Promise<Datastore | null> {
    requireScope(access, 'DATASTORES_READ');
    const { database, environments } = this.#options;
    const environmentId = wanted.environmentId ?? (await environments.resolve(access, wanted)).id;
    return findByName(database, access, environmentId, wanted.name);
  }

  /** Lists datastores, of which what is not asked for may be missing. Left out: all of them is there. */
  async list(
    access: Access,
    query: DatastoreQuery,
    page: PageArguments,
    asked?: AskedOfDatastores,
  ): Promise<Page<Datastore>> {
    requireScope(access, 'DATASTORES_READ');
    return listDatastores(this.#options.database, access, query, readPageArguments(page, orderName(query)), asked);
  }

  /** Reads all datastores of an environment, or those of them that have these names, sorted by name. */
  async everyIn(access: Access, environmentId: string, names: readonly string[] | null): Promise<Datastore[]> {
    const { database } = this.#options;
    const query = { ...EVERY, environmentId, names };
    const found: Datastore[] = [];
    for (let after: string | null = null; ; ) {
      const page = readPageArguments({ first: maxPageSize, after }, orderName(query));
      const { edges, hasNextPage }: Page<Datastore> = await listDatastores(database, access, query, page);
      found.push(...edges.map(({ node }) => node));
      if (!hasNextPage) return found;
      after = edges.at(-1)?.cursor ?? null;
    }
  }

  async count(access: Access, query: DatastoreQuery): Promise<DatastoreCount> {
    requireScope(access, 'DATASTORES_READ');
    return countDatastores(this.#options.database, access, query);
  }

  /**
   * Checks the input, tests the connection when asked to, and stores the datastore with its secrets sealed.
   * @throws ValidationError, NotFoundError, NameTakenError, ConflictError, ConnectionTestFailedError
   */
  async create(access: Access, input: NewDatastore): Promise<Datastore> {
    requireScope(access, 'DATASTORES_WRITE');
    return this.#options.idempotency.once(
      await this.creationCall(access, input),
      (keep) => this.#create(access, input, keep),
      (result) => this.again(access, result),
    );
  }

  /** Recognises the creation of a datastore that is asked for again; null where it has no key. */
  creationCall(access: Access, input: NewDatastore): Promise<Call | null> {
    return this.#callIn(access, 'createDatastore', input);
  }

  updateCall(access: Access, input: DatastoreUpdate): Promise<Call | null> {
    return this.changeCall(access, 'updateDatastore', input.id, input);
  }

  /** Recognises the change of a datastore that is asked for again; null where it has no key, or there is nothing. */
  async changeCall(access: Access, operation: string, id: string, input: Repeatable): Promise<Call | null> {
    if (input.idempotencyKey == null) return null;
    const { database, idempotency } = this.#options;
    const [stored] = await findDatastores(database, access, [id]);
    return stored ? idempotency.callOf(access, { operation, environmentId: stored.environmentId }, input) : null;
  }

  async #callIn(access: Access, operation: string, input: Repeatable & EnvironmentChoice): Promise<Call | null> {
    if (input.idempotencyKey == null) return null;
    const { environments, idempotency } = this.#options;
    const { id: environmentId } = await environments.resolve(access, input);
    return idempotency.callOf(access, { operation, environmentId }, input);
  }

  /** What an earlier call came to, as it is now. @throws NotFoundError when it was deleted since */
  async again(access: Access, { id, firstVersion = 1 }: CallResult): Promise<Datastore> {
    const [datastore] = await findDatastores(this.#options.database, access, [id]);
    if (datastore?.firstVersion !== firstVersion) throw new NotFoundError([id]);
    return datastore;
  }

  async #create(access: Access, input: NewDatastore, keep: KeepResult): Promise<Datastore> {
    const { preparation, saver } = this.#options;
    const save = await preparation.creation(access, input);
    const created = await saver.save(access, {
      ...save,
      keep: (change, firstVersion) => keep(change, { id: save.id, firstVersion }),
    });
    if (!created) throw new Error('a new datastore takes the place of none');
    await preparation.refreshCatalog(access, created.id, input);
    return created;
  }

  /**
   * Changes what the input gives; what it leaves out stays as it is. The merged whole is checked, then tested when
   * asked to.
   * @throws ValidationError, NotFoundError, NameTakenError, ConflictError, SecretsRequiredError,
   * ConnectionTestFailedError
   */
  async update(access: Access, input: DatastoreUpdate): Promise<Datastore> {
    requireScope(access, 'DATASTORES_WRITE');
    return this.#options.idempotency.once(
      await this.updateCall(access, input),
      (keep) => this.#update(access, input, keep),
      (result) => this.again(access, result),
    );
  }

  async #update(access: Access, input: DatastoreUpdate, keep: KeepResult): Promise<Datastore> {
    const { preparation, saver } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const save = await preparation.update(access, input);
      const updated = await saver.save(access, {
        ...save,
        keep: (change, firstVersion) => keep(change, { id: save.id, firstVersion }),
      });
      if (updated) {
        await preparation.refreshCatalog(access, updated.id, input);
        return updated;
      }
      // a caller that named no version and asked for no test wants these fields changed, whatever else has changed
      // meanwhile
      const mayRetry = input.expectedVersion == null && input.test == null && attempt < MAX_ATTEMPTS;
      if (!mayRetry) throw new ConflictError('VERSION_CONFLICT', input.id);
    }
  }

  /**
   * Creates the datastore of this name, or changes it to be as the input says. Where nothing differs, nothing is tested
   * and nothing stored.
   * @throws ValidationError, NotFoundError, ConflictError when others came first each time, SecretsRequiredError,
   * ConnectionTestFailedError
   */
  async upsert(access: Access, input: DatastoreUpsert): Promise<Upserted> {
    requireScope(access, 'DATASTORES_WRITE');
    if (input.test || input.refreshCatalog) requireScope(access, 'DATASTORES_TEST');
    return this.#options.idempotency.once(
      await this.#callIn(access, 'upsertDatastore', input),
      (keep) => this.#upsert(access, input, keep),
      async (result) => ({
        datastore: await this.again(access, result),
        outcome: result.outcome as UpsertOutcome,
      }),
    );
  }

  async #upsert(access: Access, input: DatastoreUpsert, keep: KeepResult): Promise<Upserted> {
    const { database, environments } = this.#options;
    const { id: environmentId } = await environments.resolve(access, input);
    for (let attempt = 1; ; attempt += 1) {
      const known = await findByName(database, access, environmentId, input.name);
      const done = known
        ? await this.#tryReplace(access, known.id, input, attempt, keep)
        : await this.#tryCreate(access, { ...input, environmentId }, keep);
      if (done) return done;
      if (attempt === MAX_ATTEMPTS) throw new ConflictError('VERSION_CONFLICT', known?.id);
    }
  }

  /** Creates a datastore. @returns undefined when another one has its name first */
  async #tryCreate(access: Access, input: DatastoreUpsert, keep: KeepResult): Promise<Upserted | undefined> {
    const outcome = 'CREATED';
    try {
      const keepIt: KeepResult = (change, result) => keep(change, { ...result, outcome });
      return { datastore: await this.#create(access, input, keepIt), outcome };
    } catch (error) {
      if (error instanceof NameTakenError) return undefined;
      throw error;
    }
  }

  /**
   * Changes a datastore to be as an upsert says. @returns undefined when another change of it came first
   * @throws ConflictError when it is to be tested by an id that an earlier attempt has used
   */
  async #tryReplace(
    access: Access,
    id: string,
    input: DatastoreUpsert,
    attempt: number,
    keep: KeepResult,
  ): Promise<Upserted | undefined> {
    const { database, drafts, preparation, saver } = this.#options;
    const stored = await drafts.stored(access, id).catch(unlessGone);
    if (stored?.datastore.name !== input.name) return undefined;
    const save = await preparation.replacement(access, stored, input, attempt === 1);
    const { firstVersion } = stored.datastore;
    const outcome = save ? 'UPDATED' : 'UNCHANGED';
    const keepIt = (change: Change) => keep(change, { id, firstVersion, outcome });
    if (!save) {
      if (input.idempotencyKey != null) await database.change(keepIt);
      return { datastore: stored.datastore, outcome };
    }
    const datastore = await saver.save(access, { ...save, keep: keepIt });
    if (datastore) await preparation.refreshCatalog(access, id, input);
    return datastore && { datastore, outcome };
  }
}

/** Takes what does not exist any more for nothing. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error;
}
