/**
 * Goes through what `open` gives, which is called by the first next() and whose failure rejects that. It is no async
 * generator, which would take three turns more for each value; whoever ends it ends what `open` waits for by itself.
 */
export function openedLate<T>(open: () => Promise<AsyncIterableIterator<T>>): AsyncIterableIterator<T> {
  let opening: Promise<AsyncIterableIterator<T>> | undefined;
  let opened: AsyncIterableIterator<T> | undefined;
  let over = false;
  const end = async (): Promise<IteratorResult<T>> => {
    over = true;
    await opening?.then(
      (source) => source.return?.(),
      () => undefined,
    );
    return { done: true, value: undefined };
  };
  const begin = async (): Promise<IteratorResult<T>> => {
    opening ??= open();
    const source = await opening;
    if (over) return { done: true, value: undefined };
    opened = source;
    return source.next();
  };
  return {
    next() {
      if (over) return Promise.resolve({ done: true, value: undefined });
      return opened ? opened.next() : begin();
    },
    return: end,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
