export interface AllowanceLimits {
  /** How many pieces are let through in a period. */
  readonly count: number;
  /** How large they may be together: characters, or bytes. */
  readonly size: number;
  readonly periodMs: number;
}

/** Lets so much through in each period of time, by count and by size. */
export class Allowance {
  readonly #limits: AllowanceLimits;
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;
  #size = 0;
  #spent = false;

  constructor(limits: AllowanceLimits) {
    this.#limits = limits;
  }

  /** Takes a piece of this size. `spent`: it is the first of its period that is too much; `over`: it is a later one. */
  take(size: number): 'within' | 'spent' | 'over' {
    const now = performance.now();
    if (now - this.#since > this.#limits.periodMs) {
      this.#since = now;
      this.#count = 0;
      this.#size = 0;
      this.#spent = false;
    }
    this.#count += 1;
    this.#size += size;
    if (this.#count <= this.#limits.count && this.#size <= this.#limits.size) return 'within';
    const first = !this.#spent;
    this.#spent = true;
    return first ? 'spent' : 'over';
  }
}
