/** For how long something is kept, in milliseconds. */
const KEPT_MS = 1_000;

/** What was made of an object, and until when it counts, by performance.now(). */
interface Made<Thing> {
  readonly until: number;
  readonly things: Map<unknown, Thing>;
}

/** Makes things once for all who ask for them at about the same time: what belongs to an object is kept for 1 s. */
export class Briefly<Thing extends object> {
  #young = new WeakMap<object, Made<Thing>>();
  #old = new WeakMap<object, Made<Thing>>();
  /** How often the two are to change places until both are empty: a timer for each object would cost more than it. */
  #rounds = 0;

  of(owner: object, key: unknown, make: () => Thing): Thing {
    const things = this.#thingsOf(owner);
    const known = things.get(key);
    if (known) return known;
    const thing = make();
    things.set(key, thing);
    return thing;
  }

  #thingsOf(owner: object): Map<unknown, Thing> {
    const now = performance.now();
    const known = this.#young.get(owner) ?? this.#old.get(owner);
    if (known && now < known.until) return known.things;
    const things = new Map<unknown, Thing>();
    this.#young.set(owner, { until: now + KEPT_MS, things });
    if (this.#rounds === 0) this.#forgetLater();
    this.#rounds = 2;
    return things;
  }

  #forgetLater(): void {
    setTimeout(() => {
      this.#old = this.#young;
      this.#young = new WeakMap();
      this.#rounds -= 1;
      if (this.#rounds > 0) this.#forgetLater();
    }, KEPT_MS).unref();
  }
}
