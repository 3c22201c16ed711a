import { setImmediate as immediate } from 'node:timers/promises';
import { ConfirmationRequiredError, NotFoundError, UserError } from '../../errors/api.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { DataStructureService } from '../data-structures/service.ts';
import type { Structure } from '../data-structures/structure.ts';
import type { FieldCondition } from './conditions.ts';
import { appendRecordEvents } from './event-store.ts';
import { type PutResult, prepareRecord, RecordBatch, type RecordInput, resultOf } from './record-batch.ts';
import {
  type DataRecord,
  findHeads,
  findRecord,
  listRecords,
  nextHeads,
  type RecordHead,
  removeRecords,
} from './record-store.ts';
import { countStore, findStores, type LockedStore, lockStore, type ManagedStore } from './store.ts';
import { recordsTopic } from './topic.ts';

export type { FieldCondition } from './conditions.ts';
export type { PutResult, RecordInput } from './record-batch.ts';
export type { DataRecord } from './record-store.ts';
export type { ManagedStore } from './store.ts';

/** How many records are deleted in one statement, so that the event loop goes on between them. */
const DELETED_AT_ONCE = 500;
const NOT_BROUGHT_BACK = 'Nothing brings deleted records back: send the same with confirmed: true once you are sure.';

/** What a call that puts records does about those that are refused, and what it is in the journal. */
interface PutRules {
  /** Whether all are stored or none. */
  readonly atomic: boolean;
  /** Whether nothing is put behind a record that was refused for this. */
  stopsAt(refusal: UserError): boolean;
  readonly action: string;
}

/** Which records of a store: those with these keys, or all but those. */
export type KeySelection = { readonly keys: readonly string[] } | { readonly exceptKeys: readonly string[] };

/** Reads and writes the records of managed datastores. */
export class RecordService {
  readonly #database: Database;
  readonly #keyring: Keyring;
  readonly #structures: DataStructureService;

  constructor(database: Database, keyring: Keyring, structures: DataStructureService) {
    this.#database = database;
    this.#keyring = keyring;
    this.#structures = structures;
  }

  /** Returns the stores of datastores in the order of the ids; null where there is none that the caller may see. */
  async stores(access: Access, ids: readonly string[]): Promise<(ManagedStore | null)[]> {
    const found = new Map((await findStores(this.#database, access, ids)).map((one) => [one.datastoreId, one]));
    return ids.map((id) => found.get(id) ?? null);
  }

  async find(access: Access, datastoreId: string, key: string): Promise<DataRecord | null> {
    requireScope(access, 'RECORDS_READ');
    return findRecord(this.#database, access, datastoreId, key);
  }

  /** A page with conditions looks at 2,000 records at most, and may end before it has as many as asked for. */
  async list(
    access: Access,
    datastoreId: string,
    page: PageArguments,
    conditions: readonly FieldCondition[],
  ): Promise<Page<DataRecord>> {
    requireScope(access, 'RECORDS_READ');
    return listRecords(this.#database, access, datastoreId, readPageArguments(page, 'KEY'), conditions);
  }

  /** @throws ValidationError naming each wrong field, NotFoundError, ConflictError, QuotaExceededError */
  async put(access: Access, datastoreId: string, input: RecordInput): Promise<DataRecord> {
    const [result] = await this.putAll(access, datastoreId, [input], false);
    if (result?.error) throw result.error;
    if (!result?.record) throw new Error('a record that was put has no result');
    return result.record;
  }

  /**
   * Puts records one after the other, each with its own result; with `atomic` all or none.
   * @throws NotFoundError, ValidationError
   */
  async putAll(
    access: Access,
    datastoreId: string,
    inputs: readonly RecordInput[],
    atomic: boolean,
  ): Promise<PutResult[]> {
    return this.#put(access, datastoreId, inputs, { atomic, stopsAt: () => false, action: 'records.put' });
  }

  /**
   * Puts some of the records of an import as putAll() does, up to the first that is refused for something at which it
   * stops: there are no results behind that one. @throws NotFoundError
   */
  async importSome(
    access: Access,
    datastoreId: string,
    inputs: readonly RecordInput[],
    stopsAt: PutRules['stopsAt'],
  ): Promise<PutResult[]> {
    return this.#put(access, datastoreId, inputs, { atomic: false, stopsAt, action: 'records.import' });
  }

  /** Reads the data structure of a store. @throws NotFoundError for a store that the caller may not see */
  async structureOf(access: Access, datastoreId: string): Promise<Structure | null> {
    const [store] = await findStores(this.#database, access, [datastoreId]);
    if (!store) throw new NotFoundError([datastoreId]);
    const { dataStructureId } = store;
    if (dataStructureId === null) return null;
    return (await this.#structures.within(this.#database, access, dataStructureId)) ?? null;
  }

  async #put(
    access: Access,
    datastoreId: string,
    inputs: readonly RecordInput[],
    { atomic, stopsAt, action }: PutRules,
  ): Promise<PutResult[]> {
    requireScope(access, 'RECORDS_WRITE');
    const prepared = inputs.map((input) => resultOf(() => prepareRecord(input)));
    return this.#database.change(async (change) => {
      const store = await lockStore(change, access, datastoreId);
      if (!store) throw new NotFoundError([datastoreId]);
      const { dataStructureId } = store;
      const structure =
        dataStructureId === null ? null : await this.#structures.within(change, access, dataStructureId);
      if (structure === undefined) throw new Error('a store uses a data structure that is not there');
      const batch = new RecordBatch(change, access, store, structure);
      await batch.read(prepared.flatMap((one) => (one instanceof UserError ? [] : [one])));
      const results: PutResult[] = [];
      for (const one of prepared) {
        const result = one instanceof UserError ? one : resultOf(() => batch.put(one));
        const isRefused = result instanceof UserError;
        results.push(isRefused ? { record: null, error: result } : { record: result, error: null });
        if (isRefused && stopsAt(result)) break;
      }
      if (atomic && results.some(({ error }) => error)) return results.map(({ error }) => ({ record: null, error }));
      await batch.write();
      const count = results.filter(({ record }) => record).length;
      if (count > 0) await this.#journal(change, access, store, action, count);
      return results;
    });
  }

  /**
   * Deletes records. @returns how many there were
   * @throws NotFoundError, ConfirmationRequiredError unless `isConfirmed`
   */
  async delete(access: Access, datastoreId: string, selection: KeySelection, isConfirmed: boolean): Promise<number> {
    requireScope(access, 'RECORDS_WRITE');
    return this.#database.change(async (change) => {
      const store = await lockStore(change, access, datastoreId);
      if (!store) throw new NotFoundError([datastoreId]);
      if (!isConfirmed) throw new ConfirmationRequiredError([], NOT_BROUGHT_BACK);
      const left = await deleteSelected(change, access, store, selection);
      const count = store.recordCount - left.recordCount;
      if (count === 0) return 0;
      await countStore(change, left);
      change.ring(recordsTopic(datastoreId));
      await this.#journal(change, access, store, 'records.delete', count);
      return count;
    });
  }

  async #journal(
    change: Change,
    { actor }: Access,
    { environmentId, datastoreId }: LockedStore,
    action: string,
    count: number,
  ): Promise<void> {
    const subject = { subjectType: 'datastore', subjectId: datastoreId, detail: { count } };
    await appendJournal(change, this.#keyring, { environmentId, kind: '', action, actor, ...subject });
  }
}

/** Deletes some of the records of a store, in steps. @returns the store as it is then */
async function deleteSelected(
  change: Change,
  access: Access,
  store: LockedStore,
  selection: KeySelection,
): Promise<LockedStore> {
  const { datastoreId } = store;
  let left = store;
  const remove = async (heads: readonly RecordHead[]) => {
    const keys = heads.map(({ key }) => key);
    const stamps = { at: change.clock.timestamp(), kind: 'DELETED', actor: access.actor.name } as const;
    const events = keys.map((key, at) => ({ ...stamps, key, sequence: left.lastEvent + at + 1 }));
    await removeRecords(change, datastoreId, keys);
    await appendRecordEvents(change, datastoreId, events);
    const bytes = heads.reduce((sum, { size }) => sum + size, 0);
    left = {
      ...left,
      usedBytes: left.usedBytes - bytes,
      recordCount: left.recordCount - keys.length,
      lastEvent: left.lastEvent + keys.length,
    };
  };
  if ('keys' in selection) {
    await remove(await findHeads(change, datastoreId, selection.keys));
    return left;
  }
  const except = new Set(selection.exceptKeys);
  for (let after: string | undefined = ''; after !== undefined; await immediate()) {
    const heads: RecordHead[] = await nextHeads(change, datastoreId, after, DELETED_AT_ONCE);
    await remove(heads.filter(({ key }) => !except.has(key)));
    after = heads.length < DELETED_AT_ONCE ? undefined : heads.at(-1)?.key;
  }
  return left;
}
