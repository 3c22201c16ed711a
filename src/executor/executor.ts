import { availableParallelism } from 'node:os';
import type { Redactor } from '../connectors/kit/checks/redact.ts';
import type { TestOutcome } from '../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import type { EgressPolicy, HostAndPort } from '../connectors/kit/network/addresses.ts';
import type { FailureCode } from '../errors/check-failures.ts';
import { Allowance } from '../platform/allowance.ts';
import { type ChildProgram, type Confinement, childCommand } from './child-command.ts';
import type { ChildHandle, GoneReason } from './child-handle.ts';
import { ChildPool } from './child-pool.ts';
import { Judgement, verdictWithoutLookup } from './judgement.ts';
import {
  BadMessageError,
  type DialerSettings,
  type FromChild,
  type JudgedTarget,
  type TargetVerdict,
  type TestJob,
  type WorkId,
} from './messages.ts';
import { ATTEMPTS, finalCode, suspectOf } from './recovery.ts';
import { type CatalogTaker, type CheckEvent, RunningTest } from './running-test.ts';

export type { TestOutcome } from '../connectors/kit/checks/run-checks.ts';
export { findConfinement } from './confinement.ts';
export type { JudgedTarget, TargetVerdict, TestJob } from './messages.ts';
export type { CheckEvent } from './running-test.ts';

/** How long after a test's deadline, or after its cancellation, the gateway ends the test itself. */
const GRACE_MS = 1_000;
/** How long after that a child whose event loop turns may hold the test: a busy machine takes its time to end it. */
const HELD_MS = 10_000;
/** How long beyond their time look-ups may wait for a child that starts, or starts again, on a busy machine. */
const JUDGE_GRACE_MS = 10_000;
/** How long after a test what a child prints may be about it: a pipe is not read in step with the messages. */
const LINGER_MS = 5_000;
/** What is passed on of what a child has to log, in messages and characters. */
const LOGGED = { count: 1_000, size: 1024 * 1024, periodMs: 60_000 };

export interface ExecutorLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface ExecutorOptions {
  readonly policy: EgressPolicy;
  /** `environment`: tests of different environments never share a child. Left out, or `none`: they do. */
  readonly isolation?: 'none' | 'environment' | undefined;
  /** Children at most; one more for a test that is suspected of a crash. Left out: one a core, two at most. */
  readonly size?: number;
  /** For the project's own tests; nothing in a config or in the environment leads here. */
  readonly testing?: ChildProgram & {
    readonly names?: Readonly<Record<string, string>>;
    readonly publicCa?: string;
  };
  readonly logger: ExecutorLogger;
  /** A child without work ends after this many milliseconds. Left out: 60,000. */
  readonly idleMs?: number;
}

/**
 * Where tests run: child processes that the gateway keeps and does not trust. The first one starts with the first test.
 */
export class Executor {
  readonly #logger: ExecutorLogger;
  readonly #isIsolating: boolean;
  readonly #program: ChildProgram | undefined;
  readonly #settings: DialerSettings;
  readonly #forbidden: HostAndPort[];
  readonly #pool: ChildPool;
  /** Tests that are not settled. */
  readonly #tests = new Set<RunningTest>();
  /** Where a test runs, and under which number, even when it was settled without its child. */
  readonly #placements = new Map<RunningTest, { readonly child: ChildHandle; readonly run: WorkId }>();
  /** Redactors of the tests that run or that ended less than 5 s ago. */
  readonly #redactors = new Set<Redactor>();
  /** Tests that wait for a child: for the reserved one, and for one of their environment. */
  readonly #waiting = { alone: [] as RunningTest[], others: [] as RunningTest[] };
  readonly #logged = new WeakMap<ChildHandle, Allowance>();
  #closed: Promise<void> | undefined;
  #closing = false;

  constructor({ policy, isolation, size, testing, logger, idleMs }: ExecutorOptions) {
    this.#logger = logger;
    this.#isIsolating = isolation === 'environment';
    this.#program = testing;
    this.#forbidden = [...policy.forbidden];
    this.#settings = {
      policy: { ...policy, forbidden: this.#forbidden },
      names: testing?.names,
      publicCa: testing?.publicCa,
    };
    const options = {
      size: size ?? Math.max(1, Math.min(availableParallelism(), 2)),
      idleMs: idleMs ?? 60_000,
      settings: this.#settings,
    };
    this.#pool = new ChildPool(childCommand(testing), options, {
      onMessage: (child, message) => this.#receive(child, message),
      onOutput: (child, line) =>
        this.#logger.warn({ executorPid: child.pid, line: this.#redact(line) }, 'An executor printed a line.'),
      onStarted: (child) => this.#logger.info({ executorPid: child.pid }, 'An executor has started.'),
      onGone: (child, reason) => this.#recover(child, reason),
    });
  }

  /**
   * Runs a test. It never rejects, and settles at the latest one second after its deadline or after the signal aborts,
   * which cancels it. When its child dies of another test it runs again from the start, twice at most: `restarted`
   * takes back its events and what `onCatalog` got. `onCatalog` takes the entries of a catalog read: the next part
   * comes when it has resolved, and a rejection ends the test.
   */
  run(
    job: TestJob,
    onEvent: (event: CheckEvent) => void,
    signal: AbortSignal,
    onCatalog?: CatalogTaker,
  ): Promise<TestOutcome> {
    const test = new RunningTest(job, (event) => this.#report(test, event, onEvent), onCatalog);
    const { timeoutMs } = job;
    const over = this.#closing ? 'INTERRUPTED' : signal.aborted ? 'CANCELLED' : timeoutMs <= 0 ? 'TIMEOUT' : undefined;
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
    test.timer = setTimeout(() => this.#overdue(test), timeoutMs + GRACE_MS);
    this.#place(test);
    return test.outcome;
  }

  /**
   * Looks at the addresses of a config's hosts, in their order; connects to nothing. What is no name is judged right
   * here, whatever state the children are in. Never rejects. `timeoutMs` is for the look-ups; it settles at the latest
   * ten seconds after it.
   */
  async judgeTargets(targets: readonly JudgedTarget[], timeoutMs: number): Promise<readonly TargetVerdict[]> {
    const judged = targets.map((target) => verdictWithoutLookup(target, this.#settings));
    const names = targets.filter((_, index) => judged[index] === undefined);
    const resolved = names.length > 0 ? [...(await this.#judgeNames(names, timeoutMs))] : [];
    return targets.map(({ path }, index) => judged[index] ?? resolved.shift() ?? { path, verdict: 'unjudged' });
  }

  #judgeNames(targets: readonly JudgedTarget[], timeoutMs: number): Promise<readonly TargetVerdict[]> {
    const judgement = new Judgement(targets, timeoutMs);
    const timer = setTimeout(() => judgement.giveUp(), timeoutMs + JUDGE_GRACE_MS);
    void judgement.verdicts.then(() => clearTimeout(timer));
    if (this.#closing) judgement.giveUp();
    else this.#placeJudgement(judgement);
    return judgement.verdicts;
  }

  /** Has the system hold back the children that start from now on; until then Node's permission model alone does. */
  confine(confinement: Confinement): void {
    const { ownUser, ownProcesses, noNewPrivileges } = confinement;
    this.#logger.info({ ownUser, ownProcesses, noNewPrivileges }, 'Executors are confined.');
    this.#pool.command = childCommand(this.#program, confinement);
  }

  /** Adds to the places that no connection leads to, whatever is allowed. */
  forbid(place: HostAndPort): void {
    if (this.#forbidden.some(({ host, port }) => host === place.host && port === place.port)) return;
    this.#forbidden.push(place);
    this.#pool.tellAll({ type: 'forbid', place });
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
    (test.alone ? this.#waiting.alone : this.#waiting.others).push(test);
    this.#placeWaiting();
  }

  /** Gives the tests that wait to children, in their order: one of an environment that has none does not starve. */
  #placeWaiting(): void {
    for (const queue of [this.#waiting.alone, this.#waiting.others]) {
      for (let next = queue[0]; next && this.#placed(next); next = queue[0]) queue.shift();
    }
  }

  /** False when there is no child for the test yet. */
  #placed(test: RunningTest): boolean {
    if (test.settled) return true;
    const { job } = test;
    try {
      const child = test.alone ? this.#pool.reserve() : this.#pool.choose(this.#isIsolating ? job.environmentId : null);
      if (!child) return false;
      const run = this.#pool.assign(child, test, (id) => ({
        type: 'run',
        run: id,
        job,
        deadline: test.deadline,
      }));
      this.#placements.set(test, { child, run });
    } catch (error) {
      this.#logger.error({ err: error }, 'An executor cannot be started.');
      this.#over(test, 'INTERNAL');
    }
    return true;
  }

  #placeJudgement(judgement: Judgement): void {
    const { targets, timeoutMs } = judgement;
    try {
      // where environments are kept apart, no test runs in the children that judge
      const child = this.#pool.choose(null);
      if (!child) throw new Error('There is no child for a judgement.');
      this.#pool.assign(child, judgement, (id) => ({ type: 'judge', judgement: id, targets, timeoutMs }));
    } catch (error) {
      this.#logger.error({ err: error }, 'An executor cannot be started.');
      judgement.giveUp();
    }
  }

  /** @throws BadMessageError for what no child of ours says */
  #receive(child: ChildHandle, message: FromChild): void {
    switch (message.type) {
      case 'active':
        child.lastActive = testOf(child, message.run);
        break;
      case 'event':
        child.lastActive = testOf(child, message.run);
        child.lastActive.take(message.event, message.writes);
        break;
      case 'catalog':
        this.#takeCatalog(child, message.run, message.entries);
        break;
      case 'outcome':
        testOf(child, message.run).conclude(message.failure);
        break;
      case 'released': {
        const test = testOf(child, message.run);
        if (!test.settled) throw new BadMessageError('It has let go of a test that has not ended.');
        clearTimeout(test.timer);
        this.#placements.delete(test);
        this.#release(child, message.run);
        break;
      }
      case 'judged': {
        const judgement = child.work.get(message.judgement);
        if (!(judgement instanceof Judgement)) throw new BadMessageError('It has judged what it does not hold.');
        judgement.conclude(message.verdicts);
        this.#release(child, message.judgement);
        break;
      }
      case 'log':
        this.#log(child, message);
        break;
      case 'ready':
      case 'alive':
        break;
    }
  }

  #release(child: ChildHandle, id: WorkId): void {
    this.#pool.release(child, id);
    this.#placeWaiting();
  }

  #log(child: ChildHandle, { level, run, text }: Extract<FromChild, { type: 'log' }>): void {
    const details = { executorPid: child.pid, testId: run === null ? null : testOf(child, run).job.testId };
    const allowance = this.#logged.get(child) ?? new Allowance(LOGGED);
    this.#logged.set(child, allowance);
    const taken = allowance.take(text.length);
    if (taken === 'spent')
      this.#logger.warn(details, 'An executor logs too much: the rest of this minute is left out.');
    if (taken !== 'within') return;
    const title = level === 'info' ? 'A check failed.' : 'A check failed as nobody expected.';
    this.#logger[level]({ ...details, detail: this.#redact(text) }, title);
  }

  #takeCatalog(child: ChildHandle, run: WorkId, entries: readonly CatalogEntry[]): void {
    const test = testOf(child, run);
    test.takeCatalog(entries).then(
      (taken) => taken && child.send({ type: 'taken', run }),
      (error: unknown) => {
        this.#logger.error({ err: error, testId: test.job.testId }, 'The entries of a catalog could not be taken.');
        test.fail('INTERNAL');
        child.send({ type: 'cancel', run });
      },
    );
  }

  #cancel(test: RunningTest): void {
    test.cancelled = true;
    const placement = this.#placements.get(test);
    if (!placement) {
      this.#over(test, 'CANCELLED');
      return;
    }
    placement.child.send({ type: 'cancel', run: placement.run });
    const timer = setTimeout(() => test.fail('CANCELLED'), GRACE_MS);
    void test.outcome.then(() => clearTimeout(timer));
  }

  /** A second past the deadline: the test is over, and a child that goes on holding it is not in order. */
  #overdue(test: RunningTest, held = 0): void {
    test.fail('TIMEOUT');
    const placement = this.#placements.get(test);
    if (!placement) return;
    // while its loop is blocked, or it is about to start, the heartbeat decides
    const { beating } = placement.child;
    if (beating && held >= HELD_MS) placement.child.kill('overdue');
    else test.timer = setTimeout(() => this.#overdue(test, held + (beating ? GRACE_MS : 0)), GRACE_MS);
  }

  /** Runs what a lost child held again, but for the test that brought it down and those that cannot be repeated. */
  #recover(child: ChildHandle, reason: GoneReason): void {
    const { pid, work } = child;
    if (reason === 'ended') this.#logger.info({ executorPid: pid }, 'An executor has ended.');
    else this.#logger.error({ executorPid: pid, reason, held: work.size }, 'An executor is lost.');
    const suspect = suspectOf(child, reason);
    for (const each of work.values()) {
      if (each instanceof Judgement) this.#judgeAgain(each);
      else this.#testAgain(each, reason, each === suspect);
    }
    this.#placeWaiting();
  }

  #testAgain(test: RunningTest, reason: GoneReason, suspected: boolean): void {
    this.#placements.delete(test);
    const code = finalCode(test, reason, suspected);
    if (test.settled || code) {
      this.#over(test, code ?? 'INTERNAL');
      return;
    }
    // who has lost two children by others' doing cannot lose a third one so
    test.alone = suspected || test.attempt >= ATTEMPTS;
    test.restart();
    this.#place(test);
  }

  #judgeAgain(judgement: Judgement): void {
    judgement.attempt += 1;
    if (judgement.attempt <= ATTEMPTS && !this.#closing) this.#placeJudgement(judgement);
    else judgement.giveUp();
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

/** @throws BadMessageError when the child does not hold it */
function testOf(child: ChildHandle, run: WorkId): RunningTest {
  const test = child.work.get(run);
  if (test instanceof RunningTest) return test;
  throw new BadMessageError('It has spoken of a test that it does not hold.');
}
