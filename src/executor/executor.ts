import { availableParallelism } from 'node:os';
import type { Redactor } from '../connectors/kit/checks/redact.ts';
import type { TestOutcome } from '../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import type { EgressPolicy } from '../connectors/kit/network/addresses.ts';
import type { FailureCode } from '../errors/check-failures.ts';
import type { ChildHandle, GoneReason } from './child-handle.ts';
import { ChildPool } from './child-pool.ts';
import type { FromChild, JudgedTarget, TargetVerdict, TestJob } from './messages.ts';
import { type CheckEvent, RunningTest } from './running-test.ts';

export type { TestOutcome } from '../connectors/kit/checks/run-checks.ts';
export type { JudgedTarget, TargetVerdict, TestJob } from './messages.ts';
export type { CheckEvent } from './running-test.ts';

/** How long after a test's deadline, or after its cancellation, the gateway ends the test itself. */
const GRACE_MS = 1_000;
/** How long after that a child whose event loop turns may hold the test: a busy machine takes its time to end it. */
const HELD_MS = 10_000;
const ATTEMPTS = 2;
/** How long after a test what a child prints may be about it: a pipe is not read in step with the messages. */
const LINGER_MS = 5_000;

export interface ExecutorLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface ExecutorOptions {
  readonly policy: EgressPolicy;
  /** Children at most; one more for a test that is suspected of a crash. Left out: one a core, two at most. */
  readonly size?: number;
  /** For the project's own tests; nothing in a config or in the environment leads here. */
  readonly testing?: {
    readonly names?: Readonly<Record<string, string>>;
    readonly extraCa?: string;
    /** A file URL: the module that the child takes connectorOf from. */
    readonly registryUrl?: string;
  };
  readonly logger: ExecutorLogger;
  /** A child without work ends after this many milliseconds. Left out: 60,000. */
  readonly idleMs?: number;
}

interface Placement {
  readonly test: RunningTest;
  readonly child: ChildHandle;
}

interface Judgement {
  readonly targets: readonly JudgedTarget[];
  readonly timeoutMs: number;
  readonly attempt: number;
  readonly settle: (verdicts: readonly TargetVerdict[]) => void;
}

/** Where tests run: child processes that the gateway keeps. The first child starts with the first test. */
export class Executor {
  readonly #logger: ExecutorLogger;
  readonly #pool: ChildPool;
  /** Tests that are not settled. */
  readonly #tests = new Set<RunningTest>();
  /** What the children hold, by the number of the run or judgement, even when the test was settled without them. */
  readonly #placements = new Map<number, Placement>();
  readonly #judgements = new Map<number, Judgement>();
  /** Redactors of the tests that run or that ended less than 5 s ago. */
  readonly #redactors = new Set<Redactor>();
  /** Tests that wait for the reserved child. */
  readonly #waiting: RunningTest[] = [];
  #lastNumber = 0;
  #closed: Promise<void> | undefined;
  #closing = false;

  constructor({ policy, size, testing, logger, idleMs }: ExecutorOptions) {
    this.#logger = logger;
    const options = {
      size: size ?? Math.max(1, Math.min(availableParallelism(), 2)),
      idleMs: idleMs ?? 60_000,
      settings: { policy, names: testing?.names, extraCa: testing?.extraCa },
      registryUrl: testing?.registryUrl,
    };
    this.#pool = new ChildPool(options, {
      onMessage: (child, message) => this.#receive(child, message),
      onOutput: (child, line) =>
        this.#logger.warn({ executorPid: child.pid, line: this.#redact(line) }, 'An executor printed a line.'),
      onStarted: (child) => this.#logger.info({ executorPid: child.pid }, 'An executor has started.'),
      onGone: (child, reason) => this.#recover(child, reason),
    });
  }

  /**
   * Runs a test. It never rejects, and settles at the latest one second after its deadline or after the signal aborts,
   * which cancels it. When its child dies of another test it runs once more from the start: `restarted` takes back its
   * events and what `onCatalog` got. `onCatalog` takes the entries of a catalog read: the next part comes when it has
   * resolved, and a rejection ends the test.
   */
  run(
    job: TestJob,
    onEvent: (event: CheckEvent) => void,
    signal: AbortSignal,
    onCatalog?: (entries: readonly CatalogEntry[]) => Promise<void>,
  ): Promise<TestOutcome> {
    const test = new RunningTest(job, (event) => this.#report(test, event, onEvent), onCatalog);
    const left = job.deadline - Date.now();
    const over = this.#closing ? 'INTERRUPTED' : signal.aborted ? 'CANCELLED' : left <= 0 ? 'TIMEOUT' : undefined;
    if (over) {
      test.fail(over);
      return test.outcome;
    }
    const onAbort = () => this.#cancel(test);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#tests.add(test);
    this.#redactors.add(test.redactor);
    void test.outcome.then(() => {
      signal.removeEventListener('abort', onAbort);
      this.#tests.delete(test);
      setTimeout(() => this.#redactors.delete(test.redactor), LINGER_MS).unref();
    });
    test.timer = setTimeout(() => this.#overdue(test), left + GRACE_MS);
    this.#place(test);
    return test.outcome;
  }

  /** Resolves the hosts of a config and looks at their addresses; connects to nothing. Never rejects. */
  judgeTargets(targets: readonly JudgedTarget[], timeoutMs: number): Promise<readonly TargetVerdict[]> {
    const { promise, resolve } = Promise.withResolvers<readonly TargetVerdict[]>();
    const timer = setTimeout(() => resolve(unresolved(targets)), timeoutMs + GRACE_MS);
    const settle = (verdicts: readonly TargetVerdict[]) => {
      clearTimeout(timer);
      resolve(verdicts);
    };
    if (this.#closing || targets.length === 0) settle(unresolved(targets));
    else this.#placeJudgement({ targets, timeoutMs, attempt: 1, settle });
    return promise;
  }

  /** Ends every test with INTERRUPTED and every child; settles when none is left. Can be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  /** Living children, and tests that are not settled. */
  stats(): { children: number; running: number } {
    return { children: this.#pool.size, running: this.#tests.size };
  }

  #place(test: RunningTest): void {
    try {
      const child = test.alone ? this.#pool.reserve() : this.#pool.choose();
      if (!child) {
        this.#waiting.push(test);
        return;
      }
      const run = this.#nextNumber();
      test.run = run;
      this.#placements.set(run, { test, child });
      const { job } = test;
      this.#pool.assign(child, run, { type: 'run', run, job, timeoutMs: job.deadline - Date.now() });
    } catch (error) {
      this.#logger.error({ err: error }, 'An executor cannot be started.');
      this.#over(test, 'INTERNAL');
    }
  }

  #placeJudgement(judgement: Judgement): void {
    const { targets, timeoutMs } = judgement;
    try {
      const child = this.#pool.choose();
      const number = this.#nextNumber();
      this.#judgements.set(number, judgement);
      this.#pool.assign(child, number, { type: 'judge', judgement: number, targets, timeoutMs });
    } catch (error) {
      this.#logger.error({ err: error }, 'An executor cannot be started.');
      judgement.settle(unresolved(targets));
    }
  }

  #nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  #receive(child: ChildHandle, message: FromChild): void {
    switch (message.type) {
      case 'active':
        child.lastActive = message.run;
        break;
      case 'event':
        child.lastActive = message.run;
        this.#placements.get(message.run)?.test.record(message.event, message.writes);
        break;
      case 'catalog':
        void this.#takeCatalog(child, message.run, message.entries);
        break;
      case 'outcome': {
        const test = this.#placements.get(message.run)?.test;
        this.#placements.delete(message.run);
        clearTimeout(test?.timer);
        test?.end(message.outcome);
        this.#pool.release(child, message.run);
        break;
      }
      case 'judged':
        this.#judgements.get(message.judgement)?.settle(message.verdicts);
        this.#judgements.delete(message.judgement);
        this.#pool.release(child, message.judgement);
        break;
      case 'log': {
        const text = message.level === 'info' ? 'A check failed.' : 'A check failed as nobody expected.';
        this.#logger[message.level]({ executorPid: child.pid, testId: message.testId, detail: message.text }, text);
        break;
      }
      case 'ready':
      case 'alive':
        break;
    }
  }

  async #takeCatalog(child: ChildHandle, run: number, entries: readonly CatalogEntry[]): Promise<void> {
    const test = this.#placements.get(run)?.test;
    if (!test || test.settled) return;
    try {
      await test.onCatalog?.(entries);
      child.send({ type: 'taken', run });
    } catch (error) {
      this.#logger.error({ err: error, testId: test.job.testId }, 'The entries of a catalog could not be taken.');
      test.fail('INTERNAL');
      child.send({ type: 'cancel', run });
    }
  }

  #cancel(test: RunningTest): void {
    test.cancelled = true;
    const placement = test.run === undefined ? undefined : this.#placements.get(test.run);
    if (!placement || test.run === undefined) {
      this.#over(test, 'CANCELLED');
      return;
    }
    placement.child.send({ type: 'cancel', run: test.run });
    const timer = setTimeout(() => test.fail('CANCELLED'), GRACE_MS);
    void test.outcome.then(() => clearTimeout(timer));
  }

  /** A second past the deadline: the test is over, and a child that goes on holding it is not in order. */
  #overdue(test: RunningTest, held = 0): void {
    test.fail('TIMEOUT');
    const placement = test.run === undefined ? undefined : this.#placements.get(test.run);
    if (!placement) return;
    // while its loop is blocked, or it is about to start, the heartbeat decides
    const { beating } = placement.child;
    if (beating && held >= HELD_MS) placement.child.kill('overdue');
    else test.timer = setTimeout(() => this.#overdue(test, held + (beating ? GRACE_MS : 0)), GRACE_MS);
  }

  /** Runs what a lost child held once more, but for the test that brought it down and those that cannot be repeated. */
  #recover(child: ChildHandle, reason: GoneReason): void {
    const { pid, work } = child;
    if (reason === 'ended') this.#logger.info({ executorPid: pid }, 'An executor has ended.');
    else this.#logger.error({ executorPid: pid, reason, held: work.size }, 'An executor is lost.');
    const suspect = reason === 'blocked' || reason === 'crashed' ? this.#suspect(child) : undefined;
    for (const number of work) {
      const judgement = this.#judgements.get(number);
      if (judgement) this.#judgeAgain(number, judgement);
      const test = this.#placements.get(number)?.test;
      if (test) this.#testAgain(test, reason, test === suspect);
    }
    const next = child.reserved ? this.#nextWaiting() : undefined;
    if (next) this.#place(next);
  }

  #testAgain(test: RunningTest, reason: GoneReason, suspected: boolean): void {
    if (test.run !== undefined) this.#placements.delete(test.run);
    test.run = undefined;
    const code = finalCode(test, reason, suspected);
    if (test.settled || code) {
      this.#over(test, code ?? 'INTERNAL');
      return;
    }
    test.alone = suspected;
    test.restart();
    this.#place(test);
  }

  #judgeAgain(number: number, judgement: Judgement): void {
    this.#judgements.delete(number);
    if (judgement.attempt < ATTEMPTS && !this.#closing)
      this.#placeJudgement({ ...judgement, attempt: judgement.attempt + 1 });
    else judgement.settle(unresolved(judgement.targets));
  }

  #nextWaiting(): RunningTest | undefined {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      if (!next.settled) return next;
    }
    return undefined;
  }

  /** The test that the child was busy with, or else the one whose check was the last to start. */
  #suspect(child: ChildHandle): RunningTest | undefined {
    const held = [...child.work].flatMap((number) => this.#placements.get(number)?.test ?? []);
    const active = held.find((test) => test.run === child.lastActive);
    return active ?? held.filter((test) => test.checkStart > 0).toSorted((a, b) => b.checkStart - a.checkStart)[0];
  }

  /** Ends a test that no child holds. */
  #over(test: RunningTest, code: FailureCode): void {
    clearTimeout(test.timer);
    test.fail(code);
  }

  #report(test: RunningTest, event: CheckEvent, onEvent: (event: CheckEvent) => void): void {
    try {
      onEvent(event);
    } catch (error) {
      this.#logger.error({ err: error, testId: test.job.testId }, 'An event of a test could not be told.');
    }
  }

  #redact(line: string): string {
    return [...this.#redactors].reduce((text, redactor) => redactor.lines(text), line);
  }

  async #shutDown(): Promise<void> {
    this.#closing = true;
    for (const test of this.#tests) this.#over(test, 'INTERRUPTED');
    await this.#pool.end();
  }
}

/** With which code a test ends whose child is lost; undefined: it runs once more. */
function finalCode(test: RunningTest, reason: GoneReason, suspected: boolean): FailureCode | undefined {
  if (test.cancelled) return 'CANCELLED';
  if (test.job.deadline <= Date.now() || (suspected && reason === 'blocked')) return 'TIMEOUT';
  if (test.wrote) return 'INTERRUPTED';
  return test.attempt < ATTEMPTS ? undefined : 'INTERNAL';
}

function unresolved(targets: readonly JudgedTarget[]): TargetVerdict[] {
  return targets.map(({ path }) => ({ path, verdict: 'unresolved' }));
}
