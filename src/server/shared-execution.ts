import { createSourceEventStream, type DocumentNode, type ExecutionArgs, type ExecutionResult } from 'graphql';
import { isAsyncIterable, isPromise } from 'graphql-yoga';
import { Briefly } from '../platform/briefly.ts';
import { done, type Polled, PolledStream, polled } from '../platform/streams/polled-stream.ts';

type Step = IteratorYieldResult<ExecutionResult>;

/**
 * Makes what runs subscriptions: each reads its own events, in its own pace, but an event is executed once for all who
 * ask the same of it within a second and with the same rights: the same document, operation and variables, and the
 * same text of `rightsOf`. A source shares by giving the same object to several; failures are nobody else's. `execute`
 * gets the event as the root value.
 */
export function createSharedSubscribe(
  rightsOf: (contextValue: unknown) => string,
  execute: (args: ExecutionArgs) => ExecutionResult | Promise<ExecutionResult>,
): (args: ExecutionArgs) => Promise<Polled<ExecutionResult> | ExecutionResult> {
  const executions = new Briefly<Execution>();
  const numbers = new Numbers();
  const executionOf = (args: ExecutionArgs, group: string, event: unknown): Execution => {
    const run = () => new Execution(execute({ ...args, rootValue: event }));
    const isShared = typeof event === 'object' && event !== null && !(event instanceof Error);
    return isShared ? executions.of(event, group, run) : run();
  };
  return async (args) => {
    const source = await createSourceEventStream(args);
    if (!isAsyncIterable(source)) return source;
    const { document, operationName, variableValues, contextValue } = args;
    const group = JSON.stringify([numbers.of(document), operationName, variableValues, rightsOf(contextValue)]);
    return new Results(polled(source), (event) => executionOf(args, group, event));
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

/** An event as it is executed, for all who share that. */
class Execution {
  #step: Step | undefined;
  #failure: { readonly error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(result: ExecutionResult | Promise<ExecutionResult>) {
    if (!isPromise(result)) this.#step = { done: false, value: result };
    else
      result.then(
        (value) => {
          this.#step = { done: false, value };
          this.#wakeAll();
        },
        (error: unknown) => {
          this.#failure = { error };
          this.#wakeAll();
        },
      );
  }

  /** Gives the result, or undefined where there is none yet, and wakes then. @throws what the execution has thrown */
  poll(wake: () => void): Step | undefined {
    if (this.#failure) throw this.#failure.error;
    if (!this.#step) this.#waiting.push(wake);
    return this.#step;
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** The results of a source's events. */
class Results extends PolledStream<ExecutionResult> {
  readonly #events: Polled<unknown>;
  readonly #executionOf: (event: unknown) => Execution;
  #execution: Execution | undefined;

  constructor(events: Polled<unknown>, executionOf: (event: unknown) => Execution) {
    super();
    this.#events = events;
    this.#executionOf = executionOf;
  }

  poll(wake: () => void): IteratorResult<ExecutionResult> | undefined {
    if (!this.#execution) {
      const event = this.#events.poll(wake);
      if (!event || event.done) return event;
      this.#execution = this.#executionOf(event.value);
    }
    const step = this.#execution.poll(wake);
    if (step) this.#execution = undefined;
    return step;
  }

  async return(): Promise<IteratorResult<ExecutionResult>> {
    await this.#events.return();
    return done();
  }
}
