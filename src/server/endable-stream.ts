import type { ExecutionResult } from 'graphql';

export interface EndableStreamHooks {
  /** It is called once, however the stream ends. */
  readonly onEnd: () => void;
  /** It gets what the source throws after the end, when nobody reads any more. */
  readonly onLateError: (error: unknown) => void;
}

/**
 * A subscription's results, which can be ended from outside. next() and return() settle at once then, though the source
 * may still wait for its next event; the source is told to return, too.
 */
export class EndableStream implements AsyncGenerator<ExecutionResult, undefined, undefined> {
  readonly #source: AsyncIterator<ExecutionResult>;
  readonly #hooks: EndableStreamHooks;
  /** The promises that next() has given out and not settled. */
  readonly #waiting = new Set<(result: IteratorResult<ExecutionResult, undefined>) => void>();
  #last: ExecutionResult | undefined;
  #ended = false;

  constructor(source: AsyncIterable<ExecutionResult>, hooks: EndableStreamHooks) {
    this.#source = source[Symbol.asyncIterator]();
    this.#hooks = hooks;
  }

  /** Ends the stream with one last result. */
  end(last: ExecutionResult): void {
    if (this.#ended) return;
    this.#last = last;
    this.#finish();
  }

  next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    if (this.#ended) return Promise.resolve(this.#takeLast());
    return new Promise((resolve, reject) => {
      this.#waiting.add(resolve);
      this.#source.next().then(
        (result) => {
          // the stream ended meanwhile, which settled this promise
          if (!this.#waiting.delete(resolve)) return;
          if (result.done) this.#finish();
          resolve(result.done ? { done: true, value: undefined } : result);
        },
        (error: unknown) => {
          if (!this.#waiting.delete(resolve)) return this.#hooks.onLateError(error);
          this.#finish();
          reject(error);
        },
      );
    });
  }

  async return(): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#finish();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult, undefined>> {
    this.#finish();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish();
  }

  #takeLast(): IteratorResult<ExecutionResult, undefined> {
    const value = this.#last;
    this.#last = undefined;
    return value ? { done: false, value } : { done: true, value: undefined };
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const resolve of this.#waiting) resolve(this.#takeLast());
    this.#waiting.clear();
    this.#source.return?.().catch(this.#hooks.onLateError);
    this.#hooks.onEnd();
  }
}
