import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';

/** How soon after an erasure SQLite's log is emptied; all erasures until then share one emptying. */
const EMPTY_AFTER_MS = 2_000;

/**
 * Takes what was erased out of SQLite's write-ahead log, where the pages of earlier changes stay as they were: the log
 * is written into the file, which keeps no deleted bytes, and cut to nothing.
 */
export class WriteAheadLog {
  readonly #query: Kysely<Tables>;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(query: Kysely<Tables>) {
    this.#query = query;
  }

  /** Empties the log soon. It is tried again and again while another process reads, or the database is away. */
  emptySoon(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // a fault of the database is told once, by its availability
      this.#empty().then(
        (isEmpty) => isEmpty || this.emptySoon(),
        () => this.emptySoon(),
      );
    }, EMPTY_AFTER_MS).unref();
  }

  /** Empties the log at once when something was erased, as far as other processes let it. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    // whoever opens the database next, or closes it last, writes the log into the file all the same
    await this.#empty().catch(() => false);
  }

  /** @returns false while another process reads from the log */
  async #empty(): Promise<boolean> {
    const { rows } = await sql<{ busy: number }>`pragma wal_checkpoint(truncate)`.execute(this.#query);
    return rows[0]?.busy === 0;
  }
}
