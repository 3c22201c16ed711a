/** How often the database is asked, in milliseconds; in between this process counts by itself. */
const EVERY_MS = 5_000;
/** By how much a steady counter may be wrong, as a part of what it has counted: many times what quartz is. */
const DRIFT = 0.0005;

/** Milliseconds that only grow, from any moment on, whatever becomes of the machine's clock. */
export type Counter = () => number;

/**
 * The time on the database's clock, which rules leases, deadlines and expiry: replicas whose own clocks differ agree on
 * what is over. It is asked for every five seconds and counted on from there, so that no statement waits for it and no
 * change of the machine's clock moves it. SQLite has the clock of this machine.
 */
export class DatabaseClock {
  readonly #ask: (() => Promise<number>) | null;
  readonly #counter: Counter;
  #timer: NodeJS.Timeout | undefined;
  #offset = 0;
  /** Half of the time that the answer took which the offset is from: it cannot be more wrong than that. */
  #error = Number.POSITIVE_INFINITY;
  #measuredAt = 0;
  /** What it has told last: two answers differ by what one of them was on its way, and time goes back for nobody. */
  #latest = 0;

  /** `ask` reads the time on the database's clock, in milliseconds since 1970; null for this machine's. */
  constructor(ask: (() => Promise<number>) | null, counter: Counter = () => performance.now()) {
    this.#ask = ask;
    this.#counter = counter;
  }

  /** Asks for the first time. Rejects when the database does not answer. */
  async start(): Promise<void> {
    if (!this.#ask) return;
    await this.#measure(this.#ask);
    this.#timer = setInterval(() => void this.measure(), EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks now; while the database is away the time is counted on. */
  async measure(): Promise<void> {
    if (!this.#ask) return;
    // that the database is away is told by its statements; how long it is no drift is worth telling of
    await this.#measure(this.#ask).catch(() => undefined);
  }

  /** Takes the time out of an answer that tells more than that. Rejects as `ask` does. */
  async measureBy(ask: () => Promise<number>): Promise<void> {
    await this.#measure(ask);
  }

  /** Milliseconds since 1970, never less than before unless the database's clock was set back. */
  now(): number {
    if (!this.#ask) return Date.now();
    this.#latest = Math.max(this.#latest, Math.round(this.#counter() + this.#offset));
    return this.#latest;
  }

  /** A moment so many milliseconds from now, as timestamps are stored; before now, for a negative number. */
  timestamp(inMs = 0): string {
    return new Date(this.now() + inMs).toISOString();
  }

  async #measure(ask: () => Promise<number>): Promise<void> {
    const asked = this.#counter();
    const time = await ask();
    const answered = this.#counter();
    const offset = time - (asked + answered) / 2;
    const error = (answered - asked) / 2;
    const known = this.#error + (answered - this.#measuredAt) * DRIFT;
    // when both cannot be, a clock was set
    const wasSet = Math.abs(offset - this.#offset) > error + known;
    // a slow answer says less than a quick one before it did
    if (error > known && !wasSet) return;
    if (wasSet) this.#latest = 0;
    this.#offset = offset;
    this.#error = error;
    this.#measuredAt = answered;
  }
}
