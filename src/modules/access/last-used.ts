import type { Database } from '../../platform/database/database.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { touchTokens } from './store.ts';

/** How exact it is when a token was last used. */
const EXACT_TO_MS = 60_000;
/** How long uses are gathered, so that they are written together and no request waits for it. */
const GATHERED_MS = 1_000;
/** How many tokens are remembered before all of them are forgotten, and how many one statement notes. */
const MAX_REMEMBERED = 10_000;
const IN_ONE_STATEMENT = 500;

/** Notes when tokens are used: each once a minute at most, after the requests and beside them. */
export class LastUsed {
  readonly #database: Database;
  readonly #logger: Logger;
  /** When each token was last found to be in use, in milliseconds. */
  readonly #noted = new Map<string, number>();
  readonly #unwritten = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Takes down that a token is used now. */
  note(tokenId: string, now: number): void {
    if (now - (this.#noted.get(tokenId) ?? 0) < EXACT_TO_MS) return;
    if (this.#noted.size >= MAX_REMEMBERED) this.#noted.clear();
    this.#noted.set(tokenId, now);
    this.#unwritten.add(tokenId);
    this.#timer ??= setTimeout(() => this.#writeSoon(), GATHERED_MS).unref();
  }

  /** Tells when a token was last used, by what is stored of it and what is known here; null for never. */
  of(tokenId: string, stored: string | null): string | null {
    const noted = this.#noted.get(tokenId);
    const here = noted === undefined ? null : new Date(noted).toISOString();
    return here !== null && (stored === null || stored < here) ? here : stored;
  }

  /** Writes what has been gathered. */
  async close(): Promise<void> {
    this.#writeSoon();
    await this.#writing;
  }

  #writeSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    const ids = [...this.#unwritten];
    this.#unwritten.clear();
    const at = this.#database.clock.timestamp();
    try {
      for (let from = 0; from < ids.length; from += IN_ONE_STATEMENT)
        await touchTokens(this.#database, ids.slice(from, from + IN_ONE_STATEMENT), at);
    } catch (error) {
      // the next use, a minute later, is noted again
      this.#logger.warn({ err: error }, 'when tokens were last used could not be written');
    }
  }
}
