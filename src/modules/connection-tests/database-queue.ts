import { deserializeConfig, placeSecrets } from '../../connectors/kit/config/shape.ts';
import type { Tenancy } from '../../connectors/kit/config/tenancy.ts';
import { connectors } from '../../connectors/registry.ts';
import type { TestJob } from '../../executor/executor.ts';
import { type Change, type Database, DatabaseUnavailableError } from '../../platform/database/database.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import type { Doorbell } from '../../platform/streams/doorbell.ts';
import type { Tracer } from '../../platform/telemetry/tracer.ts';
import type { ProcessKind } from '../processes/process.ts';
import { afterDeath, isCallerIn, msUntilOverdue, OVERDUE_MS } from './after-death.ts';
import type { CatalogSink } from './catalog-sink.ts';
import { LEASE_MS, type Lease, type QueueListener, RENEW_MS, type TestQueue, type ToldEvent } from './queue.ts';
import { openSecrets } from './secrets.ts';
import { testOf } from './shown-row.ts';
import {
  claimTests,
  findAbandoned,
  findCancelRequests,
  findOwned,
  handBack,
  readSecretKey,
  renewLeases,
  settleAbandoned,
  type Taker,
  type TestRow,
  writeEvents,
} from './store.ts';
import { type ConnectionTest, hasEnded, type TestSnapshot } from './test.ts';
import { TestTrace } from './test-trace.ts';
import { type ToldFact, writeTold } from './told-facts.ts';

/** This topic is rung when a test is queued. */
export const queueTopic = 'connection-tests:queued';
/** This topic is rung when somebody wants a running test cancelled. */
export const cancelTopic = 'connection-tests:cancel';
/** Names the topic that is rung when a test has something new to read. */
export function testTopic(testId: string): string {
  return `connection-test:${testId}`;
}

/** The kind of processes that ask a gateway. */
const REMOTE = 'REMOTE_WORKER' satisfies ProcessKind;
/** How often the rows are looked at. */
const ROUND_MS = 1_000;
/** What a gateway tests itself, since nobody else has it. */
export const ownTypes = connectors.filter(({ runsInGateway }) => runsInGateway).map(({ type }) => type);

export interface DatabaseQueueOptions {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly sealer: Sealer;
  readonly catalogs: CatalogSink;
  /** Told of each test that this process has ended since nobody runs it. Left out: nobody is. */
  readonly onEnded?: ((test: ConnectionTest) => void) | undefined;
  /** Left out: nobody collects traces. */
  readonly tracer?: Tracer | undefined;
}

/** The rows are the queue: a claim is an update with SKIP LOCKED, so that several replicas share it. */
export class DatabaseQueue implements TestQueue {
  readonly roundMs = ROUND_MS;
  readonly catalogs: TestQueue['catalogs'];
  readonly #options: DatabaseQueueOptions;
  readonly #taker: Taker;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #awayAt = performance.now();

  constructor(options: DatabaseQueueOptions, taker: Taker) {
    const { catalogs } = options;
    this.#options = options;
    this.#taker = taker;
    this.catalogs = {
      begin: ({ test }) => catalogs.begin(test),
      add: ({ test }, entries) => catalogs.add(test, entries),
      finish: ({ test }) => catalogs.finish(test),
      discard: ({ test }) => catalogs.discard(test),
    };
  }

  get owner(): string {
    return this.#taker.owner;
  }

  get network(): string | null {
    return this.#taker.network;
  }

  get clock(): Database['clock'] {
    return this.#options.database.clock;
  }

  isAway(error: unknown): boolean {
    return error instanceof DatabaseUnavailableError;
  }

  listen({ queued, cancelling }: QueueListener): () => void {
    const { doorbell } = this.#options;
    const endings = [doorbell.on(queueTopic, queued), doorbell.on(cancelTopic, cancelling)];
    return () => {
      for (const end of endings) end();
    };
  }

  async claim(limit: number): Promise<readonly Lease[]> {
    const rows = await this.#options.database.change(async (change) => {
      const claimed = await claimTests(change, this.#taker, { leaseMs: LEASE_MS, limit, begins: true });
      for (const { id } of claimed) change.ring(testTopic(id));
      return claimed;
    });
    return rows.map((row) => this.#leaseOf(row, true));
  }

  /** Claims for a process that tells by itself that its tests run. */
  async claimFor(limit: number): Promise<readonly Lease[]> {
    const claim = { leaseMs: LEASE_MS, limit, begins: false };
    const rows = await this.#options.database.change((change) => claimTests(change, this.#taker, claim));
    return rows.map((row) => this.#leaseOf(row));
  }

  async settleOrphans(running: ReadonlySet<string>): Promise<void> {
    for (const row of await findOwned(this.#options.database, this.owner)) {
      if (!running.has(row.id)) await this.#settle(row);
    }
  }

  write(events: readonly ToldEvent[]): Promise<ReadonlySet<string>> {
    return this.#options.database.change((change) => this.#writeBatch(change, events));
  }

  /**
   * Writes what a process tells that need not be believed.
   * @returns the ids of the tests that are not its own, and of those of which it tells what cannot be
   */
  writeTold(
    told: readonly ToldFact[],
  ): Promise<{ readonly lost: readonly string[]; readonly refused: readonly string[] }> {
    return this.#options.database.change(async (change) => {
      const results = { written: [] as string[], lost: [] as string[], refused: [] as string[] };
      const tests = Map.groupBy(told, ({ testId }) => testId);
      for (const testId of [...tests.keys()].sort()) {
        const facts = tests.get(testId) ?? [];
        const result = await writeTold(change, this.owner, facts);
        results[result].push(testId);
        if (result !== 'written') continue;
        change.ring(testTopic(testId));
        if (facts.at(-1)?.fact.kind === 'handedBack') change.ring(queueTopic);
      }
      return results;
    });
  }

  /**
   * Gives once more what this process has taken and does not run, where nothing of it has begun, as when the answer to
   * a claim was lost; what broke off is queued anew.
   */
  async claimAgain(running: ReadonlySet<string>): Promise<readonly Lease[]> {
    const { database } = this.#options;
    const rows = (await findOwned(database, this.owner)).filter(({ id }) => !running.has(id));
    const isUnbegun = (row: TestRow) => testOf(row).checks.every(({ status }) => status === 'PENDING');
    const [unbegun, broken] = [rows.filter(isUnbegun), rows.filter((row) => !isUnbegun(row))];
    for (const row of broken) await this.#settle(row);
    const ids = unbegun.map(({ id }) => id).toSorted();
    await database.change((change) => renewLeases(change, this.owner, ids, LEASE_MS));
    return unbegun.map((row) => this.#leaseOf(row));
  }

  /** Finds a lease that this process holds still; undefined once somebody else has the test. */
  async held(testId: string, attempt: number): Promise<Lease | undefined> {
    const [row] = await findOwned(this.#options.database, this.owner, testId);
    return row?.attempt === attempt ? this.#leaseOf(row) : undefined;
  }

  async tend(running: ReadonlySet<string>): Promise<void> {
    const now = performance.now();
    if (running.size === 0 || now - this.#renewedAt < RENEW_MS) return;
    const ids = [...running].toSorted();
    await this.#options.database.change((change) => renewLeases(change, this.owner, ids, LEASE_MS));
    this.#renewedAt = now;
  }

  cancelRequests(): Promise<string[]> {
    return findCancelRequests(this.#options.database, this.owner);
  }

  async settleAbandoned(running: ReadonlySet<string>): Promise<number> {
    const { database } = this.#options;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const row of await this.#abandoned()) {
      // the test is our own and goes on: its lease ran out while this process could not renew it
      if (row.owner === this.owner && running.has(row.id)) continue;
      const leftMs = msUntilOverdue(row, database.clock.now());
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs);
      else await this.#settle(row);
    }
    return nextMs;
  }

  /**
   * Workers that ask a gateway could renew nothing while it was away, be it that it did not run or that it did not
   * reach its database: they get as long as a lease lasts before their tests are taken for abandoned.
   */
  async #abandoned(): Promise<TestRow[]> {
    const spared = performance.now() - this.#awayAt < LEASE_MS ? REMOTE : null;
    try {
      return await findAbandoned(this.#options.database, OVERDUE_MS - ROUND_MS, spared);
    } catch (error) {
      if (this.isAway(error)) this.#awayAt = performance.now();
      throw error;
    }
  }

  tidy(): Promise<void> {
    return this.#options.catalogs.tidy();
  }

  #leaseOf(row: TestRow, hasBegun = false): Lease {
    return {
      test: testOf(row),
      attempt: row.attempt,
      sequence: row.sequence,
      hasBegun,
      deadlineAt: row.deadline_at,
      traceparent: row.traceparent,
      isSavedHere: row.purpose === 'BEFORE_SAVE' && isCallerIn(row, this.owner),
      job: () => this.#jobOf(row),
      handBack: (sequence, queued) => this.#handBack(row, sequence, queued),
    };
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

  async #handBack(row: TestRow, sequence: number, queued: TestSnapshot): Promise<void> {
    await this.#options.database.change(async (change) => {
      const current = { ...row, owner: this.owner, status: 'RUNNING', sequence };
      if (!(await handBack(change, current, queued, change.clock.timestamp()))) return;
      change.ring(testTopic(row.id));
      change.ring(queueTopic);
    });
  }

  /** Ends a test that nobody runs, or gives it back to the queue. */
  async #settle(row: TestRow): Promise<void> {
    const { database, onEnded, tracer } = this.#options;
    const at = database.clock.timestamp();
    const next = afterDeath(row, at, this.owner);
    const isSettled = await database.change(async (change) => {
      if (!(await settleAbandoned(change, row, next, at))) return false;
      change.ring(testTopic(row.id));
      change.ring(queueTopic);
      return true;
    });
    if (!isSettled || !hasEnded(next)) return;
    if (tracer) new TestTrace(tracer, this.#leaseOf(row)).end(next);
    onEnded?.({ ...testOf(row), ...next });
  }

  /** Writes one batch. @returns the ids of the tests that the writer no longer owns */
  async #writeBatch(change: Change, batch: readonly ToldEvent[]): Promise<Set<string>> {
    const lost = new Set<string>();
    // tests are locked in the order of their ids, so that two replicas never wait for one another
    const tests = Map.groupBy(batch, ({ lease }) => lease.test.id);
    for (const testId of [...tests.keys()].sort()) {
      const told = tests.get(testId) ?? [];
      const [first] = told;
      if (!first) continue;
      const by = { testId, owner: this.owner, attempt: first.lease.attempt };
      const events = told.map(({ event }) => event);
      if (await writeEvents(change, by, events)) change.ring(testTopic(testId));
      else lost.add(testId);
    }
    return lost;
  }
}
