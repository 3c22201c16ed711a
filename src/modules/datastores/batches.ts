import { UserError } from '../../errors/api.ts';
import type { Change } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import type { Call, Idempotency } from '../idempotency/service.ts';
import type { Datastore } from './datastore.ts';
import type { DatastoreInput, DatastoreUpdate, NewDatastore, SavePreparation } from './preparation.ts';
import { type DatastoreSaver, RefusedSave, type Save } from './save.ts';
import type { DatastoreService } from './service.ts';

/** How many items of a batch are worked on at a time: each may resolve names, and run a test. */
const AT_A_TIME = 8;

/** Several inputs of one call. */
export interface Batch<Input extends DatastoreInput> {
  readonly items: readonly Input[];
  /** True to store all of them or none. */
  readonly atomic: boolean;
}

/** What one item of a batch has come to. All three are null for one that was not stored because of another. */
export interface BatchResult {
  readonly datastore: Datastore | null;
  readonly error: UserError | null;
  /** What no caller can mend, as an Error to be thrown where the datastore would be. */
  readonly fault: unknown;
}

export interface DatastoreBatchesOptions {
  readonly datastores: DatastoreService;
  readonly preparation: SavePreparation;
  readonly saver: DatastoreSaver;
  readonly idempotency: Idempotency;
}

/** Creates and changes many datastores at once, each with its own result, in the order of the items. */
export class DatastoreBatches {
  readonly #options: DatastoreBatchesOptions;

  constructor(options: DatastoreBatchesOptions) {
    this.#options = options;
  }

  async create(access: Access, batch: Batch<NewDatastore>): Promise<BatchResult[]> {
    const { datastores, preparation } = this.#options;
    mayChange(access, batch);
    if (batch.atomic) {
      const callOf = (input: NewDatastore) => datastores.creationCall(access, input);
      return this.#together(access, batch, { callOf, prepare: (input) => preparation.creation(access, input) });
    }
    return (await settled(batch.items, (input) => datastores.create(access, input))).map(resultOf);
  }

  async update(access: Access, batch: Batch<DatastoreUpdate>): Promise<BatchResult[]> {
    const { datastores, preparation } = this.#options;
    mayChange(access, batch);
    if (batch.atomic) {
      const callOf = (input: DatastoreUpdate) => datastores.updateCall(access, input);
      return this.#together(access, batch, { callOf, prepare: (input) => preparation.update(access, input) });
    }
    return (await settled(batch.items, (input) => datastores.update(access, input))).map(resultOf);
  }

  /** Stores all items or, when one cannot be stored, none. Those that were stored by an earlier call stay so. */
  async #together<Input extends DatastoreInput>(
    access: Access,
    { items }: Batch<Input>,
    kind: BatchKind<Input>,
  ): Promise<BatchResult[]> {
    const results = await this.#tryTogether(access, items, kind);
    if (!results.some(({ error }) => error)) return results;
    // the same call may have been stored meanwhile, and be the reason
    const known = await settled(items, async (input, index) => {
      const call = results[index]?.datastore ? null : await kind.callOf(input);
      return call && (await this.#options.idempotency.find(call));
    });
    const isStored = known.some((one) => one.status === 'fulfilled' && one.value !== null);
    return isStored ? this.#tryTogether(access, items, kind) : results;
  }

  async #tryTogether<Input extends DatastoreInput>(
    access: Access,
    items: readonly Input[],
    { callOf, prepare }: BatchKind<Input>,
  ): Promise<BatchResult[]> {
    const { datastores, idempotency, saver } = this.#options;
    const prepared = await settled(items, async (input): Promise<Prepared> => {
      const call = await callOf(input);
      const done = call && (await idempotency.find(call));
      if (done) return { known: await datastores.again(access, done), save: null };
      const save = await prepare(input);
      const keep = async (change: Change, firstVersion: number) => {
        if (call) await idempotency.keep(change, call, { id: save.id, firstVersion });
      };
      return { known: null, save: { ...save, keep } };
    });
    const ready = prepared.map((one) => (one.status === 'fulfilled' ? one.value : null));
    const results = prepared.map((one) =>
      one.status === 'fulfilled' ? { ...NOT_STORED, datastore: one.value.known } : refused(one.reason),
    );
    if (ready.some((one) => one === null)) return results;
    const open = ready.flatMap((one, index) => (one?.save ? [{ index, save: one.save }] : []));
    try {
      const saves = open.map(({ save }) => save);
      const stored = saves.length > 0 ? await saver.saveAll(access, saves) : [];
      for (const [at, { index }] of open.entries()) results[index] = { ...NOT_STORED, datastore: stored[at] ?? null };
    } catch (error) {
      if (!(error instanceof RefusedSave)) throw error;
      results[open[error.index]?.index ?? 0] = refused(error.reason);
      return results;
    }
    await this.#refreshCatalogs(access, items, open, results);
    return results;
  }

  /** Begins to read the catalogs of what was stored, where its item asks for it. */
  async #refreshCatalogs(
    access: Access,
    items: readonly DatastoreInput[],
    stored: readonly { readonly index: number; readonly save: Save }[],
    results: BatchResult[],
  ): Promise<void> {
    const refreshed = await settled(stored, async ({ index, save }) => {
      const input = items[index];
      if (input) await this.#options.preparation.refreshCatalog(access, save.id, input);
    });
    for (const [at, one] of refreshed.entries())
      if (one.status === 'rejected') results[stored[at]?.index ?? 0] = refused(one.reason);
  }
}

/** How the items of a batch are recognised when they come again, and made ready. */
interface BatchKind<Input> {
  readonly callOf: (input: Input) => Promise<Call | null>;
  readonly prepare: (input: Input) => Promise<Save>;
}

/** An item that an earlier call has stored, or one that may be. */
type Prepared = { readonly known: Datastore; readonly save: null } | { readonly known: null; readonly save: Save };

const NOT_STORED: BatchResult = { datastore: null, error: null, fault: null };

function refused(reason: unknown): BatchResult {
  return reason instanceof UserError ? { ...NOT_STORED, error: reason } : { ...NOT_STORED, fault: reason };
}

function resultOf(one: PromiseSettledResult<Datastore>): BatchResult {
  return one.status === 'fulfilled' ? { ...NOT_STORED, datastore: one.value } : refused(one.reason);
}

/** Asks for the scopes of all items before the first one is worked on. */
function mayChange(access: Access, { items }: Batch<DatastoreInput>): void {
  requireScope(access, 'DATASTORES_WRITE');
  if (items.some(({ test, refreshCatalog }) => test || refreshCatalog)) requireScope(access, 'DATASTORES_TEST');
}

/** Does some work for each item, a few at a time. */
export async function settled<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const results: PromiseSettledResult<Result>[] = [];
  const rest = items.entries();
  const worker = async () => {
    for (const [index, item] of rest) {
      const [result] = await Promise.allSettled([work(item, index)]);
      results[index] = result;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return results;
}
