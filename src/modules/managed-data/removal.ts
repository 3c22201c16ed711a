import { setImmediate as immediate } from 'node:timers/promises';
import type { Change, Database } from '../../platform/database/database.ts';
import { isAbandoned, lockAbandoned, lockNextAbandoned, type Removed, removeNext } from './removal-store.ts';

/** How many records, and how many of their events, one change removes. */
const REMOVED_AT_ONCE = 500;
/** How many stores one deletion begins with itself. */
const BEGUN_AT_ONCE = 20;

const beginning = (datastoreId: string): Removed => ({ datastoreId, key: '', sequence: -1 });

/**
 * Removes what managed datastores held that were deleted. Their deletion has the database abandon the store: from then
 * on nobody sees it, whatever becomes of this process. Any number of processes may remove at once.
 */
export class StoreRemoval {
  readonly #database: Database;
  /** How far this process has come with a store; null while it removes none. */
  #reached: Removed | null = null;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Removes small stores in the very change that has deleted their datastores, and begins with others. */
  async beginWithin(change: Change, datastoreIds: readonly string[]): Promise<void> {
    for (const id of datastoreIds.slice(0, BEGUN_AT_ONCE))
      if (await lockAbandoned(change, id)) await removeNext(change, beginning(id), REMOVED_AT_ONCE);
  }

  /** Removes some of what is left. @returns whether there may be more that no other process removes */
  async step(): Promise<boolean> {
    const reached = this.#reached;
    this.#reached = null;
    const isMore = await this.#database.change(async (change) => {
      const isOurs = reached !== null && (await lockAbandoned(change, reached.datastoreId));
      const id = isOurs ? reached.datastoreId : await lockNextAbandoned(change);
      if (id === undefined) return false;
      this.#reached = await removeNext(change, isOurs ? reached : beginning(id), REMOVED_AT_ONCE);
      return true;
    });
    await immediate();
    return isMore;
  }

  /** Removes all that is left of a store, before its id is given to another. */
  async finish(datastoreId: string): Promise<void> {
    if (!(await isAbandoned(this.#database, datastoreId))) return;
    for (let from: Removed | null = beginning(datastoreId); from !== null; await immediate())
      from = await this.#removeSome(from);
  }

  #removeSome(from: Removed): Promise<Removed | null> {
    return this.#database.change(async (change) =>
      (await lockAbandoned(change, from.datastoreId)) ? removeNext(change, from, REMOVED_AT_ONCE) : null,
    );
  }
}
