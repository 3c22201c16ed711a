import { connectorId } from '../../connectors/kit/contract/connector.ts';
import { ConflictError, NameTakenError, NotFoundError, UserError } from '../../errors/api.ts';
import {
  type Change,
  type Database,
  isForeignKeyViolation,
  isUniqueViolation,
} from '../../platform/database/database.ts';
import { claimDatastoreId } from '../../platform/ids.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import type { Access } from '../access/access.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import { endSchedule, setSchedule } from '../health/schedule.ts';
import type { ManagedStores } from '../managed-data/stores.ts';
import type { RevisionHistory } from '../revisions/history.ts';
import { type Datastore, nameFrom } from './datastore.ts';
import { findFreeName } from './free-name.ts';
import { type DatastoreEntry, journalDatastore } from './journal.ts';
import { type NamedDraft, type Revision, revisionOf } from './revision.ts';
import { createSecretKey } from './secret-key.ts';
import {
  deleteSecrets,
  insertDatastore,
  insertSecrets,
  lockDatastores,
  lockNames,
  replaceDatastore,
  replaceDatastoreOrElse,
  replaceTags,
  takenNames,
} from './store.ts';

/** A draft that may be stored. */
export interface Save extends Omit<NamedDraft, 'name'> {
  /** When it is null, a name is made from the label. */
  readonly name: string | null;
  /** Where the name stands in the arguments. */
  readonly namePath: readonly string[];
  /** Whether a managed datastore may be given a data structure that its records do not fit. */
  readonly force?: boolean;
  /** Stores beside it what the call comes to, when that may come again. */
  readonly keep?: (change: Change, firstVersion: number) => Promise<void>;
}

/** What a change has stored of one draft, before its journal entry. */
interface Written {
  readonly datastore: Datastore;
  /** Null when nothing has changed but its last test. */
  readonly entry: DatastoreEntry | null;
}

/** What a change has stored, before its journal entries. */
export interface SavedWithin {
  readonly datastores: readonly Datastore[];
  readonly entries: readonly DatastoreEntry[];
}

/** Another change of the stored datastore came first: nothing of this one is stored. */
class Superseded extends Error {
  override readonly name = 'Superseded';
}

/** Of drafts that are stored together, the one for which none was. */
export class RefusedSave extends Error {
  override readonly name = 'RefusedSave';
  readonly index: number;
  readonly reason: UserError;

  constructor(index: number, reason: UserError) {
    super(reason.message);
    this.index = index;
    this.reason = reason;
  }
}

export interface DatastoreSaverOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly sealer: Sealer;
  readonly connectionTests: ConnectionTestService;
  readonly history: RevisionHistory;
  readonly managedStores: ManagedStores;
}

/** Stores what has been proved: a datastore, its sealed secrets, its test and its journal entry, in one change. */
export class DatastoreSaver {
  readonly #options: DatastoreSaverOptions;

  constructor(options: DatastoreSaverOptions) {
    this.#options = options;
  }

  /**
   * Stores a draft.
   * @returns undefined when another change of the stored datastore came first
   * @throws NameTakenError, ConflictError when the id was used before, NotFoundError when the environment is gone
   */
  async save(access: Access, save: Save): Promise<Datastore | undefined> {
    await this.#makeRoom([save]);
    try {
      return await this.#options.database.change(async (change) => {
        const written = await this.#write(change, access, save, true);
        if (written.entry) await journalDatastore(change, this.#options.keyring, written.entry);
        return written.datastore;
      });
    } catch (error) {
      if (error instanceof Superseded) return undefined;
      throw refusalOf(error, save);
    }
  }

  /**
   * Stores all drafts in one change, or none.
   * @throws RefusedSave for the first that cannot be stored, with what save() throws of it, or a ConflictError when
   * another change of its datastore came first
   */
  async saveAll(access: Access, saves: readonly Save[]): Promise<readonly Datastore[]> {
    await this.#makeRoom(saves);
    return this.#options.database.change(async (change) => {
      await this.lock(change, access, saves);
      const { datastores, entries } = await this.saveWithin(change, access, saves);
      for (const entry of entries) await journalDatastore(change, this.#options.keyring, entry);
      return datastores;
    });
  }

  /**
   * Takes everything that several saves need, and what is to be deleted with them, in one order, so that no two changes
   * wait for one another.
   */
  async lock(change: Change, access: Access, saves: readonly Save[], doomed: readonly Datastore[] = []): Promise<void> {
    const environmentIds = new Set([...saves.map(({ subject }) => subject), ...doomed].map((one) => one.environmentId));
    for (const id of [...environmentIds].toSorted()) await lockNames(change, id);
    const stored = [...saves.filter((save) => save.stored), ...doomed].map(({ id }) => id);
    if (stored.length > 0) await lockDatastores(change, access, stored);
  }

  /**
   * Stores all drafts within a change that has locked what they need.
   * @returns what the change has to journal last, ordered by the chains
   * @throws RefusedSave, as saveAll()
   */
  async saveWithin(change: Change, access: Access, saves: readonly Save[]): Promise<SavedWithin> {
    const written: Written[] = [];
    for (const [index, save] of saves.entries()) {
      // each is waited for, so that what is refused is the one at fault
      const one = await this.#write(change, access, save, false).catch((error: unknown) => {
        throw refusedAt(index, refusalOf(error, save));
      });
      written.push(one);
    }
    const entries = written.flatMap(({ entry }) => (entry ? [entry] : []));
    return {
      datastores: written.map(({ datastore }) => datastore),
      entries: entries.toSorted((a, b) => (a.datastore.environmentId < b.datastore.environmentId ? -1 : 1)),
    };
  }

  /** What a deleted datastore leaves to be removed goes before its id is given again, and outside of any change. */
  async #makeRoom(saves: readonly Save[]): Promise<void> {
    for (const { id, stored } of saves) if (!stored) await this.#options.managedStores.makeRoom(id);
  }

  /**
   * Writes one of a change's drafts, or the only one.
   * @throws Superseded when another change of the stored datastore came first; of the only one the change fails with it
   */
  async #write(change: Change, access: Access, save: Save, isOnly: boolean): Promise<Written> {
    const { subject, stored, testId, force = false } = save;
    const firstVersion =
      stored?.datastore.firstVersion ?? (await claimDatastoreId(change, save.id, subject.environmentId));
    if (firstVersion === null) throw new ConflictError('ID_TAKEN');
    await save.keep?.(change, firstVersion);
    const name = save.name ?? (await freeName(change, subject, save.label));
    const revision = revisionOf({ ...save, name }, access.actor, change.clock.timestamp(), firstVersion);
    const { after, changed } = revision;
    const unchanged = stored !== null && changed.length === 0;
    if (unchanged && !testId) return { datastore: after, entry: null };
    if (!stored) await insertDatastore(change, after);
    // a passed test is adopted by the version that it was about, never by another
    else await replace(change, stored.datastore, after, isOnly);
    if (testId) await this.#options.connectionTests.adopt(change, testId, after);
    if (unchanged) return { datastore: after, entry: null };
    if (changed.includes('tags') || (!stored && after.tags.length > 0)) await replaceTags(change, after);
    await this.#exchangeSecrets(change, revision);
    await this.#options.managedStores.keep(change, access, after, { configPath: subject.configPath, force });
    await reschedule(change, after, stored ? changed : ['checkEveryMinutes']);
    await this.#options.history.write(change, revision, stored);
    const { type, label, version } = after;
    const entry: DatastoreEntry = {
      datastore: after,
      actor: access.actor,
      ...(stored
        ? { kind: 'UPDATED', detail: { version, changed, ...(force ? { force } : {}) } }
        : { kind: 'CREATED', detail: { type, name, label, version } }),
    };
    return { datastore: after, entry };
  }

  /** Seals all secrets anew under a fresh key, so that what was replaced never opens again. */
  async #exchangeSecrets(change: Change, { after, before, sealed: secrets }: Revision): Promise<void> {
    if (!secrets) return;
    if (before) await deleteSecrets(change, after.id);
    if (secrets.length === 0) return;
    const key = await createSecretKey(change, this.#options.sealer, after, after.updatedAt);
    const rows = secrets.map(({ id, path, value, updatedAt: at }) => ({ id, path, sealed: key.seal(path, value), at }));
    await insertSecrets(change, after.id, rows);
  }
}

/** Stores the next version. @throws Superseded */
async function replace(change: Change, before: Datastore, after: Datastore, isOnly: boolean): Promise<void> {
  if (isOnly) await replaceDatastoreOrElse(change, before, after, () => new Superseded());
  else if (!(await replaceDatastore(change, before, after))) throw new Superseded();
}

/** Makes a name that nobody has, and that nobody else can be given before the change ends. */
async function freeName(change: Change, { environmentId, connector }: Save['subject'], label: string): Promise<string> {
  const wanted = nameFrom(label, connectorId(connector));
  await lockNames(change, environmentId);
  return findFreeName(wanted, (names) => takenNames(change, environmentId, names));
}

/** Says in the API's words why a draft cannot be stored. */
function refusalOf(error: unknown, save: Save): unknown {
  if (error instanceof Superseded) return new ConflictError('VERSION_CONFLICT', save.id);
  if (isUniqueViolation(error, ['environment_id', 'name'])) return new NameTakenError(save.namePath);
  if (isUniqueViolation(error, 'id')) return new ConflictError('ID_TAKEN');
  if (isForeignKeyViolation(error)) return new NotFoundError([save.subject.environmentId]);
  return error;
}

function refusedAt(index: number, refusal: unknown): unknown {
  return refusal instanceof UserError ? new RefusedSave(index, refusal) : refusal;
}

/** Begins or ends health checks; any change of what is checked makes the next one come soon. */
async function reschedule(
  change: Change,
  { id, checkEveryMinutes }: Datastore,
  changed: readonly string[],
): Promise<void> {
  const isTouched = changed.some((path) => /^(checkEveryMinutes|tenancy|config\.)/.test(path));
  if (isTouched && checkEveryMinutes !== null) await setSchedule(change, id);
  else if (changed.includes('checkEveryMinutes')) await endSchedule(change, id);
}
