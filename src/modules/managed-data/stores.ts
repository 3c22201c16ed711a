import { QuotaExceededError, RecordsMisfitError, ValidationError } from '../../errors/api.ts';
import { type FieldIssue, issueCodes } from '../../errors/field-issues.ts';
import type { Change } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import type { DataStructure, DataStructureService } from '../data-structures/service.ts';
import { misfitsIn, SHOWN_MISFITS } from './fit.ts';
import { BYTES_IN_MB, type ManagedConfig } from './managed-config.ts';
import type { StoreRemoval } from './removal.ts';
import { keepStore, lockStores } from './store.ts';
import { recordsTopic } from './topic.ts';

/** A datastore as it is to be stored, of any type. */
export interface KeptDatastore {
  readonly id: string;
  readonly type: string;
  readonly environmentId: string;
  /** More than 1 where its id was another datastore's before. */
  readonly firstVersion: number;
  readonly config: Readonly<Record<string, unknown>>;
}

/**
 * A store whose id was another's before counts its events from here on, in thousandths of milliseconds since 1970: no
 * store has come that far by counting, so a version or a cursor of the old one is none of the new one.
 */
const EVENTS_IN_MS = 1_000;

const isManaged = ({ type }: Pick<KeptDatastore, 'type'>) => type === 'MANAGED';

/** Keeps a store for each datastore of the type MANAGED, in the changes of the datastore itself. */
export class ManagedStores {
  readonly #structures: DataStructureService;
  readonly #removal: StoreRemoval;

  constructor(structures: DataStructureService, removal: StoreRemoval) {
    this.#structures = structures;
    this.#removal = removal;
  }

  /** Waits until nothing is left of a deleted store whose id a new datastore is to have. */
  async makeRoom(datastoreId: string): Promise<void> {
    await this.#removal.finish(datastoreId);
  }

  /**
   * Makes the store of a datastore, or has it follow its config, which stands at `configPath` in the arguments.
   * @throws ValidationError for a data structure that is not in the same environment, RecordsMisfitError for one that
   * stored records do not fit, unless that is forced, QuotaExceededError for less room than is in use
   */
  async keep(
    change: Change,
    access: Access,
    datastore: KeptDatastore,
    { configPath, force }: { readonly configPath: readonly string[]; readonly force: boolean },
  ): Promise<void> {
    if (!isManaged(datastore)) return;
    const { dataStructureId = null, maxSizeMb } = datastore.config as unknown as ManagedConfig;
    // it is locked before the store is, as whoever changes the structure does
    const structure = dataStructureId && (await this.#structures.locked(change, access, dataStructureId));
    if (structure !== null && (!structure || structure.environmentId !== datastore.environmentId))
      throw wrong([...configPath, 'dataStructureId'], 'NOT_FOUND', issueCodes.NOT_FOUND);
    if (!force) await requireFit(change, datastore.id, structure, [...configPath, 'dataStructureId']);
    const wanted = { datastoreId: datastore.id, dataStructureId, maxBytes: maxSizeMb * BYTES_IN_MB };
    const store = await keepStore(change, wanted, datastore.firstVersion > 1 ? change.clock.now() * EVENTS_IN_MS : 0);
    if (store.usedBytes > store.maxBytes) throw new QuotaExceededError(store, [...configPath, 'maxSizeMb']);
  }

  /** Tells whether one of some datastores holds records. The change has locked them; now nobody puts any into them. */
  async holdRecords(change: Change, doomed: readonly KeptDatastore[]): Promise<boolean> {
    const ids = doomed.filter(isManaged).map(({ id }) => id);
    return ids.length > 0 && (await lockStores(change, ids)).some(({ recordCount }) => recordCount > 0);
  }

  /**
   * Begins to remove what some datastores held that the change has deleted, and tells those who follow their records
   * that there are none any more.
   */
  async remove(change: Change, deleted: readonly KeptDatastore[]): Promise<void> {
    const ids = deleted.filter(isManaged).map(({ id }) => id);
    await this.#removal.beginWithin(change, ids);
    for (const id of ids) change.ring(recordsTopic(id));
  }
}

/** @throws RecordsMisfitError where the store gets another structure, which records of it do not fit */
async function requireFit(
  change: Change,
  datastoreId: string,
  structure: DataStructure | null,
  path: readonly string[],
): Promise<void> {
  const [store] = await lockStores(change, [datastoreId]);
  if (!store || structure === null || store.dataStructureId === structure.id || store.recordCount === 0) return;
  const misfits = await misfitsIn(change, datastoreId, structure, SHOWN_MISFITS);
  if (misfits.count > 0) throw new RecordsMisfitError(misfits, path);
}

function wrong(path: readonly string[], code: FieldIssue['code'], message: string): ValidationError {
  return new ValidationError([{ path, configPath: 'dataStructureId', code, message }]);
}
