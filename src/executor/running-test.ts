import { createRedactor, type Redactor } from '../connectors/kit/checks/redact.ts';
import { type CheckProgress, durationBetween, failed, type TestOutcome } from '../connectors/kit/checks/run-checks.ts';
import { timeoutFailure } from '../connectors/kit/checks/timeout.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import { Failure, type FailureReport } from '../connectors/kit/contract/failure.ts';
import type { FailureCode } from '../errors/check-failures.ts';
import { BadMessageError, machineTime, type TestJob } from './messages.ts';

/** What an executor tells about a test: `restarted` takes all events before it back, the checks are pending again. */
export type CheckEvent = CheckProgress | { readonly kind: 'restarted' };

/** Takes a part of a catalog; the next one comes when it has resolved. */
export type CatalogTaker = (entries: readonly CatalogEntry[]) => Promise<void>;

/** A test on its way through the executor, over one to three attempts. It settles once. */
export class RunningTest {
  readonly job: TestJob;
  /** As machineTime() tells it. */
  readonly deadline: number;
  readonly outcome: Promise<TestOutcome>;
  readonly redactor: Redactor;
  attempt = 1;
  /** Wakes the executor when the test should long be over. */
  timer: NodeJS.Timeout | undefined;
  /** It may have brought a child down, or has lost several: it gets one of its own. */
  alone = false;
  cancelled = false;
  /** A check that writes has started: the test is not to be repeated. */
  wrote = false;
  settled = false;
  readonly #onEvent: (event: CheckEvent) => void;
  readonly #onCatalog: CatalogTaker | undefined;
  readonly #settle: (outcome: TestOutcome) => void;
  #current: { readonly name: string; readonly start: number } | undefined;
  #takingCatalog = false;
  /** How many checks of the plan have ended. */
  #ended = 0;
  #failed = false;
  /** The names of the checks that have passed. */
  #passed: string[] = [];

  constructor(job: TestJob, onEvent: (event: CheckEvent) => void, onCatalog?: CatalogTaker) {
    const { promise, resolve } = Promise.withResolvers<TestOutcome>();
    this.job = job;
    this.deadline = machineTime() + job.timeoutMs;
    this.redactor = createRedactor(job.secrets);
    this.outcome = promise;
    this.#onEvent = onEvent;
    this.#onCatalog = onCatalog;
    this.#settle = resolve;
  }

  /** When the running check started, by performance.now(); 0 when none is running. */
  get checkStart(): number {
    return this.#current?.start ?? 0;
  }

  /**
   * Passes an event of the child on, unless the test is settled. @throws BadMessageError when it is not the one that is
   * due
   */
  take(event: CheckProgress, writes: boolean): void {
    if (this.settled) return;
    const isDue =
      !this.#failed &&
      event.name === this.job.checks[this.#ended] &&
      (event.kind === 'started') === (this.#current === undefined);
    if (!isDue) throw new BadMessageError('It has told of a check that was not due.');
    if (event.kind === 'started' && writes) this.wrote = true;
    this.#record(event);
  }

  /**
   * Passes a part of a catalog on; false when the test is settled, and the part is dropped.
   * @throws BadMessageError when the part before it has not been taken
   */
  takeCatalog(entries: readonly CatalogEntry[]): Promise<boolean> {
    if (this.settled) return Promise.resolve(false);
    if (this.#takingCatalog)
      throw new BadMessageError('It has sent a part of a catalog before the last one was taken.');
    this.#takingCatalog = true;
    return Promise.resolve(this.#onCatalog?.(entries)).then(() => {
      this.#takingCatalog = false;
      return true;
    });
  }

  /** Makes the test as good as new, for its next attempt. */
  restart(): void {
    this.attempt += 1;
    this.#current = undefined;
    this.#takingCatalog = false;
    this.#ended = 0;
    this.#failed = false;
    this.#passed = [];
    this.#onEvent({ kind: 'restarted' });
  }

  /** Ends the test as the child says. @throws BadMessageError when it does not go with what has been told before */
  conclude(failure: FailureReport | null): void {
    if (this.settled) return;
    const skipped = this.job.checks.slice(this.#ended);
    const isPossible =
      this.#current === undefined &&
      (failure !== null || (skipped.length === 0 && !this.#failed)) &&
      (failure?.cause !== 'CANCELLED' || this.cancelled);
    if (!isPossible) throw new BadMessageError('It has ended a test in a way that was not possible.');
    this.#end(failure ? failed(failure, skipped) : { status: 'PASSED', failure: null, skipped: [] });
  }

  /** Ends the test from outside of the child; the running check fails with this code, those after it are skipped. */
  fail(code: FailureCode): void {
    if (this.settled) return;
    const begun = this.#current !== undefined || this.#ended > 0;
    const failure = (code === 'TIMEOUT' ? timeoutFailure({ begun, passed: this.#passed }) : new Failure(code)).report;
    if (this.#current) {
      const { name, start } = this.#current;
      const durationMs = durationBetween(start, performance.now());
      this.#record({ kind: 'ended', name, status: 'FAILED', durationMs, evidence: [], failure });
    }
    this.#end(failed(failure, this.job.checks.slice(this.#ended)));
  }

  #record(event: CheckProgress): void {
    if (event.kind === 'started') {
      this.#current = { name: event.name, start: performance.now() };
    } else {
      this.#current = undefined;
      this.#ended += 1;
      this.#failed = event.status === 'FAILED';
      if (!this.#failed) this.#passed.push(event.name);
    }
    this.#onEvent(event);
  }

  #end(outcome: TestOutcome): void {
    this.settled = true;
    this.#settle(outcome);
  }
}
