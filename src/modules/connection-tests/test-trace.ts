import type { FailureReport } from '../../connectors/kit/contract/failure.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { CheckEvent } from '../../executor/executor.ts';
import type { Attributes } from '../../platform/telemetry/span.ts';
import { parseTraceparent } from '../../platform/telemetry/trace-context.ts';
import type { Span, Tracer } from '../../platform/telemetry/tracer.ts';
import type { Lease } from './queue.ts';
import type { TestSnapshot } from './test.ts';

/**
 * The spans of one attempt of a test: the test since it was asked for, its wait in the queue, the executor, each check.
 * They are part of the trace of whoever asked for the test, whichever process runs it.
 */
export class TestTrace {
  readonly #tracer: Tracer;
  readonly #place: 'executor' | 'gateway';
  readonly #test: Span;
  #executor: Span | undefined;
  #check: Span | undefined;

  constructor(tracer: Tracer, { test, attempt, traceparent }: Pick<Lease, 'test' | 'attempt' | 'traceparent'>) {
    const { type, purpose, createdAt, startedAt } = test;
    this.#tracer = tracer;
    this.#place = connectorOf(type).runsInGateway ? 'gateway' : 'executor';
    const at = Date.parse(createdAt);
    this.#test = tracer.begin({
      ...{ name: `test ${type}`, kind: 'CONSUMER', parent: parseTraceparent(traceparent), at },
      attributes: named('test', { type, purpose, attempt }),
    });
    if (startedAt === null) return;
    const parent = this.#test.context;
    tracer.begin({ name: 'queue', parent, at }).end({ at: Date.parse(startedAt) });
  }

  /** The executor has the test from now on. */
  run(): void {
    this.#executor = this.#tracer.begin({ name: this.#place, parent: this.#test.context });
  }

  onCheck(event: CheckEvent): void {
    if (event.kind === 'restarted') {
      this.#leave('EXECUTOR_LOST');
      this.run();
    } else if (event.kind === 'started') {
      this.#check = this.#tracer.begin({ name: event.name, parent: this.#executor?.context });
    } else this.#endCheck(event);
  }

  #endCheck({ status, failure, durationMs }: Extract<CheckEvent, { kind: 'ended' }>): void {
    const at = this.#check && this.#check.start + durationMs;
    this.#check?.end({
      attributes: named('check', { status, ...causeOf(failure) }),
      error: failure?.code,
      ...(at && { at }),
    });
    this.#check = undefined;
  }

  /** The executor has told how the test went. */
  ran(failure: FailureReport | null): void {
    this.#leave(failure?.code);
  }

  end({ status, failure }: Pick<TestSnapshot, 'status' | 'failure'>): void {
    this.#test.end({ attributes: named('test', { status, ...causeOf(failure) }), error: failure?.code });
  }

  /** This process goes on with the test no more: it stops, or another one has it. After an end it changes nothing. */
  giveUp(): void {
    this.#leave('GIVEN_UP');
    this.#test.end({ attributes: named('test', { status: 'GIVEN_UP' }) });
  }

  #leave(error: string | undefined): void {
    this.#check?.end({ error });
    this.#executor?.end({ error });
    this.#check = undefined;
  }
}

function causeOf(failure: FailureReport | null): Attributes {
  return failure ? { cause: failure.cause } : {};
}

function named(part: 'test' | 'check', attributes: Attributes): Attributes {
  const entries = Object.entries(attributes).map(([name, value]) => [`datastore_gateway.${part}.${name}`, value]);
  return Object.fromEntries(entries);
}
