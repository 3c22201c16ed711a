import { type Database, DatabaseUnavailableError } from '../../platform/database/database.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { Ticker } from '../../platform/ticker.ts';
import { BEAT_MS, type ProcessFacts } from './process.ts';
import { putBeat, removeProcess } from './store.ts';

export interface ProcessRegistryOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** What this process is. */
  readonly facts: ProcessFacts;
  /** How many tests it runs just now. */
  readonly running: () => number;
  /** Milliseconds between two beats; 5,000 when left out. */
  readonly beatMs?: number | undefined;
}

/** Keeps the row by which others see that this process lives, and takes it out when the process stops. */
export class ProcessRegistry {
  readonly #options: ProcessRegistryOptions;
  readonly #ticker: Ticker;
  #startedAt = '';

  constructor(options: ProcessRegistryOptions) {
    this.#options = options;
    const onError = (error: unknown) => this.#report(error);
    // a database that is slow is not asked once more meanwhile
    this.#ticker = new Ticker({ everyMs: options.beatMs ?? BEAT_MS, work: () => this.#beat(), onError });
  }

  async start(): Promise<void> {
    this.#startedAt = this.#options.database.clock.timestamp();
    this.#ticker.start();
    await this.#ticker.run();
  }

  async stop(): Promise<void> {
    const { database, facts } = this.#options;
    await this.#ticker.stop();
    await removeProcess(database, facts.id).catch((error: unknown) => this.#report(error));
  }

  async #beat(): Promise<void> {
    const { database, facts, running } = this.#options;
    const at = database.clock.timestamp();
    const seen = { running: running(), started_at: this.#startedAt, last_seen_at: at };
    await putBeat(database, { ...facts, ...seen, token_id: null, public_key: null });
  }

  /** The database's own faults are told once, by the database. */
  #report(error: unknown): void {
    if (!(error instanceof DatabaseUnavailableError))
      this.#options.logger.error({ err: error }, 'this process could not tell that it lives');
  }
}
