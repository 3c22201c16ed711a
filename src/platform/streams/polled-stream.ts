/** A stream that can be asked for what is there, which costs no promise for each value and each who gets it. */
export interface Polled<T> extends AsyncIterableIterator<T> {
  /**
   * Gives the next step, or undefined where there is none yet: then `wake` is called once it is worth asking again,
   * perhaps more than once or in vain, but never within this call. It throws what next() rejects with. Whoever polls
   * does not call next().
   */
  poll(wake: () => void): IteratorResult<T> | undefined;
  return(): Promise<IteratorResult<T>>;
}

interface Waiter<T> {
  readonly resolve: (result: IteratorResult<T>) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes next() of poll(). It is no async generator, for one that is blocked in an await does not hear return(). */
export abstract class PolledStream<T> implements Polled<T> {
  /** Those who wait for next(). Most streams are polled, and have none. */
  #waiters: Waiter<T>[] | undefined;
  #serve: (() => void) | undefined;

  abstract poll(wake: () => void): IteratorResult<T> | undefined;

  /** Ends it at once, also while somebody waits. */
  abstract return(): Promise<IteratorResult<T>>;

  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      this.#waiters ??= [];
      this.#waiters.push({ resolve, reject });
      this.#serve ??= () => this.#serveAll();
      this.#serve();
    });
  }

  async throw(error: unknown): Promise<IteratorResult<T>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #serveAll(): void {
    const [waiters, serve] = [this.#waiters, this.#serve];
    while (waiters?.length && serve) {
      try {
        const step = this.poll(serve);
        if (!step) return;
        waiters.shift()?.resolve(step);
      } catch (error) {
        waiters.shift()?.reject(error);
      }
    }
  }
}

export function done(): IteratorReturnResult<undefined> {
  return { done: true, value: undefined };
}

/** Has any stream be polled. */
export function polled<T>(stream: AsyncIterable<T>): Polled<T> {
  return 'poll' in stream ? (stream as Polled<T>) : new Asked(stream);
}

/** A stream that gives promises alone: it is asked for its next value when it is polled. */
class Asked<T> extends PolledStream<T> {
  readonly #source: AsyncIterator<T>;
  #isAsked = false;
  #take: (() => IteratorResult<T>) | undefined;
  #wake: (() => void) | undefined;

  constructor(source: AsyncIterable<T>) {
    super();
    this.#source = source[Symbol.asyncIterator]();
  }

  poll(wake: () => void): IteratorResult<T> | undefined {
    this.#wake = wake;
    if (this.#take) {
      const take = this.#take;
      this.#take = undefined;
      return take();
    }
    if (!this.#isAsked) {
      this.#isAsked = true;
      this.#source.next().then(
        (step) => this.#settle(() => step),
        (error: unknown) =>
          this.#settle(() => {
            throw error;
          }),
      );
    }
    return undefined;
  }

  async return(): Promise<IteratorResult<T>> {
    await this.#source.return?.();
    return done();
  }

  #settle(take: () => IteratorResult<T>): void {
    this.#isAsked = false;
    this.#take = take;
    this.#wake?.();
  }
}
