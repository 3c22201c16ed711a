/** For how long something is kept, in milliseconds. */
const KEPT_MS = 1_000;

/** Makes things once for all who ask for them at about the same time: what belongs to an object is kept for 1 s. */
export class Briefly<Thing extends object> {
  readonly #kept = new WeakMap<object, Map<unknown, Thing>>();

  of(owner: object, key: unknown, make: () => Thing): Thing {
    const things = this.#thingsOf(owner);
    const known = things.get(key);
    if (known) return known;
    const thing = make();
    things.set(key, thing);
    return thing;
  }

  #thingsOf(owner: object): Map<unknown, Thing> {
    const known = this.#kept.get(owner);
    if (known) return known;
    const things = new Map<unknown, Thing>();
    this.#kept.set(owner, things);
    setTimeout(() => this.#kept.delete(owner), KEPT_MS).unref();
    return things;
  }
}
