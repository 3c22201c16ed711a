import { randomUUID } from 'node:crypto';
import { bastionOf } from '../../connectors/kit/checks/endpoint.ts';
import { type FullConfig, placeSecrets, splitSecrets } from '../../connectors/kit/config/shape.ts';
import { connectorId, type Target } from '../../connectors/kit/contract/connector.ts';
import { connectorOf } from '../../connectors/registry.ts';
import {
  ConflictError,
  ConnectionTestFailedError,
  NameTakenError,
  NotFoundError,
  ValidationError,
} from '../../errors/api.ts';
import { type FieldIssue, issueCodes } from '../../errors/field-issues.ts';
import type { Executor, JudgedTarget } from '../../executor/executor.ts';
import { type Change, type Database, isForeignKeyViolation, isUniqueViolation } from '../../platform/database.ts';
import { appendJournal } from '../../platform/journal.ts';
import type { Keyring } from '../../platform/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Sealer } from '../../platform/sealer.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { ConnectionTestService, TestOptions, TestSubject } from '../connection-tests/service.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { EnvironmentService } from '../environments/service.ts';
import { changedPaths, type Datastore, keptSecrets, nameFrom, numbered, type StoredSecret } from './datastore.ts';
import {
  applyPatch,
  checkedConfig,
  configIssue,
  type GivenConfig,
  type GivenTenancy,
  givenConfig,
  type KeyedConfig,
  patchOf,
  requireCatalog,
  requireNeededToSave,
  tenancyOf,
  withConfigSecret,
} from './draft.ts';
import {
  countDatastores,
  type DatastoreQuery,
  deleteDatastoreRows,
  deleteSecrets,
  findByName,
  findDatastores,
  insertDatastore,
  insertSecret,
  isUsedId,
  listDatastores,
  lockDatastores,
  lockEnvironmentsDatastores,
  lockNames,
  namesLike,
  orderName,
  readSealed,
  replaceDatastore,
} from './store.ts';

const JUDGE_TIMEOUT_MS = 5_000;
const MAX_ATTEMPTS = 5;

export interface NewDatastore {
  readonly id?: string | null | undefined;
  readonly environmentId?: string | null | undefined;
  readonly name?: string | null | undefined;
  readonly label?: string | null | undefined;
  readonly config: KeyedConfig;
  readonly configSecret?: string | null | undefined;
  readonly tenancy?: GivenTenancy;
  readonly test?: TestOptions | null | undefined;
  /** Reads the catalog once stored; its failure undoes nothing. */
  readonly refreshCatalog?: boolean | undefined;
}

export interface DatastoreUpdate {
  readonly id: string;
  readonly expectedVersion?: number | null | undefined;
  readonly name?: string | null | undefined;
  readonly label?: string | null | undefined;
  readonly config?: KeyedConfig | null | undefined;
  readonly configSecret?: string | null | undefined;
  /** Replaced as a whole; null = removed. */
  readonly tenancy?: GivenTenancy;
  readonly test?: TestOptions | null | undefined;
  readonly refreshCatalog?: boolean | undefined;
}

/** Exactly one of the three, as GraphQL hands it over. */
export interface TestTarget {
  readonly datastoreId?: string | null | undefined;
  readonly draft?: Pick<NewDatastore, 'environmentId' | 'config' | 'configSecret' | 'tenancy'> | null | undefined;
  readonly change?:
    | (Pick<DatastoreUpdate, 'config' | 'configSecret' | 'tenancy'> & { readonly datastoreId: string })
    | null
    | undefined;
}

export type DatastoreSelection =
  | { readonly ids: readonly string[] }
  | { readonly all: { readonly environmentId: string; readonly exceptIds: readonly string[] } };

export interface DatastoreServiceOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly sealer: Sealer;
  readonly executor: Executor;
  readonly environments: EnvironmentService;
  readonly connectionTests: ConnectionTestService;
}

/** Datastores: kept, changed, found, and handed to connection tests. */
export class DatastoreService {
  readonly #options: DatastoreServiceOptions;

  constructor(options: DatastoreServiceOptions) {
    this.#options = options;
  }

  /** In the order of the ids; null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(Datastore | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const found = new Map((await findDatastores(this.#options.database, access, ids)).map((one) => [one.id, one]));
    return ids.map((id) => found.get(id) ?? null);
  }

  async findByName(access: Access, environmentId: string | null | undefined, name: string): Promise<Datastore | null> {
    requireScope(access, 'DATASTORES_READ');
    const [visible] = environmentId == null ? [] : await this.#options.environments.find(access, [environmentId]);
    if (environmentId != null && !visible) return null;
    const environment = visible ?? (await this.#options.environments.resolve(access, null, ['environmentId']));
    return findByName(this.#options.database, access, environment.id, name);
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
    const { connectionTests, database } = this.#options;
    const given = givenConfig(input.config, ['input', 'config']);
    const { connector, path } = given;
    const environment = await this.#options.environments.resolve(access, input.environmentId, [
      'input',
      'environmentId',
    ]);
    const config = checkedConfig(connector, withConfigSecret(given, input.configSecret), path);
    const id = input.id?.toLowerCase() ?? randomUUID();
    const label = input.label ?? input.name ?? connector.title;
    await this.#refuseTaken(access, id, environment.id, input.name);
    const tenancy = tenancyOf(connector, input.tenancy, ['input', 'tenancy']);
    requireCatalog(connector, input.refreshCatalog);
    if (input.refreshCatalog) requireScope(access, 'DATASTORES_TEST');
    const subject = { connector, config, tenancy, environmentId: environment.id, datastoreId: null, isStored: false };
    const testId = await this.#proveOrJudge(access, subject, input.test, given);
    const at = new Date().toISOString();
    const by = access.tokenName;
    const { config: publicConfig, secrets } = splitSecrets(connector, config);
    const created = await this.#unique(environment.id, async () =>
      database.change(async (change) => {
        if (await isUsedId(change, id)) throw new ConflictError('ID_TAKEN');
        const name =
          input.name ?? (await this.#freeName(change, environment.id, nameFrom(label, connectorId(connector))));
        const draft = {
          id,
          type: connector.type,
          environmentId: environment.id,
          name,
          label,
          config: publicConfig,
          tenancy,
          version: 1,
        };
        const stamps = { createdAt: at, updatedAt: at, createdBy: by, updatedBy: by, lastTestId: testId };
        const datastore = {
          ...draft,
          ...stamps,
          secrets: [...secrets.keys()].map((path) => ({ path, id: randomUUID(), updatedAt: at })),
        };
        await insertDatastore(change, datastore);
        await this.#seal(change, datastore, secrets, datastore.secrets);
        if (testId) await connectionTests.adopt(change, testId, id);
        await this.#journal(change, access, 'CREATED', datastore, { type: datastore.type, name, label, version: 1 });
        return datastore;
      }),
    );
    if (input.refreshCatalog) await this.refreshCatalog(access, id, catalogOptions);
    return created;
  }

  /**
   * Changes what the input gives: left out = unchanged. The merged whole is checked, then tested when asked to.
   * @throws ValidationError, NotFoundError, NameTakenError, ConflictError, SecretsRequiredError, ConnectionTestFailedError
   */
  async update(access: Access, input: DatastoreUpdate): Promise<Datastore> {
    requireScope(access, 'DATASTORES_WRITE');
    for (let attempt = 1; ; attempt += 1) {
      const { datastore: before, config: stored } = await this.#withSecrets(access, input.id);
      if (input.expectedVersion != null && input.expectedVersion !== before.version)
        throw new ConflictError('VERSION_CONFLICT', before.id);
      const after = await this.#updated(access, before, stored, input);
      if (after && input.refreshCatalog) await this.refreshCatalog(access, after.id, catalogOptions);
      if (after) return after;
      // whoever named no version and asked for no test wants his fields changed, whatever else has changed meanwhile
      const mayRetry = input.expectedVersion == null && input.test == null && attempt < MAX_ATTEMPTS;
      if (!mayRetry) throw new ConflictError('VERSION_CONFLICT', before.id);
    }
  }

  /** @returns undefined when another change came first */
  async #updated(
    access: Access,
    before: Datastore,
    stored: FullConfig,
    input: DatastoreUpdate,
  ): Promise<Datastore | undefined> {
    const connector = connectorOf(before.type);
    const given = patchOf(connector, input.config, ['input', 'config']);
    const config = input.config || input.configSecret != null ? applyPatch(given, stored, input.configSecret) : stored;
    const tenancy =
      input.tenancy === undefined ? before.tenancy : tenancyOf(connector, input.tenancy, ['input', 'tenancy']);
    requireCatalog(connector, input.refreshCatalog);
    if (input.refreshCatalog) requireScope(access, 'DATASTORES_TEST');
    const known = { connector, environmentId: before.environmentId, datastoreId: before.id };
    const subject = { ...known, config, tenancy, isStored: false };
    const testId =
      input.test || config !== stored ? await this.#proveOrJudge(access, subject, input.test, given) : null;
    const { config: publicConfig, secrets } = splitSecrets(connector, config);
    const at = new Date().toISOString();
    const kept = keptSecrets(before, splitSecrets(connector, stored).secrets, secrets);
    const changed = [...secrets.keys()].filter((path) => !kept.some((secret) => secret.path === path));
    const added = changed.map((path) => ({ path, id: randomUUID(), updatedAt: at }));
    const now = {
      name: input.name ?? before.name,
      label: input.label ?? before.label,
      tenancy,
      config: publicConfig,
      secrets: [...kept, ...added],
    };
    const paths = changedPaths(before, now);
    if (paths.length === 0 && !testId) return before;
    const stamps = { version: before.version + 1, updatedAt: at, updatedBy: access.tokenName };
    const after = {
      ...before,
      ...(paths.length > 0 ? { ...now, ...stamps } : {}),
      lastTestId: testId ?? before.lastTestId,
    };
    return this.#unique(before.environmentId, () =>
      this.#options.database.change(async (change) => {
        // a passed test is adopted by the version that it was about, never by another
        if (!(await replaceDatastore(change, after, before.version))) return undefined;
        if (testId) await this.#options.connectionTests.adopt(change, testId, before.id);
        if (paths.length === 0) return after;
        await this.#seal(change, after, secrets, added);
        await deleteSecrets(
          change,
          before.secrets.filter((secret) => !kept.includes(secret)).map((secret) => secret.id),
        );
        await this.#journal(change, access, 'UPDATED', after, { version: after.version, changed: paths });
        return after;
      }),
    );
  }

  /** All of them or, when one is missing, none. @throws NotFoundError naming those that are missing */
  async delete(access: Access, selection: DatastoreSelection): Promise<string[]> {
    requireScope(access, 'DATASTORES_WRITE');
    if ('all' in selection) await this.#options.environments.resolve(access, selection.all.environmentId, []);
    return this.#options.database.change(async (change) => {
      const doomed =
        'all' in selection
          ? await lockEnvironmentsDatastores(
              change,
              access,
              selection.all.environmentId,
              new Set(selection.all.exceptIds),
            )
          : await lockDatastores(change, access, [...new Set(selection.ids)]);
      const found = new Set(doomed.map((datastore) => datastore.id));
      const missing = 'ids' in selection ? selection.ids.filter((id) => !found.has(id)) : [];
      if (missing.length > 0) throw new NotFoundError([...new Set(missing)]);
      await deleteDatastoreRows(change, [...found], new Date().toISOString());
      // chains are locked in the order of their ids, so that two deletions never wait for one another
      for (const datastore of doomed.toSorted((one, other) => (one.environmentId < other.environmentId ? -1 : 1))) {
        await this.#journal(change, access, 'DELETED', datastore, { type: datastore.type, name: datastore.name });
      }
      return [...found];
    });
  }

  /**
   * Starts a test of what is stored, of a draft, or of a change over what is stored, and returns at once.
   * @throws ValidationError, NotFoundError, ConflictError, SecretsRequiredError
   */
  async startTest(access: Access, target: TestTarget, options: TestOptions): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const subject = { ...(await this.#subjectOf(access, target)), purpose: 'REQUESTED' as const };
    const { connectionTests } = this.#options;
    const checks = connectionTests.plan(subject, options, ['input', 'options']);
    return connectionTests.start(access, subject, checks, options);
  }

  /**
   * Starts reading the catalog of what is stored, and returns at once. When it fails the old catalog stays.
   * @throws ValidationError for a type without a catalog, NotFoundError, ConflictError
   */
  async refreshCatalog(access: Access, id: string, options: TestOptions): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const { datastore, config } = await this.#withSecrets(access, id);
    const connector = connectorOf(datastore.type);
    requireCatalog(connector, true, ['input', 'datastoreId']);
    const { environmentId, tenancy } = datastore;
    const subject = { connector, config, tenancy, environmentId, datastoreId: datastore.id, isStored: true };
    return this.#options.connectionTests.startCatalog(access, subject, options);
  }

  async #subjectOf(access: Access, target: TestTarget): Promise<Omit<TestSubject, 'purpose'>> {
    if (target.draft) {
      const given = givenConfig(target.draft.config, ['input', 'target', 'draft', 'config']);
      const path = ['input', 'target', 'draft', 'environmentId'];
      const environment = await this.#options.environments.resolve(access, target.draft.environmentId, path);
      const { connector } = given;
      const config = checkedConfig(connector, withConfigSecret(given, target.draft.configSecret), given.path);
      const tenancy = tenancyOf(connector, target.draft.tenancy, ['input', 'target', 'draft', 'tenancy']);
      return { connector, config, tenancy, environmentId: environment.id, datastoreId: null, isStored: false };
    }
    const id = target.change?.datastoreId ?? target.datastoreId ?? '';
    const { datastore, config: stored } = await this.#withSecrets(access, id);
    const connector = connectorOf(datastore.type);
    const { environmentId, tenancy } = datastore;
    const known = { connector, tenancy, environmentId, datastoreId: datastore.id };
    const { change } = target;
    if (!change) return { ...known, config: stored, isStored: true };
    const path = ['input', 'target', 'change'];
    const given = patchOf(connector, change.config, [...path, 'config']);
    const config = applyPatch(given, stored, change.configSecret);
    if (change.tenancy === undefined) return { ...known, config, isStored: false };
    return { ...known, config, tenancy: tenancyOf(connector, change.tenancy, [...path, 'tenancy']), isStored: false };
  }

  async #visible(access: Access, id: string): Promise<Datastore> {
    const [datastore] = await findDatastores(this.#options.database, access, [id.toLowerCase()]);
    if (!datastore) throw new NotFoundError([id]);
    return datastore;
  }

  /** What is stored, with its config's secrets in place. @throws NotFoundError */
  async #withSecrets(access: Access, id: string): Promise<{ datastore: Datastore; config: FullConfig }> {
    const { database, sealer } = this.#options;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const datastore = await this.#visible(access, id);
      const ids = datastore.secrets.map((secret) => secret.id);
      const sealed = await readSealed(database, ids);
      // a change in between has replaced secrets: the datastore that was read has gone with them
      if (!ids.every((each) => sealed.has(each))) continue;
      const secrets = new Map<string, string>();
      for (const { path, id: secretId } of datastore.secrets) {
        const place = { environmentId: datastore.environmentId, ownerId: datastore.id, path };
        secrets.set(path, await sealer.open(place, sealed.get(secretId) ?? ''));
      }
      return { datastore, config: placeSecrets({ config: datastore.config, secrets }) };
    }
    throw new Error('a datastore without its secrets');
  }

  async #seal(
    change: Change,
    owner: Datastore,
    secrets: ReadonlyMap<string, string>,
    added: readonly StoredSecret[],
  ): Promise<void> {
    for (const { path, id, updatedAt } of added) {
      const place = { environmentId: owner.environmentId, ownerId: owner.id, path };
      const sealed = await this.#options.sealer.seal(change, place, secrets.get(path) ?? '');
      await insertSecret(change, { id, datastoreId: owner.id, path, sealed, at: updatedAt });
    }
  }

  /** With a test: runs it and wants it passed. Without: wants every address of the config allowed. @returns the passed test's id */
  async #proveOrJudge(
    access: Access,
    subject: Omit<TestSubject, 'purpose'>,
    options: TestOptions | null | undefined,
    given: GivenConfig,
  ): Promise<string | null> {
    const { connectionTests } = this.#options;
    if (!options) {
      requireNeededToSave(subject, given);
      await this.#judgeTargets(subject, given);
      return null;
    }
    const checks = connectionTests.plan(subject, options, ['input', 'test']);
    const test = await connectionTests.run(access, { ...subject, purpose: 'BEFORE_SAVE' }, checks, options);
    if (test.status === 'PASSED') {
      requireNeededToSave(subject, given);
      return test.id;
    }
    throw new ConnectionTestFailedError(test.id, failureIssues(test, given.path));
  }

  /** @throws ValidationError naming the fields that point where the gateway does not connect to */
  async #judgeTargets(subject: Omit<TestSubject, 'purpose'>, given: GivenConfig): Promise<void> {
    const targets = subject.connector.targets(subject.config).flatMap(judgedTargets);
    const verdicts = await this.#options.executor.judgeTargets(targets, JUDGE_TIMEOUT_MS);
    const issues = verdicts
      .filter(({ verdict }) => verdict === 'not-allowed')
      .map(({ path }) => configIssue(given.path, path, 'ADDRESS_NOT_ALLOWED', issueCodes.ADDRESS_NOT_ALLOWED));
    if (issues.length > 0) throw new ValidationError(issues);
  }

  /** A name that nobody has, and that nobody else can be given before the change ends. */
  async #freeName(change: Change, environmentId: string, name: string): Promise<string> {
    await lockNames(change, environmentId);
    const taken = await namesLike(change, environmentId, name.slice(0, 50));
    if (!taken.has(name)) return name;
    for (let number = 2; ; number += 1) {
      const candidate = numbered(name, number);
      if (!taken.has(candidate)) return candidate;
    }
  }

  /** Before a test is run for nothing; the database has the last word. */
  async #refuseTaken(
    access: Access,
    id: string,
    environmentId: string,
    name: string | null | undefined,
  ): Promise<void> {
    const { database } = this.#options;
    if (name != null && (await findByName(database, access, environmentId, name)))
      throw new NameTakenError(['input', 'name']);
    const [known] = await findDatastores(database, access, [id]);
    if (known) throw new ConflictError('ID_TAKEN');
  }

  /** The database's last word, in the words of the API. */
  async #unique<T>(environmentId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isUniqueViolation(error, ['environment_id', 'name'])) throw new NameTakenError(['input', 'name']);
      if (isUniqueViolation(error, 'id')) throw new ConflictError('ID_TAKEN');
      if (isForeignKeyViolation(error)) throw new NotFoundError([environmentId]);
      throw error;
    }
  }

  async #journal(
    change: Change,
    access: Access,
    kind: string,
    subject: Datastore,
    detail: Record<string, unknown>,
  ): Promise<void> {
    await appendJournal(change, this.#options.keyring, {
      environmentId: subject.environmentId,
      kind,
      action: `datastore.${kind.toLowerCase()}`,
      actor: access.tokenName,
      subjectType: 'datastore',
      subjectId: subject.id,
      detail,
    });
  }
}

const catalogOptions: TestOptions = { timeoutMs: 30_000 };

/** What is judged of a target: the bastion, where there is one, and what it leads to. */
function judgedTargets(target: Target): JudgedTarget[] {
  const { host, port, hostPath: path = '' } = target;
  const bastion = bastionOf(target);
  if (!bastion) return [{ host, port, path }];
  const first = { host: bastion.host, port: bastion.port, path: bastion.hostPath };
  return [first, { host, port, path, tunnelled: true }];
}

/** The field to mend, so that a form can show the failure of a test where it belongs. */
function failureIssues(test: ConnectionTest, path: readonly string[]): FieldIssue[] {
  const { failure } = test;
  if (!failure?.configPath) return [];
  const message = failure.hint ? `${failure.message} ${failure.hint}` : failure.message;
  return [configIssue(path, failure.configPath, 'CHECK_FAILED', message)];
}
