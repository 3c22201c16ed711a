import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ConfigValues, secretPathsOf, setAt, valueAt } from '../../connectors/kit/config/shape.ts';
import { configKey } from '../../connectors/kit/contract/connector.ts';
import { SecretsRequiredError, UserError, ValidationError } from '../../errors/api.ts';
import type { FieldIssue } from '../../errors/field-issues.ts';
import type { Database } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import type { DataStructure, DataStructureService } from '../data-structures/service.ts';
import { settled } from '../datastores/batches.ts';
import type { Datastore } from '../datastores/datastore.ts';
import type { DraftReader, StoredDatastore } from '../datastores/draft-reader.ts';
import type { DatastoreUpsert, SavePreparation } from '../datastores/preparation.ts';
import { revisionOf } from '../datastores/revision.ts';
import type { Save } from '../datastores/save.ts';
import type { DatastoreService } from '../datastores/service.ts';
import { changesOf } from '../revisions/changes.ts';
import { hiddenNames, storedNames } from './hidden-names.ts';
import type { Manifest, ManifestDatastore, ManifestPath } from './manifest.ts';
import { type PlannedItem, sortedItems } from './plan.ts';
import { referenceTo, withStructures } from './references.ts';

/** A data structure that differs from what is stored. */
export interface StructureStep {
  readonly before: DataStructure | null;
  /** Null where it goes. */
  readonly after: DataStructure | null;
  readonly item: PlannedItem;
}

/** What a manifest does to a datastore. */
export interface DatastoreStep {
  readonly name: string;
  /** Null where nothing differs, and where secrets are missing. */
  readonly save: Save | null;
  readonly item: PlannedItem;
}

/** All that applying a manifest to an environment takes. */
export interface Steps {
  readonly structures: readonly StructureStep[];
  readonly datastores: readonly DatastoreStep[];
  readonly doomed: readonly Datastore[];
  readonly items: readonly PlannedItem[];
}

export interface StepRequest {
  readonly environmentId: string;
  readonly manifest: Manifest;
  /** The secrets that were given, by what names them: `env:ORDERS_PASSWORD`. */
  readonly secrets: ReadonlyMap<string, string>;
  /** Whether what the manifest does not have is deleted. */
  readonly prune: boolean;
  readonly preparation: SavePreparation;
  /** Whether it says what another environment holds, whose names are taken as they are. */
  readonly isCopy: boolean;
  /** A plan tells of the secrets that are missing; what is applied is refused without them. */
  readonly purpose: 'PLAN' | 'APPLY';
}

export interface StepReaderOptions {
  readonly database: Pick<Database, 'clock'>;
  readonly datastores: DatastoreService;
  readonly dataStructures: DataStructureService;
  readonly drafts: DraftReader;
}

/** Finds out what a manifest does to an environment. */
export class StepReader {
  readonly #options: StepReaderOptions;

  constructor(options: StepReaderOptions) {
    this.#options = options;
  }

  /** @throws ValidationError, SecretsRequiredError, each naming what is wrong with all datastores */
  async read(access: Access, request: StepRequest): Promise<Steps> {
    const { environmentId, manifest, prune } = request;
    if (!request.isCopy) await this.#refuseHiddenNames(access, request);
    const structures = await this.#structures(access, request);
    const names = prune ? null : [...manifest.datastores.keys()];
    const stored = await this.#options.datastores.everyIn(access, environmentId, names);
    const known = new Map(stored.map((datastore) => [datastore.name, datastore]));
    const wanted = [...manifest.datastores];
    const ids = new Map(structures.flatMap(({ after }) => (after ? [[after.name, after.id] as const] : [])));
    const found = await settled(wanted, ([name, one]) => {
      const config = withStructures(one.connector, one.config, ids);
      return this.#datastore(access, request, { name, wanted: { ...one, config }, known: known.get(name) });
    });
    throwRefusals(found);
    const datastores = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const doomed = stored.filter(({ name }) => !manifest.datastores.has(name));
    const deletions = doomed.map(({ id, name }) => itemOf({ kind: 'DATASTORE', name, action: 'DELETE', id }));
    return {
      structures: structures.filter(({ item }) => item.action !== 'UNCHANGED'),
      datastores,
      doomed,
      items: [
        ...sortedItems(structures.map(({ item }) => item)),
        ...sortedItems([...datastores.map(({ item }) => item), ...deletions]),
      ],
    };
  }

  async #refuseHiddenNames(access: Access, { environmentId, manifest }: StepRequest): Promise<void> {
    const { datastores, dataStructures } = this.#options;
    const faults = await hiddenNames(manifest, async () =>
      storedNames(
        await datastores.everyIn(access, environmentId, [...manifest.datastores.keys()]),
        await dataStructures.everyIn(access, environmentId),
      ),
    );
    if (faults.length > 0) throw new ValidationError(faults.slice(0, MAX_ISSUES).map(manifest.toIssue));
  }

  async #structures(access: Access, { environmentId, manifest, prune }: StepRequest): Promise<StructureStep[]> {
    const stored = await this.#options.dataStructures.everyIn(access, environmentId);
    const known = new Map(stored.map((structure) => [structure.name, structure]));
    const kept = [...manifest.dataStructures].map(([name, structure]): StructureStep => {
      const before = known.get(name) ?? null;
      const after = { id: before?.id ?? randomUUID(), environmentId, name, ...structure };
      const changes = structureChanges(before, after);
      const action = before ? (changes.length > 0 ? 'UPDATE' : 'UNCHANGED') : 'CREATE';
      return { before, after, item: itemOf({ kind: 'DATA_STRUCTURE', name, action, id: before?.id ?? null, changes }) };
    });
    const doomed = prune ? stored.filter(({ name }) => !manifest.dataStructures.has(name)) : [];
    const gone = doomed.map((before): StructureStep => {
      const item = itemOf({ kind: 'DATA_STRUCTURE', name: before.name, action: 'DELETE', id: before.id });
      return { before, after: null, item };
    });
    return [...kept, ...gone];
  }

  async #datastore(access: Access, request: StepRequest, one: WantedDatastore): Promise<DatastoreStep> {
    const stored = one.known ? await this.#options.drafts.stored(access, one.known.id) : null;
    try {
      return await this.#step(access, request, one, stored);
    } catch (error) {
      throw relocated(error, request.manifest, ['datastores', one.name]);
    }
  }

  async #step(
    access: Access,
    { environmentId, secrets, preparation, purpose }: StepRequest,
    { name, wanted }: WantedDatastore,
    stored: StoredDatastore | null,
  ): Promise<DatastoreStep> {
    const path = ['datastores', name];
    const { config, open } = withSecrets(wanted, secrets);
    const lacking = open.filter((secret) => !stored?.secrets.has(secret));
    if (lacking.length > 0 && purpose === 'APPLY')
      throw new ValidationError(lacking.map((at) => notGiven(wanted, path, at)));
    const prepared = async (values: ConfigValues): Promise<Save | null> => {
      const input = inputOf(name, wanted, values, { path, environmentId });
      return stored ? preparation.replacement(access, stored, input, true) : preparation.creation(access, input);
    };
    // only a plan goes on without what is missing: with something of the same form in its place
    for (const at of lacking) setAt(config, at, valueAt(wanted.connector.example as ConfigValues, at) ?? STAND_IN);
    let missing = lacking;
    const save = await prepared(config).catch((error: unknown) => {
      if (purpose !== 'PLAN' || !stored || !(error instanceof SecretsRequiredError)) throw error;
      const asked = error.issues.flatMap(({ configPath }) => configPath ?? []);
      if (!asked.every((at) => open.includes(at))) throw error;
      missing = [...lacking, ...asked];
      for (const at of asked) setAt(config, at, stored.secrets.get(at));
      return prepared(config);
    });
    const named = (paths: readonly string[]) => paths.map((at) => referenceTo(wanted.references.get(at) ?? ''));
    const now = this.#options.database.clock.timestamp();
    const changes = save ? changesOf(revisionOf({ ...save, name: save.name ?? name }, access.actor, now)) : [];
    const item = itemOf({
      ...{ kind: 'DATASTORE', name, id: stored?.datastore.id ?? null, changes },
      action: stored ? (save ? 'UPDATE' : 'UNCHANGED') : 'CREATE',
      keptSecrets: named(open.filter((at) => !missing.includes(at))),
      missingSecrets: named(missing),
    });
    return { name, save, item };
  }
}

/** Stands for a secret of which the type's example has none. */
const STAND_IN = 'not given';

interface WantedDatastore {
  readonly name: string;
  readonly wanted: ManifestDatastore;
  readonly known: Datastore | undefined;
}

function itemOf(
  item: Pick<PlannedItem, 'kind' | 'name' | 'action' | 'id'> &
    Partial<Omit<PlannedItem, 'kind' | 'name' | 'action' | 'id'>>,
): PlannedItem {
  return { changes: [], keptSecrets: [], missingSecrets: [], ...item };
}

function inputOf(
  name: string,
  { connector, config: _, references: __, label, ...details }: ManifestDatastore,
  config: ConfigValues,
  place: Pick<DatastoreUpsert, 'path' | 'environmentId'>,
): DatastoreUpsert {
  return { ...place, name, label: label ?? name, ...details, config: { [configKey(connector)]: config } };
}

/** Puts the secrets that were given in the place of what names them. `open` are the config paths of the others. */
function withSecrets({ config, references }: ManifestDatastore, secrets: ReadonlyMap<string, string>) {
  const filled = structuredClone(config);
  const open: string[] = [];
  for (const [path, reference] of references) {
    const value = secrets.get(reference);
    if (value === undefined) open.push(path);
    setAt(filled, path, value);
  }
  return { config: filled, open };
}

function notGiven({ connector, references }: ManifestDatastore, path: ManifestPath, configPath: string): FieldIssue {
  const reference = referenceTo(references.get(configPath) ?? '');
  const message = `${reference} was not given, and no secret is stored here that could stay.`;
  const at = [...path, 'config', configKey(connector), ...configPath.split('.')];
  return { path: at, configPath, code: 'REQUIRED', message };
}

/** Whether a manifest gives a secret itself, which can be compared with the stored one. */
export function holdsSecrets({ datastores }: Manifest): boolean {
  return [...datastores.values()].some(({ connector, config, references }) =>
    secretPathsOf(connector).some((path) => valueAt(config, path) != null && !references.has(path)),
  );
}

function structureChanges(before: DataStructure | null, after: DataStructure): PlannedItem['changes'] {
  const values = (structure: DataStructure | null) =>
    new Map<string, unknown>([
      ...(structure ? ([['strict', structure.strict]] as const) : []),
      ...(structure?.fields ?? []).map((field) => [`fields.${field.name}`, field] as const),
    ]);
  const [was, is] = [values(before), values(after)];
  const changed = [...new Set([...was.keys(), ...is.keys()])]
    .map((path) => ({ path, isSecret: false, before: was.get(path) ?? null, after: is.get(path) ?? null }))
    .filter((change) => !isDeepStrictEqual(change.before, change.after));
  const names = (structure: DataStructure | null) => structure?.fields.map(({ name }) => name) ?? null;
  // fields that only stand in another order are a change of their own
  if (changed.length > 0 || isDeepStrictEqual(names(before), names(after))) return changed;
  return [{ path: 'fields', isSecret: false, before: names(before), after: names(after) }];
}

/** Says of what is wrong with a datastore where it stands in the manifest. */
function relocated(error: unknown, { toIssue }: Manifest, path: ManifestPath): unknown {
  if (!(error instanceof UserError) || error.issues.length === 0) return error;
  const issues = error.issues.map((found) => {
    const [field, , ...within] = found.path.slice(path.length);
    return toIssue({ ...found, configPath: field === 'config' && within.length > 0 ? within.join('.') : null });
  });
  return error instanceof SecretsRequiredError ? new SecretsRequiredError(issues) : new ValidationError(issues);
}

/** How many issues are told at once. */
const MAX_ISSUES = 100;

/** Tells what is wrong with all datastores at once. */
function throwRefusals(found: readonly PromiseSettledResult<unknown>[]): void {
  const reasons = found.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
  const refusals = reasons.filter(
    (reason) => reason instanceof ValidationError || reason instanceof SecretsRequiredError,
  );
  const other = reasons.find((reason) => !(refusals as unknown[]).includes(reason));
  if (other !== undefined) throw other;
  if (refusals.length === 0) return;
  const issues = refusals.flatMap((refusal) => refusal.issues).slice(0, MAX_ISSUES);
  throw refusals.every((refusal) => refusal instanceof SecretsRequiredError)
    ? new SecretsRequiredError(issues)
    : new ValidationError(issues);
}
