import { UserError } from '../../errors/api.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
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
    if (batch.atomic) return this.#together(access, batch, (input) => preparation.creation(access, input));
    return (await settled(batch.items, (input) => datastores.create(access, input))).map(resultOf);
  }

  async update(access: Access, batch: Batch<DatastoreUpdate>): Promise<BatchResult[]> {
    const { datastores, preparation } = this.#options;
    mayChange(access, batch);
    if (batch.atomic) return this.#together(access, batch, (input) => preparation.update(access, input));
    return (await settled(batch.items, (input) => datastores.update(access, input))).map(resultOf);
  }

  /** Stores all items or, when one cannot be stored, none. */
  async #together<Input extends DatastoreInput>(
    access: Access,
    { items }: Batch<Input>,
    prepare: (input: Input) => Promise<Save>,
  ): Promise<BatchResult[]> {
    const { preparation, saver } = this.#options;
    const prepared = await settled(items, prepare);
    const saves = prepared.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (saves.length < items.length)
      return prepared.map((one) => (one.status === 'fulfilled' ? NOT_STORED : refused(one.reason)));
    try {
      const stored = await saver.saveAll(access, saves);
      const refreshed = await settled(items, (input, index) =>
        preparation.refreshCatalog(access, saves[index]?.id ?? '', input),
      );
      return refreshed.map((one, index) =>
        one.status === 'fulfilled'
          ? { datastore: stored[index] ?? null, error: null, fault: null }
          : refused(one.reason),
      );
    } catch (error) {
      if (!(error instanceof RefusedSave)) throw error;
      return items.map((_, index) => (index === error.index ? refused(error.reason) : NOT_STORED));
    }
  }
}

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
async function settled<Item, Result>(
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
