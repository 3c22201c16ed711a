import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../../connectors/kit/checks/run-checks.ts';
import { deserializeConfig, placeSecrets } from '../../connectors/kit/config/shape.ts';
import type { Tenancy } from '../../connectors/kit/config/tenancy.ts';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import { Failure, type FailureReport } from '../../connectors/kit/contract/failure.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { CheckEvent, Executor, TestJob, TestOutcome } from '../../executor/executor.ts';
import { type Database, DatabaseUnavailableError } from '../../platform/database.ts';
import type { Doorbell } from '../../platform/doorbell.ts';
import type { Logger } from '../../platform/logger.ts';
import { UnsealError } from '../../platform/sealed-box.ts';
import type { Sealer } from '../../platform/sealer.ts';
import type { Tracer } from '../../platform/tracer.ts';
import { afterDeath, isCallerIn, msUntilOverdue, OVERDUE_MS } from './after-death.ts';
import type { CatalogSink } from './catalog-sink.ts';
import type { GatewayTests } from './gateway-tests.ts';
import { TestRecorder, testTopic } from './recorder.ts';
import { openSecrets } from './secrets.ts';
import { testOf } from './shown-row.ts';
import {
  claimTests,
  findAbandoned,
  findCancelRequests,
  findOwned,
  handBack,
  type Ownership,
  readSecretKey,
  renewLeases,
  settleAbandoned,
  type TestRow,
} from './store.ts';
import { begunAnew, type ConnectionTest, ended, hasEnded, type TestSnapshot, withCheck } from './test.ts';
import { TestTrace } from './test-trace.ts';

/** This topic is rung when a test is queued. */
export const queueTopic = 'connection-tests:queued';
/** This topic is rung when somebody wants a running test cancelled. */
export const cancelTopic = 'connection-tests:cancel';

/** How many tests this process runs at once. */
const MOST_AT_ONCE = 200;
/** How long a process that says nothing keeps its tests. */
const LEASE_MS = 15_000;
/** How often leases are renewed: a lease outlives two renewals that fail. */
const RENEW_MS = 5_000;
/** How often the runner looks after what a ring may have missed. */
const ROUND_MS = 1_000;
/** How soon a claim that failed is tried again. */
const CLAIM_AGAIN_MS = 500;
/** The pause between two tries of what a test needs from a database that is away. */
const DATABASE_PAUSE_MS = 200;
/** How long a process that stops waits for a database that is away. */
const STOP_WITHOUT_DATABASE_MS = 3_000;

type Tail<List extends readonly unknown[]> = List extends [unknown, ...infer Rest] ? Rest : never;

interface Run {
  readonly row: TestRow;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

export interface RunnerOptions {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly sealer: Sealer;
  readonly executor: Executor;
  readonly catalogs: CatalogSink;
  readonly gatewayTests: GatewayTests;
  readonly logger: Logger;
  /** The network that this process stands in, whose tests alone it takes. Left out: it takes those of no network. */
  readonly network?: string | undefined;
  /** False where other processes take the tests. Left out: true. */
  readonly takesTests?: boolean | undefined;
  /** Told of each test that this process has ended. Left out: nobody is. */
  readonly onEnded?: ((test: ConnectionTest) => void) | undefined;
  /** Left out: nobody collects traces. */
  readonly tracer?: Tracer | undefined;
}

/**
 * Takes queued tests and runs them in the executor. The rows are the queue: a claim is an update with SKIP LOCKED, so
 * that several replicas share it, and a lease lets another one go on when a process dies. While the database is away a
 * test goes on, and what happens to it is written when the database is back.
 */
export class TestRunner {
  /** Names this process as the owner of what it runs. */
  readonly owner = randomUUID();
  readonly #options: RunnerOptions;
  readonly #recorder: TestRecorder;
  readonly #running = new Map<string, Run>();
  readonly #stopListening: (() => void)[] = [];
  #round: NodeJS.Timeout | undefined;
  #claiming: Promise<void> | undefined;
  #claimAgain = false;
  #claimLater: NodeJS.Timeout | undefined;
  #lookAgain: NodeJS.Timeout | undefined;
  /** Rows may be RUNNING in this process's name that it does not run: a claim's answer was lost, or a run broke off. */
  #mayHaveOrphans = false;
  #renewedAt = 0;
  #endsSaves = false;
  #drains = false;
  #stopped = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#recorder = new TestRecorder(options.database);
  }

  start(): void {
    const { doorbell } = this.#options;
    if (this.#takesTests) this.#stopListening.push(doorbell.on(queueTopic, () => this.#wake()));
    this.#stopListening.push(doorbell.on(cancelTopic, () => this.#guard(this.#cancelRequested())));
    this.#round = setInterval(() => this.#guard(this.#goRound()), ROUND_MS);
    this.#wake();
  }

  /**
   * Ends the tests that saves wait for, now and from now on, so that their callers are answered before the server
   * closes.
   */
  endSaves(): void {
    this.#endsSaves = true;
    for (const { row, abort } of this.#running.values()) if (this.#isSavedHere(row)) abort.abort('stopping');
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

  /** Cancels what runs, and waits until its end is written; for a database that is away, 3 s at most. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#round);
    clearTimeout(this.#claimLater);
    clearTimeout(this.#lookAgain);
    for (const stop of this.#stopListening) stop();
    const patience = setTimeout(() => this.#recorder.giveUp(), STOP_WITHOUT_DATABASE_MS);
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
    return this.#takesTests && network === this.#network;
  }

  get #takesTests(): boolean {
    return this.#options.takesTests ?? true;
  }

  get #network(): string | null {
    return this.#options.network ?? null;
  }

  /** Whether a caller in this process waits for the test, to save what it proves. */
  #isSavedHere(row: TestRow): boolean {
    return row.purpose === 'BEFORE_SAVE' && isCallerIn(row, this.owner);
  }

  #wake(): void {
    if (!this.#takesTests) return;
    this.#claimAgain = true;
    this.#claiming ??= this.#claimAll().finally(() => {
      this.#claiming = undefined;
    });
  }

  async #claimAll(): Promise<void> {
    while (this.#claimAgain && !this.#drains && !this.#stopped) {
      this.#claimAgain = false;
      try {
        if (this.#mayHaveOrphans) await this.#settleOrphans();
        const free = MOST_AT_ONCE - this.#running.size;
        if (free <= 0) return;
        const taker = { owner: this.owner, network: this.#network };
        const rows = await this.#options.database.change((change) => claimTests(change, taker, LEASE_MS, free));
        for (const row of rows) this.#begin(row);
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
    for (const row of await findOwned(this.#options.database, this.owner)) {
      if (!this.#running.has(row.id)) await this.#settle(row);
    }
  }

  #begin(row: TestRow): void {
    const abort = new AbortController();
    if (this.#endsSaves && this.#isSavedHere(row)) abort.abort('stopping');
    const trace = this.#traceOf(row);
    const done = this.#run(row, abort.signal, trace)
      .finally(() => trace?.giveUp())
      .catch((error: unknown) => {
        this.#mayHaveOrphans = true;
        this.#report(error, 'a connection test broke off', row.id);
      })
      .finally(() => {
        this.#running.delete(row.id);
        this.#wake();
      });
    this.#running.set(row.id, { row, abort, done });
  }

  #traceOf(row: TestRow): TestTrace | undefined {
    const { tracer } = this.#options;
    return tracer && new TestTrace(tracer, row);
  }

  /** The database's own faults are told once, by the database. */
  #report(error: unknown, message: string, testId?: string): void {
    if (error instanceof DatabaseUnavailableError) return;
    this.#options.logger.error({ err: error, ...(testId && { testId }) }, message);
  }

  async #run(row: TestRow, signal: AbortSignal, trace: TestTrace | undefined): Promise<void> {
    const log = new TestLog(row, this.owner, this.#recorder, this.#options, trace);
    const lost = new AbortController();
    log.onLost = () => lost.abort('lost');
    await log.write(null, { ...testOf(row), status: 'RUNNING' });
    const outcome = await this.#execute(row, log, AbortSignal.any([signal, lost.signal]));
    if (lost.signal.aborted) return;
    const interrupted = signal.reason === 'stopping' && outcome.status === 'CANCELLED';
    // a replica that stops leaves its tests to the others, but for those whose caller waits in this process
    if (interrupted && !this.#isSavedHere(row)) return await this.#handBack(row, log);
    const { database } = this.#options;
    const failure = interrupted ? new Failure('INTERRUPTED').report : outcome.failure;
    const status = interrupted ? 'FAILED' : outcome.status;
    await log.write(null, ended(log.snapshot, status, failure, database.clock.timestamp()));
    if (lost.signal.aborted) return;
    trace?.end(log.snapshot);
    this.#options.onEnded?.({ ...testOf(row), ...log.snapshot });
  }

  async #execute(
    row: TestRow,
    log: TestLog,
    signal: AbortSignal,
  ): Promise<{ status: 'PASSED' | 'FAILED' | 'CANCELLED'; failure: FailureReport | null }> {
    try {
      const job = await this.#patiently(row, () => this.#jobOf(row));
      log.trace?.run();
      const outcome =
        row.purpose === 'CATALOG'
          ? await this.#readCatalog(row, job, log, signal)
          : await this.#runJob(row, job, (event) => log.onCheck(event), signal);
      log.trace?.ran(outcome.failure);
      return outcome;
    } catch (error) {
      this.#report(error, 'a connection test could not be run', row.id);
      const code = error instanceof UnsealError ? 'SECRETS_UNREADABLE' : 'INTERNAL';
      return { status: 'FAILED', failure: new Failure(code).report };
    }
  }

  /** What the gateway keeps itself is tested right here: a child could not see it. */
  #runJob(row: TestRow, job: TestJob, ...rest: Tail<Parameters<Executor['run']>>): Promise<TestOutcome> {
    const { executor, gatewayTests } = this.#options;
    if (!connectorOf(row.type).runsInGateway) return executor.run(job, ...rest);
    return gatewayTests.run({ ...job, datastoreId: row.datastore_id }, ...rest);
  }

  /** The new catalog takes the place of the old one before the test is told to have passed. */
  async #readCatalog(row: TestRow, job: TestJob, log: TestLog, signal: AbortSignal): Promise<TestOutcome> {
    const { catalogs } = this.#options;
    const test = testOf(row);
    const gone = new AbortController();
    let beginning = this.#patiently(row, () => catalogs.begin(test));
    await beginning;
    const onCheck = (event: CheckEvent) => {
      if (event.kind === 'restarted') {
        beginning = beginning.then(() => catalogs.begin(test));
        // whoever adds the next entries hears of the failure
        beginning.catch(() => undefined);
      }
      log.onCheck(event);
    };
    const onCatalog = async (entries: readonly CatalogEntry[]) => {
      await beginning;
      if (!(await catalogs.add(test, entries))) gone.abort('gone');
    };
    const outcome = await this.#runJob(row, job, onCheck, AbortSignal.any([signal, gone.signal]), onCatalog);
    // another replica has taken the test over: what is stored under its id is that one's now
    if (signal.reason === 'lost') return outcome;
    if (outcome.status === 'PASSED' && (await this.#patiently(row, () => catalogs.finish(test)))) return outcome;
    await this.#patiently(row, () => catalogs.discard(test));
    return outcome.status === 'PASSED' ? failed(new Failure('CANCELLED').report, []) : outcome;
  }

  /** Does what can be done twice again and again while the database is away, up to the test's deadline. */
  async #patiently<T>(row: TestRow, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        const isOver = this.#stopped || this.#options.database.clock.timestamp() >= row.deadline_at;
        if (isOver || !(error instanceof DatabaseUnavailableError)) throw error;
      }
      await sleep(DATABASE_PAUSE_MS);
    }
  }

  async #jobOf(row: TestRow): Promise<TestJob> {
    const { database, sealer } = this.#options;
    const config = deserializeConfig(row.draft_config ?? '{}');
    const secrets = await openSecrets(sealer, row, await readSecretKey(database, row.id));
    return {
      testId: row.id,
      environmentId: row.environment_id,
      type: row.type,
      config: placeSecrets({ config, secrets }),
      secrets: [...secrets.values()],
      checks: JSON.parse(row.plan) as string[],
      timeoutMs: Date.parse(row.deadline_at) - database.clock.now(),
      tenancy: row.draft_tenancy === null ? null : (JSON.parse(row.draft_tenancy) as Tenancy),
    };
  }

  async #handBack(row: TestRow, log: TestLog): Promise<void> {
    await log.flushed();
    const { database } = this.#options;
    await database.change(async (change) => {
      const current = { ...row, owner: this.owner, status: 'RUNNING', sequence: log.sequence };
      const queued = begunAnew(log.snapshot);
      if (!(await handBack(change, current, queued, change.clock.timestamp()))) return;
      change.ring(testTopic(row.id));
      change.ring(queueTopic);
    });
  }

  async #cancelRequested(): Promise<void> {
    for (const id of await findCancelRequests(this.#options.database, this.owner))
      this.#running.get(id)?.abort.abort('cancelled');
  }

  /** Looks after what a ring may have missed, and after what dead processes left behind. */
  async #goRound(): Promise<void> {
    const { database, catalogs } = this.#options;
    const now = performance.now();
    if (this.#running.size > 0 && now - this.#renewedAt >= RENEW_MS) {
      const ids = [...this.#running.keys()].sort();
      await database.change((change) => renewLeases(change, this.owner, ids, LEASE_MS));
      this.#renewedAt = now;
    }
    if (this.#running.size > 0) await this.#cancelRequested();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const row of await findAbandoned(database, OVERDUE_MS - ROUND_MS)) {
      // the test is our own and goes on: its lease ran out while this process could not renew it
      if (row.owner === this.owner && this.#running.has(row.id)) continue;
      const leftMs = msUntilOverdue(row, database.clock.now());
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs);
      else await this.#settle(row);
    }
    if (nextMs < ROUND_MS) this.#lookIn(nextMs);
    await catalogs.tidy();
    this.#wake();
  }

  /** A test whose process may have died is late before the next round: it is looked at when it is. */
  #lookIn(ms: number): void {
    clearTimeout(this.#lookAgain);
    if (!this.#stopped) this.#lookAgain = setTimeout(() => this.#guard(this.#goRound()), ms).unref();
  }

  /** Ends a test that nobody runs, or gives it back to the queue. */
  async #settle(row: TestRow): Promise<void> {
    const at = this.#options.database.clock.timestamp();
    const next = afterDeath(row, at, this.owner);
    const isSettled = await this.#options.database.change(async (change) => {
      if (!(await settleAbandoned(change, row, next, at))) return false;
      change.ring(testTopic(row.id));
      change.ring(queueTopic);
      return true;
    });
    if (!isSettled || !hasEnded(next)) return;
    this.#traceOf(row)?.end(next);
    this.#options.onEnded?.({ ...testOf(row), ...next });
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#report(error, 'the round of the test runner failed'));
  }
}

/** The log of one test while this process owns it. */
class TestLog {
  snapshot: TestSnapshot;
  sequence: number;
  onLost: () => void = () => {};
  readonly trace: TestTrace | undefined;
  readonly #by: Ownership;
  readonly #recorder: TestRecorder;
  readonly #clock: Database['clock'];
  readonly #logger: Logger;
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    row: TestRow,
    owner: string,
    recorder: TestRecorder,
    { database, logger }: RunnerOptions,
    trace: TestTrace | undefined,
  ) {
    this.trace = trace;
    this.snapshot = testOf(row);
    this.sequence = row.sequence;
    this.#by = { testId: row.id, owner, attempt: row.attempt };
    this.#recorder = recorder;
    this.#clock = database.clock;
    this.#logger = logger;
  }

  /** Adds an event; the recorder keeps their order. */
  async write(checkName: string | null, next: TestSnapshot): Promise<void> {
    const { status, attempt, checks, failure, startedAt, finishedAt, durationMs } = next;
    this.snapshot = { status, attempt, checks, failure, startedAt, finishedAt, durationMs };
    this.sequence += 1;
    const now = this.#clock.timestamp();
    const at = startedAt !== null && now < startedAt ? startedAt : now;
    const event = { sequence: this.sequence, at, checkName, snapshot: this.snapshot };
    const writing = this.#recorder.record(this.#by, event).then((written) => {
      if (!written) this.onLost();
    });
    this.#last = writing.catch(() => this.onLost());
    await writing;
  }

  async flushed(): Promise<void> {
    await this.#last;
  }

  onCheck(event: CheckEvent): void {
    this.trace?.onCheck(event);
    if (event.kind === 'restarted') {
      this.#write(null, { ...begunAnew(this.snapshot), status: 'RUNNING', startedAt: this.snapshot.startedAt });
      return;
    }
    const check = this.snapshot.checks.find(({ name }) => name === event.name);
    if (!check) return;
    const next =
      event.kind === 'started'
        ? { ...check, status: 'RUNNING' as const }
        : {
            ...check,
            status: event.status,
            durationMs: event.durationMs,
            evidence: event.evidence,
            failure: event.failure,
          };
    this.#write(event.name, withCheck(this.snapshot, next));
  }

  /** A failed write means that the test is no longer ours to go on with; onLost ends it. */
  #write(checkName: string | null, next: TestSnapshot): void {
    this.write(checkName, next).catch((error: unknown) => {
      this.#logger.error({ err: error, testId: this.#by.testId }, 'an event of a connection test could not be written');
      this.onLost();
    });
  }
}
