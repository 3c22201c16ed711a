import { syncBuiltinESMExports } from 'node:module';
import promised, { setImmediate as turn } from 'node:timers/promises';

interface Timer {
  readonly at: number;
  readonly fire: () => void;
  readonly everyMs: number | undefined;
}

/** What Node's timers have, and what nobody who waits by them asks for here. */
class Handle {
  readonly id: number;

  constructor(id: number) {
    this.id = id;
  }

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  refresh(): this {
    throw new Error('A virtual timer is not refreshed');
  }
}

/**
 * A time that passes when a test says so, for all code of this process: `setTimeout` and its like, `Date.now()`,
 * `performance.now()`, `AbortSignal.timeout()`. Immediates stay as they are.
 */
export class VirtualTime {
  readonly #timers = new Map<number, Timer>();
  #now = Date.parse('2030-01-01T00:00:00Z');
  #ids = 0;

  get now(): number {
    return this.#now;
  }

  /** Takes the place of the real time. @returns what puts that back */
  install(): () => void {
    const begin = this.#now;
    const replaced: [object, object][] = [
      [globalThis, pick(globalThis, ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'])],
      [Date, { now: Date.now }],
      [performance, { now: performance.now }],
      [AbortSignal, { timeout: AbortSignal.timeout }],
      [promised, { setTimeout: promised.setTimeout }],
    ];
    const clear = (handle: unknown) => void (handle instanceof Handle && this.#timers.delete(handle.id));
    Object.assign(globalThis, {
      setTimeout: (work: (...given: unknown[]) => void, ms = 0, ...given: unknown[]) =>
        this.#add(() => work(...given), ms, undefined),
      setInterval: (work: () => void, ms = 0) => this.#add(work, ms, ms),
      clearTimeout: clear,
      clearInterval: clear,
    });
    Object.assign(Date, { now: () => this.#now });
    Object.assign(performance, { now: () => this.#now - begin });
    Object.assign(AbortSignal, { timeout: (ms: number) => this.#signal(ms) });
    Object.assign(promised, {
      setTimeout: (ms: number, value: unknown, options?: { signal?: AbortSignal }) =>
        this.#sleep(ms, value, options?.signal),
    });
    syncBuiltinESMExports();
    return () => {
      for (const [where, what] of replaced) Object.assign(where, what);
      syncBuiltinESMExports();
    };
  }

  /** Lets so many milliseconds pass; what is due fires in order, and what follows from it is done before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      const [id, timer] = next;
      this.#now = Math.max(this.#now, timer.at);
      if (timer.everyMs === undefined) this.#timers.delete(id);
      else this.#timers.set(id, { ...timer, at: timer.at + Math.max(1, timer.everyMs) });
      timer.fire();
      await turn();
    }
    this.#now = end;
  }

  #add(fire: () => void, ms: number, everyMs: number | undefined): Handle {
    const id = ++this.#ids;
    this.#timers.set(id, { at: this.#now + Math.max(1, ms), fire, everyMs });
    return new Handle(id);
  }

  #signal(ms: number): AbortSignal {
    const controller = new AbortController();
    this.#add(() => controller.abort(new DOMException('The operation timed out', 'TimeoutError')), ms, undefined);
    return controller.signal;
  }

  #sleep(ms: number, value: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const handle = this.#add(() => resolve(value), ms, undefined);
      const abort = () => {
        this.#timers.delete(handle.id);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}

function pick<Whole extends object, Name extends keyof Whole>(whole: Whole, names: readonly Name[]): Pick<Whole, Name> {
  return Object.fromEntries(names.map((name) => [name, whole[name]])) as Pick<Whole, Name>;
}
