import { DatabaseUnavailableError } from '../database/errors.ts';
import type { Doorbell } from './doorbell.ts';
import { done, type Polled, PolledStream } from './polled-stream.ts';

/** For how long the database may be away until a log is followed no longer. */
const AWAY_MS = 60_000;
/** The shortest pause before it is read again, and what is added by chance: not all ask at the same moment. */
const PAUSE_MS = { min: 250, more: 500 };

/** What followLog reads, and until when. */
export interface FollowOptions<Row, Cursor, Shown> {
  readonly doorbell: Pick<Doorbell, 'on'>;
  /** Topics that ring when there may be new rows. */
  readonly topics: readonly string[];
  /**
   * Reads the rows after a cursor, in order, perhaps only the first of them. Rows must become visible in their order.
   * What is in memory is best given without a promise.
   */
  readonly read: (after: Cursor) => readonly Row[] | Promise<readonly Row[]>;
  /** Gives the cursor that lies just behind a row, of which the one before it is given. */
  readonly position: (row: Row, before: Cursor) => Cursor;
  readonly after: Cursor;
  /** Makes what is yielded of a row and of the cursor that lies just behind it. Left out: the row itself. */
  readonly show?: (row: Row, position: Cursor) => Shown;
  /** Is true for the row that ends the log. When it is left out, the log is followed until someone stops. */
  readonly isLast?: (row: Row) => boolean;
  /** Ends the log at once, without an error. */
  readonly signal?: AbortSignal;
  /** The same after so many milliseconds. Left out: it takes as long as it takes. */
  readonly timeoutMs?: number;
  /** Called once, when the log is followed no longer, whatever has ended that. */
  readonly onEnd?: () => void;
  /** Milliseconds between two reads even when nobody rings. */
  readonly pollMs?: number;
  /** The most rows that `read` returns: fewer mean that there are no more for now, which saves a read. */
  readonly pageSize?: number;
}

/**
 * Yields the rows of a log after a cursor, then the new ones as they come, without a gap or a duplicate. It reads only
 * when it is asked for more, so a slow reader costs no memory. return() and the signal end it at once, also while it
 * waits or reads. While the database is away it waits for up to a minute; any other read that fails ends it with its
 * error.
 */
export function followLog<Row, Cursor = number, Shown = Row>(
  options: FollowOptions<Row, Cursor, Shown>,
): Polled<Shown> {
  return new LogFollower(options);
}

class LogFollower<Row, Cursor, Shown> extends PolledStream<Shown> {
  readonly #options: FollowOptions<Row, Cursor, Shown>;
  readonly #endings: (() => void)[] = [];
  #wake: (() => void) | undefined;
  #rows: readonly Row[] = [];
  #taken = 0;
  #cursor: Cursor;
  #stale = true;
  #reading = false;
  #awaySince: number | undefined;
  #nextTry: NodeJS.Timeout | undefined;
  #failure: { readonly error: unknown } | undefined;
  #started = false;
  #ended = false;

  constructor(options: FollowOptions<Row, Cursor, Shown>) {
    super();
    this.#options = options;
    this.#cursor = options.after;
  }

  poll(wake: () => void): IteratorResult<Shown> | undefined {
    this.#wake = undefined;
    if (!this.#started) this.#start();
    while (!this.#ended) {
      if (this.#taken < this.#rows.length) return this.#handOut();
      if (!this.#reading && this.#stale) this.#readOn();
      else {
        this.#wake = wake;
        return undefined;
      }
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return done();
  }

  async return(): Promise<IteratorResult<Shown>> {
    this.#end();
    return done();
  }

  /** Listens before the first read, so that no row falls in between. */
  #start(): void {
    this.#started = true;
    const { doorbell, topics, signal, timeoutMs, pollMs } = this.#options;
    if (signal?.aborted) this.#end();
    if (this.#ended) return;
    const rung = () => this.#readAgain();
    for (const topic of topics) this.#endings.push(doorbell.on(topic, rung));
    if (pollMs !== undefined) {
      const timer = setInterval(rung, pollMs).unref();
      this.#endings.push(() => clearInterval(timer));
    }
    if (timeoutMs !== undefined) {
      const timer = setTimeout(() => this.#end(), timeoutMs).unref();
      this.#endings.push(() => clearTimeout(timer));
    }
    if (signal) {
      const aborted = () => this.#end();
      signal.addEventListener('abort', aborted, { once: true });
      this.#endings.push(() => signal.removeEventListener('abort', aborted));
    }
  }

  #readAgain(): void {
    this.#stale = true;
    this.#wake?.();
  }

  #handOut(): IteratorResult<Shown> {
    const row = this.#rows[this.#taken] as Row;
    this.#cursor = this.#options.position(row, this.#cursor);
    const { isLast, show } = this.#options;
    const value = show ? show(row, this.#cursor) : (row as unknown as Shown);
    this.#taken += 1;
    if (isLast?.(row)) this.#end();
    return { done: false, value };
  }

  #readOn(): void {
    // it is reset before the read, for a ring during the read means that there may be more than it saw
    this.#stale = false;
    try {
      const rows = this.#options.read(this.#cursor);
      if (rows instanceof Promise) this.#await(rows);
      else this.#accept(rows);
    } catch (error) {
      this.#fail(error);
    }
  }

  #await(reading: Promise<readonly Row[]>): void {
    this.#reading = true;
    const over = (outcome: () => void) => {
      this.#reading = false;
      outcome();
      this.#wake?.();
    };
    reading.then(
      (rows) => over(() => this.#accept(rows)),
      (error: unknown) => over(() => this.#fail(error)),
    );
  }

  #accept(rows: readonly Row[]): void {
    if (this.#ended) return;
    const { pageSize } = this.#options;
    this.#awaySince = undefined;
    this.#rows = rows;
    this.#taken = 0;
    if (rows.length > 0 && (pageSize === undefined || rows.length >= pageSize)) this.#stale = true;
  }

  #fail(error: unknown): void {
    if (this.#ended || (error instanceof DatabaseUnavailableError && this.#waitsForDatabase())) return;
    this.#failure = { error };
    this.#end();
  }

  /** @returns false when it has waited for long enough */
  #waitsForDatabase(): boolean {
    const now = performance.now();
    this.#awaySince ??= now;
    if (now - this.#awaySince > AWAY_MS) return false;
    clearTimeout(this.#nextTry);
    this.#nextTry = setTimeout(() => this.#readAgain(), PAUSE_MS.min + Math.random() * PAUSE_MS.more).unref();
    return true;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#rows = [];
    clearTimeout(this.#nextTry);
    for (const ending of this.#endings.splice(0)) ending();
    this.#options.onEnd?.();
    this.#wake?.();
  }
}
