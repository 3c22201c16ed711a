import { setImmediate as immediate } from 'node:timers/promises';
import type { Database } from '../../platform/database.ts';
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
 * event is read once. It reads only while somebody asks. Events are numbered in the order in which they were read.
 */
export class JournalTail {
  readonly #database: Database;
  #rows: JournalRow[] = [];
  /** This is the number of the first row that is kept. */
  #first = 0;
  #ends: JournalPositions | undefined;
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Tells the number that the next event gets. */
  get end(): number {
    return this.#first + this.#rows.length;
  }

  /** Returns the events from a number on, or undefined when the first of them are no longer kept. */
  since(number: number): readonly JournalRow[] | undefined {
    return number < this.#first ? undefined : this.#rows.slice(number - this.#first);
  }

  /** Reads what has been stored by now. Those who ask before the reading has begun share it. */
  refresh(): Promise<void> {
    this.#next ??= this.#begin();
    return this.#next;
  }

  async #begin(): Promise<void> {
    await this.#last;
    // a ring reaches all followers in one go, and by then each of them has asked
    await immediate();
    this.#next = undefined;
    const reading = this.#readOn();
    this.#last = reading.catch(() => undefined);
    await reading;
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
