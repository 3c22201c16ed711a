import { ConfirmationRequiredError, NotFoundError } from '../../errors/api.ts';
import type { Given } from '../../errors/field-issues.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { EnvironmentService } from '../environments/service.ts';
import type { ManagedStores } from '../managed-data/stores.ts';
import type { UsageService } from '../usages/service.ts';
import type { Datastore } from './datastore.ts';
import { type DatastoreEntry, journalDatastore } from './journal.ts';
import { deleteDatastoreRows, lockDatastores, lockEnvironmentsDatastores } from './store.ts';

/** Which datastores to delete: those that are named, or all of an environment but some. */
export type DatastoreSelection = NamedDatastores | { readonly all: AllDatastores };

interface NamedDatastores {
  readonly ids: readonly string[];
  /** Whether ids of no datastore are passed over, or nothing is deleted. */
  readonly missing: 'IGNORE' | 'REFUSE';
}

export interface AllDatastores extends Given {
  readonly environmentId: string;
  readonly exceptIds: readonly string[];
}

const RECORDS_GO = 'It holds records, which go with it: delete it with confirmed: true all the same.';
/** How many usages a ConfirmationRequiredError names at most. */
const SHOWN_USAGES = 100;

/** Deletes datastores with their secrets; their connection tests stay. */
export class DatastoreDeletion {
  readonly #database: Database;
  readonly #keyring: Keyring;
  readonly #environments: EnvironmentService;
  readonly #usages: UsageService;
  readonly #managedStores: ManagedStores;

  constructor(
    database: Database,
    keyring: Keyring,
    environments: EnvironmentService,
    usages: UsageService,
    managedStores: ManagedStores,
  ) {
    this.#database = database;
    this.#keyring = keyring;
    this.#environments = environments;
    this.#usages = usages;
    this.#managedStores = managedStores;
  }

  /**
   * Deletes all of them, or none: when one is missing and that is not to be ignored, or one is in use and that is not
   * `isConfirmed`.
   * @throws NotFoundError naming those that are missing, ConfirmationRequiredError
   */
  async delete(access: Access, selection: DatastoreSelection, isConfirmed: boolean): Promise<string[]> {
    requireScope(access, 'DATASTORES_WRITE');
    if ('all' in selection) await this.#environments.resolve(access, selection.all);
    return this.#database.change(async (change) => {
      const { ids, entries } = await this.deleteWithin(change, access, selection, isConfirmed);
      for (const entry of entries) await journalDatastore(change, this.#keyring, entry);
      return ids;
    });
  }

  /**
   * Deletes as delete() does, within a change of the caller's.
   * @returns what the change has to journal last, ordered by the chains
   */
  async deleteWithin(
    change: Change,
    access: Access,
    selection: DatastoreSelection,
    isConfirmed: boolean,
  ): Promise<{ readonly ids: string[]; readonly entries: readonly DatastoreEntry[] }> {
    const doomed = await lockSelected(change, access, selection);
    const ids = doomed.map((datastore) => datastore.id);
    const usageIds = isConfirmed ? [] : await this.#usages.ofLocked(change, ids, SHOWN_USAGES);
    if (usageIds.length > 0) throw new ConfirmationRequiredError(usageIds);
    if (!isConfirmed && (await this.#managedStores.holdRecords(change, doomed)))
      throw new ConfirmationRequiredError([], RECORDS_GO);
    await deleteDatastoreRows(change, doomed, change.clock.timestamp());
    await this.#managedStores.remove(change, doomed);
    // chains are locked in the order of their ids, so that two deletions never wait for one another
    const ordered = doomed.toSorted((one, other) => (one.environmentId < other.environmentId ? -1 : 1));
    const entries = ordered.map((datastore): DatastoreEntry => {
      const detail = { type: datastore.type, name: datastore.name };
      return { kind: 'DELETED', datastore, actor: access.actor, detail };
    });
    return { ids, entries };
  }
}

/** Keeps what was selected from everybody else until the change ends. @throws NotFoundError */
async function lockSelected(change: Change, access: Access, selection: DatastoreSelection): Promise<Datastore[]> {
  if ('all' in selection) {
    const { environmentId, exceptIds } = selection.all;
    return lockEnvironmentsDatastores(change, access, environmentId, new Set(exceptIds));
  }
  const wanted = [...new Set(selection.ids)];
  const locked = await lockDatastores(change, access, wanted);
  const found = new Set(locked.map((datastore) => datastore.id));
  const missing = wanted.filter((id) => !found.has(id));
  if (missing.length > 0 && selection.missing === 'REFUSE') throw new NotFoundError(missing);
  return locked;
}
