import { type Database, DatabaseUnavailableError } from '../../platform/database.ts';
import type { Logger } from '../../platform/logger.ts';
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
  #startedAt = '';
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;

  constructor(options: ProcessRegistryOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { database, beatMs } = this.#options;
    this.#startedAt = database.clock.timestamp();
    this.#timer = setInterval(() => void this.#beat(), beatMs ?? BEAT_MS).unref();
    await this.#beat();
  }

  async stop(): Promise<void> {
    const { database, facts } = this.#options;
    clearInterval(this.#timer);
    await this.#beating;
    await this.#guarded(() => removeProcess(database, facts.id));
  }

  /** A database that is slow is not asked once more meanwhile. Never rejects. */
  #beat(): Promise<void> {
    const { database, facts, running } = this.#options;
    this.#beating ??= this.#guarded(async () => {
      const at = database.clock.timestamp();
      const seen = { running: running(), started_at: this.#startedAt, last_seen_at: at };
      await putBeat(database, { ...facts, ...seen, token_id: null, public_key: null });
    }).finally(() => {
      this.#beating = undefined;
    });
    return this.#beating;
  }

  /** The database's own faults are told once, by the database. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DatabaseUnavailableError))
        this.#options.logger.error({ err: error }, 'this process could not tell that it lives');
    }
  }
}
