import { createRedactor, type Redactor } from '../connectors/kit/checks/redact.ts';
import { type CheckProgress, durationBetween, failed, type TestOutcome } from '../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import { Failure } from '../connectors/kit/contract/failure.ts';
import type { FailureCode } from '../errors/check-failures.ts';
import type { TestJob } from './messages.ts';

/** What an executor tells about a test: `restarted` takes all events before it back, the checks are pending again. */
export type CheckEvent = CheckProgress | { readonly kind: 'restarted' };

/** A test on its way through the executor, over one or two attempts. It settles once. */
export class RunningTest {
  readonly job: TestJob;
  readonly outcome: Promise<TestOutcome>;
  readonly redactor: Redactor;
  readonly onCatalog: ((entries: readonly CatalogEntry[]) => Promise<void>) | undefined;
  attempt = 1;
  /** The number of the present attempt within its child. */
  run: number | undefined;
  /** Wakes the executor when the test should long be over. */
  timer: NodeJS.Timeout | undefined;
  /** It may have brought a child down: it gets one of its own. */
  alone = false;
  cancelled = false;
  /** A check that writes has started: the test is not to be repeated. */
  wrote = false;
  settled = false;
  #onEvent: (event: CheckEvent) => void;
  #settle: (outcome: TestOutcome) => void;
  #current: { readonly name: string; readonly start: number } | undefined;
  #reported = false;
  #ended = new Set<string>();

  constructor(
    job: TestJob,
    onEvent: (event: CheckEvent) => void,
    onCatalog?: (entries: readonly CatalogEntry[]) => Promise<void>,
  ) {
    const { promise, resolve } = Promise.withResolvers<TestOutcome>();
    this.job = job;
    this.redactor = createRedactor(job.secrets);
    this.outcome = promise;
    this.#onEvent = onEvent;
    this.onCatalog = onCatalog;
    this.#settle = resolve;
  }

  /** When the running check started, by performance.now(); 0 when none is running. */
  get checkStart(): number {
    return this.#current?.start ?? 0;
  }

  /** Passes an event on, unless the test is settled. */
  record(event: CheckProgress, writes: boolean): void {
    if (this.settled) return;
    if (event.kind === 'started') {
      this.#current = { name: event.name, start: performance.now() };
      if (writes) this.wrote = true;
    } else {
      this.#current = undefined;
      this.#ended.add(event.name);
    }
    this.#reported = true;
    this.#onEvent(event);
  }

  /** Makes the test as good as new, for its second attempt. */
  restart(): void {
    this.attempt += 1;
    this.#current = undefined;
    this.#ended.clear();
    if (this.#reported) this.#onEvent({ kind: 'restarted' });
    this.#reported = false;
  }

  /** Ends the test as the child says. */
  end(outcome: TestOutcome): void {
    if (this.settled) return;
    this.settled = true;
    this.#settle(outcome);
  }

  /** Ends the test from outside of the child; the running check fails with this code, those after it are skipped. */
  fail(code: FailureCode): void {
    if (this.settled) return;
    const failure = new Failure(code).report;
    if (this.#current) {
      const { name, start } = this.#current;
      const durationMs = durationBetween(start, performance.now());
      this.record({ kind: 'ended', name, status: 'FAILED', durationMs, evidence: [], failure }, false);
    }
    const skipped = this.job.checks.filter((name) => !this.#ended.has(name));
    this.end(failed(failure, skipped));
  }
}
