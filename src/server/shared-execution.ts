import { createSourceEventStream, type DocumentNode, type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import { Briefly } from '../platform/briefly.ts';

type Stream = AsyncIterableIterator<ExecutionResult>;
type Step = IteratorResult<ExecutionResult>;

const over = { done: true, value: undefined } as const;

/**
 * Makes what runs subscriptions: each reads its own events, in its own pace, but an event is executed once for all who
 * ask the same of it within a second and with the same rights: the same document, operation and variables, and the
 * same text of `rightsOf`. A source shares by giving the same object to several; failures are nobody else's.
 */
export function createSharedSubscribe(
  rightsOf: (contextValue: unknown) => string,
): (args: ExecutionArgs) => Promise<Stream | ExecutionResult> {
  const steps = new Briefly<Promise<Step>>();
  const numbers = new Numbers();
  const stepOf = (args: ExecutionArgs, group: string, event: unknown): Promise<Step> => {
    const run = async () => ({ done: false, value: await execute({ ...args, rootValue: event }) });
    const isShared = typeof event === 'object' && event !== null && !(event instanceof Error);
    return isShared ? steps.of(event, group, run) : run();
  };
  return async (args) => {
    const source = await createSourceEventStream(args);
    if (!isAsyncIterable(source)) return source;
    const { document, operationName, variableValues, contextValue } = args;
    const group = JSON.stringify([numbers.of(document), operationName, variableValues, rightsOf(contextValue)]);
    return mapped(source, (event) => stepOf(args, group, event));
  };
}

/** Numbers documents: Yoga's cache keeps one for each text. */
class Numbers {
  readonly #known = new WeakMap<DocumentNode, number>();
  #last = 0;

  of(document: DocumentNode): number {
    const known = this.#known.get(document);
    if (known !== undefined) return known;
    this.#last += 1;
    this.#known.set(document, this.#last);
    return this.#last;
  }
}

/** It is no async generator, for one that is blocked in an await does not hear return(). */
function mapped(source: AsyncIterable<unknown>, stepOf: (event: unknown) => Promise<Step>): Stream {
  const events = source[Symbol.asyncIterator]();
  const step = (next: IteratorResult<unknown>) => (next.done ? over : stepOf(next.value));
  return {
    next: () => events.next().then(step),
    async return() {
      await events.return?.();
      return over;
    },
    async throw(error) {
      await events.throw?.(error);
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
