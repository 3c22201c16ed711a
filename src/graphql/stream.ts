/**
 * Makes a subscription's source of a service's stream. When the client goes, the signal aborts first, for a generator
 * that is blocked in an await does not hear return(). A failure becomes the last event, for `resolve` to throw: it then
 * reaches the client as an ordinary error and the subscription completes, the same over SSE and WebSocket.
 */
export function streamOf<T>(open: (signal: AbortSignal) => AsyncIterable<T>): AsyncIterableIterator<T | Error> {
  const gone = new AbortController();
  const source = open(gone.signal)[Symbol.asyncIterator]();
  let over = false;
  const end = async (): Promise<IteratorResult<T | Error>> => {
    over = true;
    gone.abort();
    await source.return?.();
    return { done: true, value: undefined };
  };
  const passed = (result: IteratorResult<T>): IteratorResult<T | Error> => {
    over ||= result.done === true;
    return result;
  };
  const failed = (error: unknown): IteratorResult<T | Error> => {
    over = true;
    return { done: false, value: error instanceof Error ? error : new Error('the stream broke', { cause: error }) };
  };
  return {
    next() {
      return over ? Promise.resolve({ done: true, value: undefined }) : source.next().then(passed, failed);
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** Gives the event itself, or throws the failure that ended the stream. */
export function eventOf<T>(event: T | Error): T {
  if (event instanceof Error) throw event;
  return event;
}
