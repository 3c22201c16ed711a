import type { Database } from '../../platform/database/database.ts';
import { foldEvents } from './event-log.ts';
import { findUnfolded, storeFolded } from './event-store.ts';
import { beginRound, findOld, type KeptTests, nextDatastores, type OldTests, removeTests } from './removal-store.ts';

/** How long tests are kept: each for so many days, and so many of the newest of each datastore however old they are. */
export interface TestRetention {
  readonly days: number;
  readonly perDatastore: number;
}

export const retentionDefaults: TestRetention = { days: 30, perDatastore: 20 };

const DAY_MS = 86_400_000;
/** How often all datastores are looked at for tests that are kept no longer. */
const ROUND_MS = 3_600_000;
/** How many datastores one step looks at, and how many tests one change removes. */
const DATASTORES_AT_ONCE = 200;
const REMOVED_AT_ONCE = 200;

/** How long after its end the events of a test stay as they were written: whoever follows it has them by then. */
const UNFOLDED_MS = 3_600_000;
/** How many tests are folded in one step. */
const FOLDED_AT_ONCE = 50;

/** Keeps what tests leave behind small. Any number of processes may do so at once. */
export class TestHistory {
  readonly #database: Database;
  readonly #retention: TestRetention;
  /** The last datastore that this process's round has looked at; null while it goes none. */
  #lookedAt: string | null = null;

  constructor(database: Database, retention: TestRetention) {
    this.#database = database;
    this.#retention = retention;
  }

  /** Folds the events of some tests that ended an hour ago or earlier. @returns whether there may be more */
  async foldEnded(): Promise<boolean> {
    const endedBefore = this.#database.clock.timestamp(-UNFOLDED_MS);
    const ended = await findUnfolded(this.#database, endedBefore, FOLDED_AT_ONCE);
    // the events of a test that has ended change no more: only what is written has to be one change
    const logs = ended.map(({ test, events }) => ({ id: test.id, log: foldEvents(events, test) }));
    // tests are locked in the order of their ids, so that two replicas never wait for one another
    logs.sort((one, other) => (one.id < other.id ? -1 : 1));
    if (logs.length > 0)
      await this.#database.change(async (change) => {
        for (const { id, log } of logs) await storeFolded(change, id, log);
      });
    return ended.length === FOLDED_AT_ONCE;
  }
  /** Removes some old tests of drafts and of datastores that were deleted. @returns whether there may be more */
  async removeOldOfNone(): Promise<boolean> {
    return this.#removeSome({ datastoreId: null, createdBefore: this.#tooOld(), except: null });
  }

  /**
   * Removes old tests of the next datastores, in a round through all of them that one process begins each hour. A round
   * that a process leaves undone is gone anew in the next hour.
   * @returns whether the round goes on
   */
  async removeOld(): Promise<boolean> {
    const after = this.#lookedAt ?? ((await beginRound(this.#database, ROUND_MS)) ? '' : null);
    this.#lookedAt = null;
    if (after === null) return false;
    const looked = { newest: this.#retention.perDatastore, limit: DATASTORES_AT_ONCE };
    const datastores = await nextDatastores(this.#database, after, looked);
    for (const datastore of datastores) await this.#removeOldOf(datastore, this.#tooOld());
    this.#lookedAt = datastores.at(-1)?.id ?? null;
    return this.#lookedAt !== null;
  }

  async #removeOldOf({ id, last_test_id, oldest, kept_since }: KeptTests, tooOld: string): Promise<void> {
    if (oldest === null || kept_since === null) return;
    const createdBefore = kept_since < tooOld ? kept_since : tooOld;
    if (oldest >= createdBefore) return;
    const old = { datastoreId: id, createdBefore, except: last_test_id };
    for (let isMore = true; isMore; ) isMore = await this.#removeSome(old);
  }

  async #removeSome(old: Omit<OldTests, 'limit'>): Promise<boolean> {
    const ids = await findOld(this.#database, { ...old, limit: REMOVED_AT_ONCE });
    if (ids.length > 0) await this.#database.change((change) => removeTests(change, ids));
    return ids.length === REMOVED_AT_ONCE;
  }

  #tooOld(): string {
    return this.#database.clock.timestamp(-this.#retention.days * DAY_MS);
  }
}
