import type { Doorbell } from './doorbell.ts';

/** What followLog reads, and until when. */
export interface FollowOptions<Row, Cursor, Shown> {
  readonly doorbell: Doorbell;
  /** Topics that ring when there may be new rows. */
  readonly topics: readonly string[];
  /**
   * Reads the rows after a cursor, in order, perhaps only the first of them. Rows must become visible in their order.
   */
  readonly read: (after: Cursor) => Promise<readonly Row[]>;
  /** Gives the cursor that lies just behind a row. */
  readonly position: (row: Row) => Cursor;
  readonly after: Cursor;
  /** Makes what is yielded of a row, once its position was asked for. Left out: the row itself. */
  readonly show?: (row: Row) => Shown;
  /** Is true for the row that ends the log. When it is left out, the log is followed until someone stops. */
  readonly isLast?: (row: Row) => boolean;
  /** Ends the log at once, without an error. */
  readonly signal?: AbortSignal;
  /** Milliseconds between two reads even when nobody rings. */
  readonly pollMs?: number;
  /** The most rows that `read` returns: fewer mean that there are no more for now, which saves a read. */
  readonly pageSize?: number;
}

/**
 * Yields the rows of a log after a cursor, then the new ones as they come, without a gap or a duplicate. It reads only
 * when it is asked for more, so a slow reader costs no memory. return() and the signal end it at once, also while it
 * waits or reads. A read that fails ends it with its error.
 */
export function followLog<Row, Cursor = number, Shown = Row>(
  options: FollowOptions<Row, Cursor, Shown>,
): AsyncIterableIterator<Shown> {
  return new LogFollower(options);
}

interface Waiter<Shown> {
  readonly resolve: (result: IteratorResult<Shown>) => void;
  readonly reject: (error: unknown) => void;
}

/** It is no async generator, for one that is blocked in an await does not hear return(). */
class LogFollower<Row, Cursor, Shown> implements AsyncIterableIterator<Shown> {
  readonly #options: FollowOptions<Row, Cursor, Shown>;
  readonly #endings: (() => void)[] = [];
  readonly #waiters: Waiter<Shown>[] = [];
  #rows: readonly Row[] = [];
  #taken = 0;
  #cursor: Cursor;
  #stale = true;
  #pumping = false;
  #started = false;
  #ended = false;

  constructor(options: FollowOptions<Row, Cursor, Shown>) {
    this.#options = options;
    this.#cursor = options.after;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Shown> {
    return this;
  }

  next(): Promise<IteratorResult<Shown>> {
    if (!this.#started) this.#start();
    if (this.#ended) return Promise.resolve(done());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      void this.#pump();
    });
  }

  async return(): Promise<IteratorResult<Shown>> {
    this.#end();
    return done();
  }

  async throw(error: unknown): Promise<IteratorResult<Shown>> {
    this.#end();
    throw error;
  }

  /** Listens before the first read, so that no row falls in between. */
  #start(): void {
    this.#started = true;
    const { doorbell, topics, signal, pollMs } = this.#options;
    if (signal?.aborted) this.#end();
    if (this.#ended) return;
    const rung = () => {
      this.#stale = true;
      void this.#pump();
    };
    for (const topic of topics) this.#endings.push(doorbell.on(topic, rung));
    if (pollMs !== undefined) {
      const timer = setInterval(rung, pollMs).unref();
      this.#endings.push(() => clearInterval(timer));
    }
    if (signal) {
      const aborted = () => this.#end();
      signal.addEventListener('abort', aborted, { once: true });
      this.#endings.push(() => signal.removeEventListener('abort', aborted));
    }
  }

  /** Serves those who wait until there is nothing more to read. Only one runs at a time, and it never rejects. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#waiters.length > 0 && !this.#ended) {
        if (this.#taken < this.#rows.length) this.#handOut();
        else if (this.#stale) await this.#readOn();
        else break;
      }
    } catch (error) {
      this.#waiters.shift()?.reject(error);
      this.#end();
    } finally {
      this.#pumping = false;
    }
  }

  #handOut(): void {
    const row = this.#rows[this.#taken] as Row;
    this.#cursor = this.#options.position(row);
    const { isLast: endsLog, show } = this.#options;
    const isLast = endsLog?.(row) ?? false;
    const value = show ? show(row) : (row as unknown as Shown);
    this.#taken += 1;
    this.#waiters.shift()?.resolve({ done: false, value });
    if (isLast) this.#end();
  }

  async #readOn(): Promise<void> {
    const { read, pageSize } = this.#options;
    // it is reset before the read, for a ring during the read means that there may be more than it saw
    this.#stale = false;
    const rows = await read(this.#cursor);
    this.#rows = rows;
    this.#taken = 0;
    if (rows.length > 0 && (pageSize === undefined || rows.length >= pageSize)) this.#stale = true;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#rows = [];
    for (const ending of this.#endings.splice(0)) ending();
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(done());
  }
}

function done(): IteratorReturnResult<undefined> {
  return { done: true, value: undefined };
}
