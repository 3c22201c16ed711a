export interface TickerOptions {
  readonly everyMs: number;
  readonly work: () => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/** Does something every so often, and never twice at once. It keeps no process alive. */
export class Ticker {
  readonly #options: TickerOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: TickerOptions) {
    this.#options = options;
  }

  /** Begins to count: it is done for the first time when the time is over. */
  start(): void {
    this.#timer = setInterval(() => void this.run(), this.#options.everyMs).unref();
  }

  /** Does it now; when it is being done already, waits for that. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#options
      .work()
      .catch(this.#options.onError)
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Waits for what is being done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
