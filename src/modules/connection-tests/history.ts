import type { Database } from '../../platform/database.ts';
import { foldEvents } from './event-log.ts';
import { findUnfolded, storeFolded } from './event-store.ts';

/** How long after its end the events of a test stay as they were written: whoever follows it has them by then. */
const UNFOLDED_MS = 3_600_000;
/** How many tests are folded in one step. */
const FOLDED_AT_ONCE = 50;

/** Keeps what tests leave behind small. Any number of processes may do so at once. */
export class TestHistory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
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
}
