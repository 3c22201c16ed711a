import { randomUUID } from 'node:crypto';
import { ConflictError, NameTakenError, NotFoundError } from '../../errors/api.ts';
import { type Given, pathTo } from '../../errors/field-issues.ts';
import type { Database } from '../../platform/database.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { TestOptions, TestSubject } from '../connection-tests/plan.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import type { EnvironmentChoice, EnvironmentService } from '../environments/service.ts';
import type { Datastore } from './datastore.ts';
import { detailsOver, type GivenDetails } from './details.ts';
import { type Draft, type DraftChange, readChange, readReplacement, requireCatalog } from './draft.ts';
import type { DraftReader } from './draft-reader.ts';
import type { SaveProof } from './proof.ts';
import { revisionOf } from './revision.ts';
import type { DatastoreSaver } from './save.ts';
import {
  countDatastores,
  type DatastoreQuery,
  findByName,
  findDatastores,
  listDatastores,
  orderName,
} from './store.ts';

/** How often an update that names no version, or an upsert, is tried at most when others come first. */
const MAX_ATTEMPTS = 5;

/** What creating and changing a datastore have in common. */
interface DatastoreInput extends Given, GivenDetails {
  readonly name?: string | null | undefined;
  readonly label?: string | null | undefined;
  /** When it is left out, the datastore is stored untested. */
  readonly test?: TestOptions | null | undefined;
  /** Reads the catalog once stored; its failure undoes nothing. */
  readonly refreshCatalog?: boolean | null | undefined;
}

export interface NewDatastore extends DatastoreInput, Draft, EnvironmentChoice {
  readonly id?: string | null | undefined;
}

export interface DatastoreUpdate extends DatastoreInput, DraftChange {
  readonly id: string;
  readonly expectedVersion?: number | null | undefined;
}

/** A datastore as it is to be, found by its name. Its config is whole, but for secrets that stay. */
export interface DatastoreUpsert extends DatastoreInput, Draft, EnvironmentChoice {
  readonly name: string;
}

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
  readonly connectionTests: ConnectionTestService;
  readonly drafts: DraftReader;
  readonly proof: SaveProof;
  readonly saver: DatastoreSaver;
}

/** Finds, creates and changes datastores. */
export class DatastoreService {
  readonly #options: DatastoreServiceOptions;

  constructor(options: DatastoreServiceOptions) {
    this.#options = options;
  }

  /** Returns datastores in the order of the ids, with null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(Datastore | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = new Map((await findDatastores(this.#options.database, access, ids)).map((one) => [one.id, one]));
    return ids.map((id) => found.get(id) ?? null);
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

  async list(access: Access, query: DatastoreQuery, page: PageArguments): Promise<Page<Datastore>> {
    requireScope(access, 'DATASTORES_READ');
    return listDatastores(this.#options.database, access, query, readPageArguments(page, orderName(query)));
  }

  async count(access: Access, query: DatastoreQuery): Promise<number> {
    requireScope(access, 'DATASTORES_READ');
    return countDatastores(this.#options.database, access, query);
  }

  /**
   * Checks the input, tests the connection when asked to, and stores the datastore with its secrets sealed.
   * @throws ValidationError, NotFoundError, NameTakenError, ConflictError, ConnectionTestFailedError
   */
  async create(access: Access, input: NewDatastore): Promise<Datastore> {
    requireScope(access, 'DATASTORES_WRITE');
    const { drafts, proof, saver } = this.#options;
    const subject = await drafts.draft(access, input);
    const { connector } = subject;
    mayRefreshCatalog(access, subject, input);
    const id = input.id ?? randomUUID();
    await this.#refuseTaken(access, id, subject.environmentId, input);
    const testId = await proof.prove(access, subject, input.test);
    const name = input.name ?? null;
    const label = input.label ?? name ?? connector.title;
    const details = detailsOver(null, input);
    const save = { subject, stored: null, id, name, namePath: pathTo(input, 'name'), label, details, testId };
    const created = await saver.save(access, save);
    if (!created) throw new Error('a new datastore takes the place of none');
    if (input.refreshCatalog) await this.#refreshCatalog(access, id, input);
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
    for (let attempt = 1; ; attempt += 1) {
      const updated = await this.#tryUpdate(access, input);
      if (updated && input.refreshCatalog) await this.#refreshCatalog(access, updated.id, input);
      if (updated) return updated;
      // a caller that named no version and asked for no test wants these fields changed, whatever else has changed
      // meanwhile
      const mayRetry = input.expectedVersion == null && input.test == null && attempt < MAX_ATTEMPTS;
      if (!mayRetry) throw new ConflictError('VERSION_CONFLICT', input.id);
    }
  }

  /** Tries an update once. @returns undefined when another change came first */
  async #tryUpdate(access: Access, input: DatastoreUpdate): Promise<Datastore | undefined> {
    const { drafts, proof, saver } = this.#options;
    const stored = await drafts.stored(access, input.id);
    const { datastore: before } = stored;
    if (input.expectedVersion != null && input.expectedVersion !== before.version)
      throw new ConflictError('VERSION_CONFLICT', before.id);
    const subject = readChange(stored.subject, input);
    mayRefreshCatalog(access, subject, input);
    const needsProof = input.test != null || subject.config !== stored.subject.config;
    const testId = needsProof ? await proof.prove(access, subject, input.test) : null;
    const { name, label } = { name: input.name ?? before.name, label: input.label ?? before.label };
    const details = detailsOver(before, input);
    const namePath = pathTo(input, 'name');
    return saver.save(access, { subject, stored, id: before.id, name, namePath, label, details, testId });
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
    const { database, environments } = this.#options;
    const { id: environmentId } = await environments.resolve(access, input);
    for (let attempt = 1; ; attempt += 1) {
      const known = await findByName(database, access, environmentId, input.name);
      const done = known
        ? await this.#tryReplace(access, known.id, input, attempt)
        : await this.#tryCreate(access, { ...input, environmentId });
      if (done) return done;
      if (attempt === MAX_ATTEMPTS) throw new ConflictError('VERSION_CONFLICT', known?.id);
    }
  }

  /** Creates a datastore. @returns undefined when another one has its name first */
  async #tryCreate(access: Access, input: DatastoreUpsert): Promise<Upserted | undefined> {
    try {
      return { datastore: await this.create(access, input), outcome: 'CREATED' };
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
  ): Promise<Upserted | undefined> {
    const { drafts, proof, saver } = this.#options;
    const stored = await drafts.stored(access, id).catch(unlessGone);
    if (stored?.datastore.name !== input.name) return undefined;
    const { datastore: before } = stored;
    const subject = readReplacement(stored.subject, input);
    mayRefreshCatalog(access, subject, input);
    const { label, details } = { label: input.label ?? before.label, details: detailsOver(before, input) };
    const save = { subject, stored, id, name: before.name, label, details, namePath: pathTo(input, 'name') };
    const { changed } = revisionOf({ ...save, testId: null }, access.actor);
    if (changed.length === 0) return { datastore: before, outcome: 'UNCHANGED' };
    if (attempt > 1 && input.test?.testId != null) throw new ConflictError('VERSION_CONFLICT', id);
    const needsProof = input.test != null || changed.some((path) => path.startsWith('config.'));
    const testId = needsProof ? await proof.prove(access, subject, input.test) : null;
    const datastore = await saver.save(access, { ...save, testId });
    if (datastore && input.refreshCatalog) await this.#refreshCatalog(access, id, input);
    return datastore && { datastore, outcome: 'UPDATED' };
  }

  async #refreshCatalog(access: Access, id: string, { path }: Given): Promise<void> {
    const { connectionTests, drafts } = this.#options;
    const { subject } = await drafts.stored(access, id);
    await connectionTests.start(access, subject, 'CATALOG', { path });
  }

  /** Refuses a taken name or id before a test is run for nothing. The database has the last word. */
  async #refuseTaken(access: Access, id: string, environmentId: string, input: NewDatastore): Promise<void> {
    const { database } = this.#options;
    if (input.name != null && (await findByName(database, access, environmentId, input.name)))
      throw new NameTakenError(pathTo(input, 'name'));
    const [known] = await findDatastores(database, access, [id]);
    if (known) throw new ConflictError('ID_TAKEN');
  }
}

/** Takes what does not exist any more for nothing. */
function unlessGone(error: unknown): undefined {
  if (!(error instanceof NotFoundError)) throw error;
}

/** Refuses a catalog that cannot be read. @throws ValidationError for a type without one, RequestFault FORBIDDEN */
function mayRefreshCatalog(access: Access, { connector }: TestSubject, input: DatastoreInput): void {
  if (!input.refreshCatalog) return;
  requireCatalog(connector, pathTo(input, 'refreshCatalog'));
  requireScope(access, 'DATASTORES_TEST');
}
