import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { gatheringMs } from './gathering.ts';
import type { TestQueue, ToldEvent } from './queue.ts';

/** How many events are written at once: each binds five values, far below what a statement may bind. */
const MOST_AT_ONCE = 500;
/** The pauses between two tries grow from the first to the longest while the database is away. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/** One event on its way to the log. */
export interface RecordedEvent extends ToldEvent {
  /** Called once it is written; with false when the writer no longer owns the test: somebody else goes on with it. */
  readonly settle: (written: boolean) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Writes the events of all running tests, in order. What comes while a write is under way goes out together in the next
 * one, so that 200 tests at once do not wait for 200 commits each. While the queue is away the events wait for it, so
 * that a test that ran to its end is told to have ended.
 */
export class TestRecorder {
  readonly #queue: Pick<TestQueue, 'write' | 'isAway'>;
  #pending: RecordedEvent[] = [];
  #writing = false;
  readonly #givenUp = new AbortController();

  constructor(queue: Pick<TestQueue, 'write' | 'isAway'>) {
    this.#queue = queue;
  }

  /** Writes an event: there are too many of them for a promise each. */
  record(event: RecordedEvent): void {
    this.#pending.push(event);
    if (!this.#writing) void this.#write();
  }

  /** Drops from now on what cannot be written at once: this process ends, and another one ends its tests. */
  giveUp(): void {
    this.#givenUp.abort();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    // what a test tells in one go is written together
    await immediate();
    let pauseMs = FIRST_PAUSE_MS;
    while (this.#pending.length > 0) {
      const start = performance.now();
      const batch = this.#pending.slice(0, MOST_AT_ONCE);
      try {
        const lost = await this.#queue.write(batch);
        for (const { lease, settle } of this.#pending.splice(0, batch.length)) settle(!lost.has(lease.test.id));
        pauseMs = FIRST_PAUSE_MS;
        const isAlone = batch.every(({ lease }) => lease.test.id === batch[0]?.lease.test.id);
        if (!isAlone) await sleep(gatheringMs(performance.now() - start));
      } catch (error) {
        if (this.#queue.isAway(error) && !this.#givenUp.signal.aborted) {
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
