import { done, type Polled, PolledStream } from './polled-stream.ts';

/**
 * Goes through what `open` gives, which is called when somebody first asks and whose failure they get; undefined: there
 * is nothing. Whoever ends it ends what `open` waits for by itself.
 */
export function openedLate<T>(open: () => Promise<Polled<T> | undefined>): Polled<T> {
  return new OpenedLate(open);
}

class OpenedLate<T> extends PolledStream<T> {
  readonly #open: () => Promise<Polled<T> | undefined>;
  #opening: Promise<void> | undefined;
  #opened: Polled<T> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  #over = false;

  constructor(open: () => Promise<Polled<T> | undefined>) {
    super();
    this.#open = open;
  }

  poll(wake: () => void): IteratorResult<T> | undefined {
    if (this.#over) return done();
    if (this.#opened) return this.#opened.poll(wake);
    this.#wake = wake;
    if (this.#failure) {
      this.#over = true;
      throw this.#failure.error;
    }
    this.#opening ??= this.#begin();
    return undefined;
  }

  async return(): Promise<IteratorResult<T>> {
    this.#over = true;
    await this.#opening;
    await this.#opened?.return();
    return done();
  }

  async #begin(): Promise<void> {
    try {
      this.#opened = await this.#open();
      this.#over ||= this.#opened === undefined;
    } catch (error) {
      this.#failure = { error };
    }
    this.#wake?.();
  }
}
