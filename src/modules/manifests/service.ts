import { ConflictError, NameTakenError, NotFoundError, ValidationError } from '../../errors/api.ts';
import { type Given, pathTo } from '../../errors/field-issues.ts';
import { type Change, type Database, isUniqueViolation } from '../../platform/database/database.ts';
import { appendJournal, type JournalEntry } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { DataStructureService } from '../data-structures/service.ts';
import { settled } from '../datastores/batches.ts';
import type { DatastoreDeletion } from '../datastores/deletion.ts';
import type { DraftReader } from '../datastores/draft-reader.ts';
import { journalDatastore } from '../datastores/journal.ts';
import type { SavePreparation } from '../datastores/preparation.ts';
import { type DatastoreSaver, RefusedSave } from '../datastores/save.ts';
import type { DatastoreService } from '../datastores/service.ts';
import type { EnvironmentChoice, EnvironmentRow, EnvironmentService } from '../environments/service.ts';
import { type ManifestSecret, manifestText, manifestValues } from './export.ts';
import { MAX_DATASTORES, type Manifest, readManifest } from './manifest.ts';
import { hasChanges, type ManifestPlan, type PlannedItem } from './plan.ts';
import { referenceIn } from './references.ts';
import { holdsSecrets, StepReader, type StepRequest, type Steps } from './steps.ts';

/** A secret that a manifest names, and its value. */
export interface GivenSecret {
  /** As the manifest writes it: `${env:ORDERS_PASSWORD}`. */
  readonly reference: string;
  readonly value: string;
}

/** A manifest for an environment: the one that is named, or the one that the manifest names. */
export interface ManifestRequest extends EnvironmentChoice {
  readonly manifest: string;
  readonly secrets?: readonly GivenSecret[] | null | undefined;
  /** Whether what the manifest does not have is deleted. */
  readonly prune?: boolean | null | undefined;
}

export interface CloneRequest extends Given {
  readonly sourceId: string;
  readonly targetId: string;
  readonly prune?: boolean | null | undefined;
}

/** What an environment holds, as a manifest. */
export interface ExportedManifest {
  readonly text: string;
  readonly secrets: readonly ManifestSecret[];
}

export interface ManifestServiceOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly environments: EnvironmentService;
  readonly datastores: DatastoreService;
  readonly dataStructures: DataStructureService;
  readonly drafts: DraftReader;
  /** What proves a draft before it is stored, and what only reads it, for a plan. */
  readonly preparation: SavePreparation;
  readonly planning: SavePreparation;
  readonly saver: DatastoreSaver;
  readonly deletion: DatastoreDeletion;
}

/** Writes an environment as a manifest, and makes an environment as a manifest says. */
export class ManifestService {
  readonly #options: ManifestServiceOptions;
  readonly #steps: StepReader;

  constructor(options: ManifestServiceOptions) {
    this.#options = options;
    this.#steps = new StepReader(options);
  }

  /** Writes what an environment holds, without its secrets. @throws NotFoundError, ValidationError */
  async export(access: Access, choice: EnvironmentChoice): Promise<ExportedManifest> {
    requireScope(access, 'DATASTORES_READ');
    const environment = await this.#options.environments.resolve(access, choice);
    const { values, secrets } = await this.#valuesOf(
      access,
      environment,
      environment.name,
      pathTo(choice, 'environmentId'),
    );
    return { text: await manifestText(values), secrets };
  }

  /**
   * Tells what applying a manifest would do. Nothing is stored, and nothing resolved or connected to.
   * @throws ValidationError, SecretsRequiredError, NotFoundError; RequestFault FORBIDDEN when secrets are given by who
   * may not change them: whether one is the stored one is told to nobody else
   */
  async plan(access: Access, request: ManifestRequest): Promise<ManifestPlan> {
    requireScope(access, 'DATASTORES_READ');
    const { environment, ...read } = await this.#read(access, request);
    if (read.secrets.size > 0 || holdsSecrets(read.manifest)) requireScope(access, 'DATASTORES_WRITE');
    const { planning } = this.#options;
    const whole: StepRequest = { ...read, environmentId: environment.id, preparation: planning, purpose: 'PLAN' };
    const { items } = await this.#steps.read(access, whole);
    return { environmentId: environment.id, items };
  }

  /**
   * Makes the environment as a manifest says, in one change. What is in use is deleted only when that `isConfirmed`.
   * @throws ValidationError, SecretsRequiredError, NotFoundError, ConfirmationRequiredError, ConflictError when another
   * change came first
   */
  async apply(access: Access, request: ManifestRequest, isConfirmed: boolean): Promise<ManifestPlan> {
    requireScope(access, 'DATASTORES_WRITE');
    const { environment, ...read } = await this.#read(access, request);
    return this.#apply(access, environment, read, isConfirmed);
  }

  /**
   * Makes an environment hold what another one holds, with its secrets: who may change the datastores of both may use
   * them in either, and they go only where they went before.
   * @throws NotFoundError, and what apply() throws
   */
  async clone(access: Access, request: CloneRequest, isConfirmed: boolean): Promise<ManifestPlan> {
    requireScope(access, 'DATASTORES_WRITE');
    const { environments } = this.#options;
    const [source, target] = await Promise.all(
      [request.sourceId, request.targetId].map((environmentId) =>
        environments.resolve(access, { environmentId, path: request.path }),
      ),
    );
    if (!source || !target) throw new Error('an environment that was resolved is there');
    const { values, secrets, stored } = await this.#valuesOf(access, source, null, pathTo(request, 'sourceId'));
    const manifest = await readManifest(await manifestText(values), [...request.path, 'sourceId']);
    const given = await this.#opened(access, secrets, stored);
    return this.#apply(
      access,
      target,
      { manifest, secrets: given, prune: request.prune ?? false, isCopy: true },
      isConfirmed,
    );
  }

  async #valuesOf(access: Access, { id }: EnvironmentRow, environment: string | null, path: readonly string[]) {
    const { datastores, dataStructures } = this.#options;
    const stored = await datastores.everyIn(access, id, null);
    if (stored.length > MAX_DATASTORES) {
      const message = `It holds ${stored.length} datastores, and a manifest at most ${MAX_DATASTORES}.`;
      throw new ValidationError([{ path, configPath: null, code: 'TOO_LONG', message }]);
    }
    const structures = await dataStructures.everyIn(access, id);
    return { ...manifestValues({ environment, dataStructures: structures, datastores: stored }), stored };
  }

  /** Opens the secrets that a manifest names, for who clones them. */
  async #opened(
    access: Access,
    secrets: readonly ManifestSecret[],
    stored: readonly { readonly id: string; readonly name: string }[],
  ): Promise<ReadonlyMap<string, string>> {
    const opened = new Map<string, string>();
    const found = await settled(stored, ({ id }) => this.#options.drafts.stored(access, id));
    for (const one of found) {
      if (one.status === 'rejected') throw one.reason;
      const { datastore, secrets: values } = one.value;
      for (const { configPath, reference } of secrets.filter((secret) => secret.datastore === datastore.name)) {
        const value = values.get(configPath);
        if (value !== undefined) opened.set(referenceIn(reference) ?? '', value);
      }
    }
    return opened;
  }

  async #read(access: Access, request: ManifestRequest) {
    const manifest = await readManifest(request.manifest, pathTo(request, 'manifest'));
    const environment = await this.#options.environments.resolve(access, request);
    if (manifest.environment !== null && manifest.environment !== environment.name) {
      const message = 'The manifest is for another environment than the one that is meant.';
      throw new ValidationError([
        manifest.toIssue({ path: ['environment'], configPath: null, code: 'INVALID_COMBINATION', message }),
      ]);
    }
    const secrets = givenSecrets(request, manifest);
    return { environment, manifest, secrets, prune: request.prune ?? false, isCopy: false };
  }

  async #apply(
    access: Access,
    environment: EnvironmentRow,
    read: Pick<StepRequest, 'manifest' | 'secrets' | 'prune' | 'isCopy'>,
    isConfirmed: boolean,
  ): Promise<ManifestPlan> {
    const { preparation } = this.#options;
    const whole: StepRequest = { ...read, environmentId: environment.id, preparation, purpose: 'APPLY' };
    const steps = await this.#steps.read(access, whole);
    const plan = { environmentId: environment.id, items: steps.items };
    if (!hasChanges(plan)) return plan;
    const { database } = this.#options;
    const ids = await database
      .change((change) => this.#store(change, access, steps, isConfirmed))
      .catch((error: unknown) => {
        throw conflictOf(error);
      });
    return { ...plan, items: plan.items.map((item) => ({ ...item, id: item.id ?? ids.get(keyOf(item)) ?? null })) };
  }

  /** Stores all steps in one change. @returns the ids of what was made */
  async #store(
    change: Change,
    access: Access,
    { structures, datastores, doomed }: Steps,
    isConfirmed: boolean,
  ): Promise<ReadonlyMap<string, string>> {
    const { saver, deletion, keyring } = this.#options;
    const saves = datastores.flatMap(({ save }) => (save ? [save] : []));
    await saver.lock(change, access, saves, doomed);
    const put = structures.filter(({ after }) => after);
    const gone = structures.filter(({ after }) => !after);
    const entries = await this.#putStructures(change, access, put);
    const saved = await saver.saveWithin(change, access, saves);
    const doomedIds = doomed.map(({ id }) => id);
    const deleted = await deletion.deleteWithin(change, access, { ids: doomedIds, missing: 'IGNORE' }, isConfirmed);
    // what used them is gone by now
    entries.push(...(await this.#putStructures(change, access, gone)));
    for (const entry of entries) await appendJournal(change, keyring, entry);
    for (const entry of [...saved.entries, ...deleted.entries]) await journalDatastore(change, keyring, entry);
    return new Map([
      ...saved.datastores.map(({ id, name }) => [keyOf({ kind: 'DATASTORE', name }), id] as const),
      ...put.flatMap(({ after, item }) => (after ? [[keyOf(item), after.id] as const] : [])),
    ]);
  }

  async #putStructures(change: Change, access: Access, steps: Steps['structures']): Promise<JournalEntry[]> {
    const { dataStructures } = this.#options;
    const entries: JournalEntry[] = [];
    for (const { before, after } of steps) {
      const { entry } = after
        ? before
          ? await dataStructures.updateWithin(change, access, { ...after, force: false, path: [] })
          : await dataStructures.createWithin(change, access, after)
        : await dataStructures.deleteWithin(change, access, before?.id ?? '');
      if (entry) entries.push(entry);
    }
    return entries;
  }
}

/** Names an item: a datastore and a data structure may be called the same. */
function keyOf({ kind, name }: Pick<PlannedItem, 'kind' | 'name'>): string {
  return `${kind} ${name}`;
}

/** What is taken or gone by now, another change has taken or deleted since it was read. */
function conflictOf(error: unknown): unknown {
  const reason = error instanceof RefusedSave ? error.reason : error;
  const isLate = reason instanceof NameTakenError || reason instanceof NotFoundError || isUniqueViolation(reason);
  return isLate ? new ConflictError('VERSION_CONFLICT') : reason;
}

/** The given secrets by what names them. @throws ValidationError for one that the manifest does not name */
function givenSecrets(request: ManifestRequest, manifest: Manifest): ReadonlyMap<string, string> {
  const named = new Set([...manifest.datastores.values()].flatMap(({ references }) => [...references.values()]));
  const secrets = new Map<string, string>();
  const issues = (request.secrets ?? []).flatMap(({ reference, value }, index) => {
    const source = referenceIn(reference);
    if (source !== undefined && named.has(source) && !secrets.has(source)) {
      secrets.set(source, value);
      return [];
    }
    const message = 'The manifest names no such secret, or it was given before.';
    const path = [...pathTo(request, 'secrets'), String(index), 'reference'];
    return [{ path, configPath: null, code: 'INVALID_VALUE' as const, message }];
  });
  if (issues.length > 0) throw new ValidationError(issues);
  return secrets;
}
