import { done, type Polled, PolledStream, polled } from '../platform/streams/polled-stream.ts';

/** Why a source is aborted that its client leaves. An error for each of them would have a stack of its own. */
const clientGone = new Error('The client has gone.');

/**
 * Makes a subscription's source of a service's stream. When the client goes, the signal aborts first, for a generator
 * that is blocked in an await does not hear return(). A failure becomes the last event, for `resolve` to throw: it then
 * reaches the client as an ordinary error and the subscription completes, the same over SSE and WebSocket.
 */
export function streamOf<T>(open: (signal: AbortSignal) => AsyncIterable<T>): Polled<T | Error> {
  return new Source(open);
}

class Source<T> extends PolledStream<T | Error> {
  readonly #gone = new AbortController();
  readonly #source: Polled<T>;
  #over = false;

  constructor(open: (signal: AbortSignal) => AsyncIterable<T>) {
    super();
    this.#source = polled(open(this.#gone.signal));
  }

  poll(wake: () => void): IteratorResult<T | Error> | undefined {
    if (this.#over) return done();
    try {
      const step = this.#source.poll(wake);
      if (step?.done) this.#over = true;
      return step;
    } catch (error) {
      this.#over = true;
      return { done: false, value: error instanceof Error ? error : new Error('the stream broke', { cause: error }) };
    }
  }

  async return(): Promise<IteratorResult<T | Error>> {
    this.#over = true;
    this.#gone.abort(clientGone);
    await this.#source.return();
    return done();
  }
}

/** Gives the event itself, or throws the failure that ended the stream. */
export function eventOf<T>(event: T | Error): T {
  if (event instanceof Error) throw event;
  return event;
}
