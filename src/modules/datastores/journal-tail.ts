import { setImmediate as immediate } from 'node:timers/promises';
import type { Database } from '../../platform/database/database.ts';
import { type Doorbell, LocalDoorbell } from '../../platform/streams/doorbell.ts';
import {
  allJournalEnds,
  type JournalPositions,
  type JournalRow,
  readDatastoreEvents,
  stretchesBetween,
} from './store.ts';

/** How many events a follower may lag behind before it reads the journal for itself: so many are kept in memory. */
const KEPT = 1_000;

/**
 * Keeps the newest datastore events of all environments for everybody in this process who follows some, so that each
 * event is read once. It reads only while somebody listens or asks. Events are numbered in the order in which they were
 * read.
 */
export class JournalTail implements Pick<Doorbell, 'on'> {
  readonly #database: Database;
  readonly #doorbell: Doorbell;
  readonly #listeners = new LocalDoorbell();
  /** What ends that the tail listens to a topic, for all who do. */
  readonly #leave = new Map<string, () => void>();
  #rung = new Set<string>();
  #rows: JournalRow[] = [];
  /** This is the number of the first row that is kept. */
  #first = 0;
  #ends: JournalPositions | undefined;
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #failed = false;

  constructor(database: Database, doorbell: Doorbell) {
    this.#database = database;
    this.#doorbell = doorbell;
  }

  /** Tells whether the last reading failed, so that events may be missing until the next one. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Tells the number that the next event gets. */
  get end(): number {
    return this.#first + this.#rows.length;
  }

  /** Returns the events from a number on, or undefined when the first of them are no longer kept. */
  since(number: number): readonly JournalRow[] | undefined {
    return number < this.#first ? undefined : this.#rows.slice(number - this.#first);
  }

  /** Rings once the events of a topic that was rung have been read, or could not be. */
  on(topic: string, listener: () => void): () => void {
    const leave = this.#listeners.on(topic, listener);
    if (!this.#leave.has(topic)) this.#listenTo(topic);
    return () => {
      leave();
      if (this.#listeners.hears(topic)) return;
      this.#leave.get(topic)?.();
      this.#leave.delete(topic);
    };
  }

  /** Reads what has been stored by now. Those who ask before the reading has begun share it. */
  refresh(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  #listenTo(topic: string): void {
    const leave = this.#doorbell.on(topic, () => {
      this.#rung.add(topic);
      // a failure is told to those who listen, who then ask for themselves
      this.refresh().catch(() => undefined);
    });
    this.#leave.set(topic, leave);
  }

  async #begin(): Promise<void> {
    await this.#last;
    // what rings in one go, and who asks meanwhile, share a reading
    await immediate();
    this.#next = undefined;
    const rung = this.#rung;
    this.#rung = new Set();
    const reading = this.#readOn();
    this.#last = reading.catch(() => undefined);
    try {
      await reading;
      this.#failed = false;
    } catch (error) {
      this.#failed = true;
      throw error;
    } finally {
      for (const topic of rung) this.#listeners.ring(topic);
    }
  }

  async #readOn(): Promise<void> {
    const ends = await allJournalEnds(this.#database);
    const stretches = stretchesBetween(this.#ends ?? ends, ends);
    const count = stretches.reduce((sum, { after, to }) => sum + to - after, 0);
    if (count > KEPT) {
      this.#first = this.end + count;
      this.#rows = [];
    } else if (count > 0) {
      this.#rows.push(...(await readDatastoreEvents(this.#database, stretches, null, count)));
      const surplus = Math.max(this.#rows.length - KEPT, 0);
      this.#rows.splice(0, surplus);
      this.#first += surplus;
    }
    this.#ends = ends;
  }
}
