import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import { Failure, type FailureReport } from '../../connectors/kit/contract/failure.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { CheckEvent, Executor, TestJob, TestOutcome } from '../../executor/executor.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Tracer } from '../../platform/telemetry/tracer.ts';
import type { GatewayTests } from './gateway-tests.ts';
import { gatheringMs } from './gathering.ts';
import type { Lease, TestQueue } from './queue.ts';
import { TestRecorder } from './recorder.ts';
import { begunAnew, type ConnectionTest } from './test.ts';
import { TestLog } from './test-log.ts';
import { TestTrace } from './test-trace.ts';

/** How many tests a process runs at once. */
export const MOST_AT_ONCE = 200;
/** How soon a claim that failed is tried again. */
const CLAIM_AGAIN_MS = 500;
/** The pause between two tries of what a test needs from a queue that is away. */
const AWAY_PAUSE_MS = 200;
/** How long a process that stops waits for a queue that is away. */
const STOP_WITHOUT_QUEUE_MS = 3_000;

type Tail<List extends readonly unknown[]> = List extends [unknown, ...infer Rest] ? Rest : never;

interface Run {
  readonly lease: Lease;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export interface RunnerOptions {
  readonly queue: TestQueue;
  readonly executor: Executor;
  /** Left out where no gateway's own stores are. */
  readonly gatewayTests?: GatewayTests | undefined;
  readonly logger: Logger;
  /** False where other processes take all tests but those of gateways' own stores. Left out: true. */
  readonly takesTests?: boolean | undefined;
  /** Told of each test that this process has run to its end. Left out: nobody is. */
  readonly onEnded?: ((test: ConnectionTest) => void) | undefined;
  /** Left out: nobody collects traces. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Takes queued tests and runs them in the executor. A lease lets another process go on when this one dies. While the
 * queue is away a test goes on, and what happens to it is written when the queue is back.
 */
export class TestRunner {
  readonly #options: RunnerOptions;
  readonly #queue: TestQueue;
  readonly #recorder: TestRecorder;
  readonly #running = new Map<string, Run>();
  #stopListening: (() => void) | undefined;
  #round: NodeJS.Timeout | undefined;
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #claimLater: NodeJS.Timeout | undefined;
  /** When the next claim may begin, by performance.now(): what is queued until then is taken together. */
  #claimFrom = 0;
  #lookAgain: NodeJS.Timeout | undefined;
  /** Rows may be RUNNING in this process's name that it does not run: a claim's answer was lost, or a run broke off. */
  #mayHaveOrphans = false;
  /** Tests may be queued that were not taken for want of room. */
  #wasFull = false;
  #endsSaves = false;
  #drains = false;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#queue = options.queue;
    this.#recorder = new TestRecorder(options.queue);
  }

  /** Names this process as the owner of what it runs. */
  get owner(): string {
    return this.#queue.owner;
  }

  start(): void {
    const queued = () => this.#wake();
    const cancelling = () => this.#guard(this.#cancelRequested());
    this.#stopListening = this.#queue.listen({ queued, cancelling });
    this.#round = setInterval(() => this.#guard(this.#goRound()), this.#queue.roundMs);
    this.#wake();
  }

  /**
   * Ends the tests that saves wait for, now and from now on, so that their callers are answered before the server
   * closes.
   */
  endSaves(): void {
    this.#endsSaves = true;
    for (const { lease, abort } of this.#running.values()) if (lease.isSavedHere) abort.abort('stopping');
  }

  /** Takes no more tests, and lets those that run end within so many milliseconds. */
  async drain(ms: number): Promise<void> {
    this.#drains = true;
    await this.#claiming;
    const patience = new AbortController();
    const ending = Promise.all([...this.#running.values()].map(({ done }) => done));
    const { signal } = patience;
    await Promise.race([ending, sleep(ms, undefined, { signal }).catch(() => undefined)]);
    patience.abort();
  }

  /** Cancels what runs, and waits until its end is written; for a queue that is away, 3 s at most. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#round);
    clearTimeout(this.#claimLater);
    clearTimeout(this.#lookAgain);
    this.#stopListening?.();
    const patience = setTimeout(() => this.#recorder.giveUp(), STOP_WITHOUT_QUEUE_MS);
    await this.#claiming;
    const running = [...this.#running.values()];
    for (const { abort } of running) abort.abort('stopping');
    await Promise.all(running.map(({ done }) => done));
    clearTimeout(patience);
  }

  /** How many tests it runs at once at most. */
  get capacity(): number {
    return this.#takesTests ? MOST_AT_ONCE : 0;
  }

  get runningCount(): number {
    return this.#running.size;
  }

  /** Whether this process takes the tests of a network; null: those of none. */
  takes(network: string | null): boolean {
    return this.#takesTests && network === this.#queue.network;
  }

  get #takesTests(): boolean {
    return this.#options.takesTests ?? true;
  }

  #wake(): void {
    this.#claimAgain = true;
    this.#claiming ??= this.#claimAll().finally(() => {
      this.#claiming = undefined;
    });
  }

  async #claimAll(): Promise<void> {
    while (this.#claimAgain) {
      const pauseMs = this.#claimFrom - performance.now();
      if (pauseMs > 0) await sleep(pauseMs);
      if (this.#drains || this.#stopped) return;
      this.#claimAgain = false;
      try {
        if (this.#mayHaveOrphans) await this.#settleOrphans();
        const free = MOST_AT_ONCE - this.#running.size;
        this.#wasFull = free <= 0;
        if (this.#wasFull) return;
        const start = performance.now();
        const leases = await this.#queue.claim(free);
        this.#claimFrom = performance.now() + gatheringMs(performance.now() - start);
        this.#wasFull = leases.length >= free;
        for (const lease of leases) this.#begin(lease);
      } catch (error) {
        // the claim may be stored all the same: its answer alone was lost
        this.#mayHaveOrphans = true;
        this.#report(error, 'queued tests could not be taken; trying again');
        this.#claimLater = setTimeout(() => this.#wake(), CLAIM_AGAIN_MS).unref();
      }
    }
  }

  /** Called between claims alone: what is RUNNING in our name and not among what runs was lost on the way. */
  async #settleOrphans(): Promise<void> {
    this.#mayHaveOrphans = false;
    await this.#queue.settleOrphans(this.#runningIds());
  }

  #runningIds(): ReadonlySet<string> {
    return new Set(this.#running.keys());
  }

  #begin(lease: Lease): void {
    const { id } = lease.test;
    const abort = new AbortController();
    if (this.#endsSaves && lease.isSavedHere) abort.abort('stopping');
    const { tracer } = this.#options;
    const trace = tracer && new TestTrace(tracer, lease);
    const done = this.#run(lease, abort, trace)
      .finally(() => trace?.giveUp())
      .catch((error: unknown) => {
        this.#mayHaveOrphans = true;
        this.#report(error, 'a connection test broke off', id);
      })
      .finally(() => {
        this.#running.delete(id);
        if (this.#wasFull || this.#mayHaveOrphans) this.#wake();
      });
    this.#running.set(id, { lease, abort, done });
  }

  /** That the queue is away is told once, by what stands for it. */
  #report(error: unknown, message: string, testId?: string): void {
    if (this.#queue.isAway(error)) return;
    this.#options.logger.error({ err: error, ...(testId && { testId }) }, message);
  }

  async #run(lease: Lease, abort: AbortController, trace: TestTrace | undefined): Promise<void> {
    const { signal } = abort;
    const log = new TestLog(lease, this.#recorder, this.#queue.clock, this.#options.logger, trace);
    log.onLost = () => abort.abort('lost');
    if (!lease.hasBegun) await log.write({ kind: 'begun' });
    const outcome = await this.#execute(lease, log, signal);
    if (log.isLost) return;
    const interrupted = signal.reason === 'stopping' && outcome.status === 'CANCELLED';
    // a replica that stops leaves its tests to the others, but for those whose caller waits in this process
    if (interrupted && !lease.isSavedHere) return await this.#handBack(lease, log);
    const failure = interrupted ? new Failure('INTERRUPTED').report : outcome.failure;
    const status = interrupted ? 'FAILED' : outcome.status;
    await log.write({ kind: 'over', status, failure });
    if (log.isLost) return;
    trace?.end(log.snapshot);
    this.#options.onEnded?.({ ...lease.test, ...log.snapshot });
  }

  async #execute(
    lease: Lease,
    log: TestLog,
    signal: AbortSignal,
  ): Promise<{ status: 'PASSED' | 'FAILED' | 'CANCELLED'; failure: FailureReport | null }> {
    try {
      const job = await this.#patiently(lease, () => lease.job());
      log.trace?.run();
      const outcome =
        lease.test.purpose === 'CATALOG'
          ? await this.#readCatalog(lease, job, log, signal)
          : await this.#runJob(lease, job, (event) => log.onCheck(event), signal);
      log.trace?.ran(outcome.failure);
      return outcome;
    } catch (error) {
      this.#report(error, 'a connection test could not be run', lease.test.id);
      const code = error instanceof UnsealError ? 'SECRETS_UNREADABLE' : 'INTERNAL';
      return { status: 'FAILED', failure: new Failure(code).report };
    }
  }

  /** What the gateway keeps itself is tested right here: a child could not see it. */
  #runJob({ test }: Lease, job: TestJob, ...rest: Tail<Parameters<Executor['run']>>): Promise<TestOutcome> {
    const { executor, gatewayTests } = this.#options;
    if (!gatewayTests || !connectorOf(test.type).runsInGateway) return executor.run(job, ...rest);
    return gatewayTests.run({ ...job, datastoreId: test.datastoreId }, ...rest);
  }

  /** The new catalog takes the place of the old one before the test is told to have passed. */
  async #readCatalog(lease: Lease, job: TestJob, log: TestLog, signal: AbortSignal): Promise<TestOutcome> {
    const { catalogs } = this.#queue;
    const gone = new AbortController();
    let beginning = this.#patiently(lease, () => catalogs.begin(lease));
    await beginning;
    const onCheck = (event: CheckEvent) => {
      if (event.kind === 'restarted') {
        beginning = beginning.then(() => catalogs.begin(lease));
        // whoever adds the next entries hears of the failure
        beginning.catch(() => undefined);
      }
      log.onCheck(event);
    };
    const onCatalog = async (entries: readonly CatalogEntry[]) => {
      await beginning;
      if (!(await this.#patiently(lease, () => catalogs.add(lease, entries)))) gone.abort('gone');
    };
    const outcome = await this.#runJob(lease, job, onCheck, AbortSignal.any([signal, gone.signal]), onCatalog);
    // another replica has taken the test over: what is stored under its id is that one's now
    if (signal.reason === 'lost') return outcome;
    if (outcome.status === 'PASSED' && (await this.#patiently(lease, () => catalogs.finish(lease)))) return outcome;
    await this.#patiently(lease, () => catalogs.discard(lease));
    return outcome.status === 'PASSED' ? failed(new Failure('CANCELLED').report, []) : outcome;
  }

  /** Does what can be done twice again and again while the queue is away, up to the test's deadline. */
  async #patiently<T>({ deadlineAt }: Lease, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const isOver = this.#stopped || this.#queue.clock.timestamp() >= deadlineAt;
        if (isOver || !this.#queue.isAway(error)) throw error;
      }
      await sleep(AWAY_PAUSE_MS);
    }
  }

  async #handBack(lease: Lease, log: TestLog): Promise<void> {
    await log.flushed();
    await lease.handBack(log.sequence, begunAnew(log.snapshot));
  }

  async #cancelRequested(): Promise<void> {
    if (this.#running.size === 0) return;
    for (const id of await this.#queue.cancelRequests()) this.#running.get(id)?.abort.abort('cancelled');
  }

  /** Looks after what a ring may have missed, and after what dead processes left behind. */
  async #goRound(): Promise<void> {
    await this.#queue.tend(this.#runningIds());
    await this.#cancelRequested();
    const nextMs = await this.#queue.settleAbandoned(this.#runningIds());
    if (nextMs < this.#queue.roundMs) this.#lookIn(nextMs);
    await this.#queue.tidy();
    this.#wake();
  }

  /** A test whose process may have died is late before the next round: it is looked at when it is. */
  #lookIn(ms: number): void {
    clearTimeout(this.#lookAgain);
    if (!this.#stopped) this.#lookAgain = setTimeout(() => this.#guard(this.#goRound()), ms).unref();
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#report(error, 'the round of the test runner failed'));
  }
}
