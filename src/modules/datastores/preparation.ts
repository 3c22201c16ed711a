import { randomUUID } from 'node:crypto';
import { ConflictError, NameTakenError } from '../../errors/api.ts';
import { pathTo } from '../../errors/field-issues.ts';
import type { Database } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { TestOptions, TestSubject } from '../connection-tests/plan.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import type { EnvironmentChoice } from '../environments/service.ts';
import type { Repeatable } from '../idempotency/service.ts';
import { detailsOver, type GivenDetails } from './details.ts';
import { type Draft, type DraftChange, readChange, readReplacement, requireCatalog } from './draft.ts';
import type { DraftReader, StoredDatastore } from './draft-reader.ts';
import type { SaveProof } from './proof.ts';
import { revisionOf } from './revision.ts';
import type { Save } from './save.ts';
import { findByName, findDatastores } from './store.ts';

/** What creating and changing a datastore have in common. */
export interface DatastoreInput extends Repeatable, GivenDetails {
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

/** What a change of a stored datastore may leave behind. */
export interface Forcible {
  /** Whether records of a managed datastore may be left behind that do not fit its data structure. */
  readonly force?: boolean | null | undefined;
}

export interface DatastoreUpdate extends DatastoreInput, DraftChange, Forcible {
  readonly id: string;
  readonly expectedVersion?: number | null | undefined;
}

/** A datastore as it is to be, found by its name. Its config is whole, but for secrets that stay. */
export interface DatastoreUpsert extends DatastoreInput, Draft, EnvironmentChoice, Forcible {
  readonly name: string;
}

export interface SavePreparationOptions {
  readonly database: Database;
  readonly connectionTests: ConnectionTestService;
  readonly drafts: DraftReader;
  readonly proof: Pick<SaveProof, 'prove'>;
}

/** Makes of an input what may be stored: reads it over what is there, checks the whole and runs its test. */
export class SavePreparation {
  readonly #options: SavePreparationOptions;

  constructor(options: SavePreparationOptions) {
    this.#options = options;
  }

  /** @throws ValidationError, NotFoundError, NameTakenError, ConflictError, ConnectionTestFailedError */
  async creation(access: Access, input: NewDatastore): Promise<Save> {
    const { drafts, proof } = this.#options;
    const subject = await drafts.draft(access, input);
    const { connector } = subject;
    mayRefreshCatalog(access, subject, input);
    const id = input.id ?? randomUUID();
    await this.#refuseTaken(access, id, subject.environmentId, input);
    const testId = await proof.prove(access, subject, input.test);
    const name = input.name ?? null;
    const label = input.label ?? name ?? connector.title;
    const details = detailsOver(null, input);
    return { subject, stored: null, id, name, namePath: pathTo(input, 'name'), label, details, testId };
  }

  /** @throws ValidationError, NotFoundError, ConflictError, SecretsRequiredError, ConnectionTestFailedError */
  async update(access: Access, input: DatastoreUpdate): Promise<Save> {
    const { drafts, proof } = this.#options;
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
    const force = input.force ?? false;
    return { subject, stored, id: before.id, name, namePath: pathTo(input, 'name'), label, details, testId, force };
  }

  /**
   * Reads an upsert over the datastore that has its name. `mayUseTestId` is false when an earlier attempt has used the
   * id that its test is to have.
   * @returns null where nothing differs
   * @throws ValidationError, ConflictError, SecretsRequiredError, ConnectionTestFailedError
   */
  async replacement(
    access: Access,
    stored: StoredDatastore,
    input: DatastoreUpsert,
    mayUseTestId: boolean,
  ): Promise<Save | null> {
    const { datastore: before } = stored;
    const { id, name } = before;
    const subject = readReplacement(stored.subject, input);
    mayRefreshCatalog(access, subject, input);
    const { label, details } = { label: input.label ?? before.label, details: detailsOver(before, input) };
    const force = input.force ?? false;
    const save = { subject, stored, id, name, label, details, namePath: pathTo(input, 'name'), force };
    const { changed } = revisionOf({ ...save, testId: null }, access.actor, this.#options.database.clock.timestamp());
    if (changed.length === 0) return null;
    if (!mayUseTestId && input.test?.testId != null) throw new ConflictError('VERSION_CONFLICT', id);
    const needsProof = input.test != null || changed.some((path) => path.startsWith('config.'));
    return { ...save, testId: needsProof ? await this.#options.proof.prove(access, subject, input.test) : null };
  }

  /** Begins to read the catalog of what has been stored, when the input asks for it. */
  async refreshCatalog(access: Access, id: string, { path, refreshCatalog }: DatastoreInput): Promise<void> {
    if (!refreshCatalog) return;
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

/** Refuses a catalog that cannot be read. @throws ValidationError for a type without one, RequestFault FORBIDDEN */
function mayRefreshCatalog(access: Access, { connector }: TestSubject, input: DatastoreInput): void {
  if (!input.refreshCatalog) return;
  requireCatalog(connector, pathTo(input, 'refreshCatalog'));
  requireScope(access, 'DATASTORES_TEST');
}
