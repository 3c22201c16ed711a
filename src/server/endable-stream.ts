import type { ExecutionResult } from 'graphql';
import { done, type Polled, PolledStream, polled } from '../platform/streams/polled-stream.ts';

export interface EndableStreamHooks {
  /** It is called once, however the stream ends. */
  readonly onEnd: () => void;
  /** It gets what the source throws after the end, when nobody reads any more. */
  readonly onLateError: (error: unknown) => void;
}

/**
 * A subscription's results, which can be ended from outside. Whoever waits hears of the end at once then, though the
 * source may still wait for its next event; the source is told to return, too.
 */
export class EndableStream extends PolledStream<ExecutionResult> {
  readonly #source: Polled<ExecutionResult>;
  readonly #hooks: EndableStreamHooks;
  readonly #woken = () => {
    if (!this.#ended) {
      this.#wake?.();
      return;
    }
    try {
      this.#source.poll(() => undefined);
    } catch (error) {
      this.#hooks.onLateError(error);
    }
  };
  #wake: (() => void) | undefined;
  #last: ExecutionResult | undefined;
  #ended = false;

  constructor(source: AsyncIterable<ExecutionResult>, hooks: EndableStreamHooks) {
    super();
    this.#source = polled(source);
    this.#hooks = hooks;
  }

  /** Ends the stream with one last result. */
  end(last: ExecutionResult): void {
    if (this.#ended) return;
    this.#last = last;
    this.#finish();
  }

  poll(wake: () => void): IteratorResult<ExecutionResult> | undefined {
    this.#wake = undefined;
    if (this.#ended) return this.#takeLast();
    try {
      const step = this.#source.poll(this.#woken);
      if (!step) this.#wake = wake;
      else if (step.done) this.#finish();
      return step;
    } catch (error) {
      this.#finish();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    this.#finish();
    return done();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish();
  }

  #takeLast(): IteratorResult<ExecutionResult> {
    const value = this.#last;
    this.#last = undefined;
    return value ? { done: false, value } : done();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#source.return().catch(this.#hooks.onLateError);
    this.#hooks.onEnd();
    this.#wake?.();
  }
}
