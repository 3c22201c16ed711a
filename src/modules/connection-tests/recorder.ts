import { setTimeout as sleep } from 'node:timers/promises';
import { type Change, type Database, DatabaseUnavailableError } from '../../platform/database.ts';
import { type Ownership, writeEvents } from './store.ts';
import type { StoredEvent } from './test.ts';

/** How many events one change writes: each binds five values, far below what a statement may bind. */
const MOST_IN_ONE_CHANGE = 500;
/**
 * While several tests run, a write is followed by a pause of so many times as long as it took, and so many milliseconds
 * at most: what comes in it is written together.
 */
const PAUSE_PER_WRITE = 2;
const LONGEST_GATHERING_MS = 30;
/** The pauses between two tries grow from the first to the longest while the database is away. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/** Names the topic that is rung when a test has something new to read. */
export function testTopic(testId: string): string {
  return `connection-test:${testId}`;
}

/** One event on its way to the log. */
interface Pending {
  readonly by: Ownership;
  readonly event: StoredEvent;
  readonly settle: (written: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Writes the events of all running tests, in order. What comes while a write is under way goes out together in the next
 * one, so that 200 tests at once do not wait for 200 commits each. While the database is away the events wait for it,
 * so that a test that ran to its end is told to have ended.
 */
export class TestRecorder {
  readonly #database: Database;
  #pending: Pending[] = [];
  #writing = false;
  readonly #givenUp = new AbortController();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Writes an event. @returns false when the writer no longer owns the test: somebody else goes on with it */
  record(by: Ownership, event: StoredEvent): Promise<boolean> {
    return new Promise((settle, fail) => {
      this.#pending.push({ by, event, settle, fail });
      if (!this.#writing) void this.#write();
    });
  }

  /** Drops from now on what cannot be written at once: this process ends, and another one ends its tests. */
  giveUp(): void {
    this.#givenUp.abort();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    let pauseMs = FIRST_PAUSE_MS;
    while (this.#pending.length > 0) {
      const start = performance.now();
      const batch = this.#pending.slice(0, MOST_IN_ONE_CHANGE);
      try {
        const lost = await this.#database.change((change) => writeBatch(change, batch));
        for (const { by, settle } of this.#pending.splice(0, batch.length)) settle(!lost.has(by.testId));
        pauseMs = FIRST_PAUSE_MS;
        const isAlone = batch.every(({ by }) => by.testId === batch[0]?.by.testId);
        if (!isAlone) await sleep(Math.min(PAUSE_PER_WRITE * (performance.now() - start), LONGEST_GATHERING_MS));
      } catch (error) {
        if (error instanceof DatabaseUnavailableError && !this.#givenUp.signal.aborted) {
          // an abort ends the pause, and the next failure is the last
          await sleep(pauseMs, undefined, { signal: this.#givenUp.signal }).catch(() => undefined);
          pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        } else {
          for (const { fail } of this.#pending.splice(0, batch.length)) fail(error);
        }
      }
    }
    this.#writing = false;
  }
}

/** Writes one batch. @returns the ids of the tests that the writer no longer owns */
async function writeBatch(change: Change, batch: readonly Pending[]): Promise<Set<string>> {
  const lost = new Set<string>();
  // tests are locked in the order of their ids, so that two replicas never wait for one another
  const tests = Map.groupBy(batch, ({ by }) => by.testId);
  for (const testId of [...tests.keys()].sort()) {
    const entries = tests.get(testId) ?? [];
    const [first] = entries;
    if (!first) continue;
    const written = await writeEvents(
      change,
      first.by,
      entries.map(({ event }) => event),
    );
    if (written) change.ring(testTopic(testId));
    else lost.add(testId);
  }
  return lost;
}
