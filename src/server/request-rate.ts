import { LimitFault } from '../errors/limits.ts';

const MINUTE_MS = 60_000;
const VARIABLE = 'MAX_REQUESTS_PER_MINUTE';

interface Allowed {
  /** How many requests were left at that time. */
  left: number;
  at: number;
}

/**
 * Lets each token make so many requests a minute: after a quiet minute all at once, and then as they come back, evenly.
 * Each process counts for itself.
 */
export class RequestRate {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #tokens = new Map<string, Allowed>();
  #sweptAt: number;

  /** `now` gives milliseconds. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.#perMinute = perMinute;
    this.#now = now;
    this.#sweptAt = now();
  }

  /** Counts a request. @throws LimitFault when the token has none left */
  take(token: string): void {
    const now = this.#now();
    this.#sweep(now);
    const before = this.#tokens.get(token) ?? { left: this.#perMinute, at: now };
    const left = Math.min(this.#perMinute, before.left + ((now - before.at) / MINUTE_MS) * this.#perMinute);
    if (left < 1) {
      const waitMs = ((1 - left) / this.#perMinute) * MINUTE_MS;
      throw new LimitFault(VARIABLE, this.#perMinute, Math.ceil(waitMs / 1_000));
    }
    this.#tokens.set(token, { left: left - 1, at: now });
  }

  /** Forgets who has asked nothing for a minute, and so has all of it back. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < MINUTE_MS) return;
    this.#sweptAt = now;
    for (const [token, { at }] of this.#tokens) if (now - at >= MINUTE_MS) this.#tokens.delete(token);
  }
}
