import { DatabaseUnavailableError } from './database/database.ts';
import type { Logger } from './telemetry/logger.ts';
import { Ticker } from './ticker.ts';

/** How often chores are done: what they remove may stay so much longer than it has to. */
const EVERY_MS = 60_000;

/** Something that is done now and then: a step of it, which says whether there is more to do at once. */
export interface Chore {
  readonly title: string;
  step(): Promise<boolean>;
}

/** Does what nobody waits for, every minute and in steps, so that the event loop goes on between them. */
export class Chores {
  readonly #chores: readonly Chore[];
  readonly #logger: Logger;
  readonly #ticker: Ticker;
  #stopped = false;

  constructor(chores: readonly Chore[], logger: Logger) {
    this.#chores = chores;
    this.#logger = logger;
    const onError = (err: unknown) => logger.error({ err }, 'chores failed');
    this.#ticker = new Ticker({ everyMs: EVERY_MS, work: () => this.#runAll(), onError });
  }

  /** Begins to count: whoever waits for a process that has just started comes before them. */
  start(): void {
    this.#ticker.start();
  }

  /** Does all that there is to do. When it is being done already, it waits for that. */
  run(): Promise<void> {
    return this.#ticker.run();
  }

  /** Ends after the step that goes on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ticker.stop();
  }

  async #runAll(): Promise<void> {
    for (const { title, step } of this.#chores) {
      try {
        for (let isMore = true; isMore && !this.#stopped; ) isMore = await step();
      } catch (error) {
        // the database's own faults are told once, by the database
        if (!(error instanceof DatabaseUnavailableError))
          this.#logger.error({ err: error }, `a chore failed: ${title}`);
      }
    }
  }
}
