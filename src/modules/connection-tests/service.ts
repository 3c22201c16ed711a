import { randomUUID } from 'node:crypto';
import { setImmediate as immediate } from 'node:timers/promises';
import { serializeConfig, splitSecrets } from '../../connectors/kit/config/shape.ts';
import { Failure } from '../../connectors/kit/contract/failure.ts';
import { ConflictError, NotFoundError, RequestFault } from '../../errors/api.ts';
import type { LimitSettings } from '../../errors/limits.ts';
import {
  type Change,
  type Database,
  isForeignKeyViolation,
  isUniqueViolation,
} from '../../platform/database/database.ts';
import { isUsedId } from '../../platform/ids.ts';
import { NoDataKeyError } from '../../platform/keys/data-keys.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Sealer } from '../../platform/keys/sealer.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Doorbell } from '../../platform/streams/doorbell.ts';
import { followLog } from '../../platform/streams/follow-log.ts';
import { openedLate } from '../../platform/streams/opened-late.ts';
import type { Polled } from '../../platform/streams/polled-stream.ts';
import { currentTrace, formatTraceparent } from '../../platform/telemetry/trace-context.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { requireRoom, targetOf } from './admission.ts';
import { cancelTopic, queueTopic, testTopic } from './database-queue.ts';
import { READ_AT_ONCE, readEvents, shownEvent } from './event-store.ts';
import { keepEvents, keptEvents } from './followed-events.ts';
import { journalCancel, journalStart } from './journal.ts';
import { planTest, type TestOptions, type TestSubject, testTimeoutMs, writes } from './plan.ts';
import type { TestRunner } from './runner.ts';
import { testOf } from './shown-row.ts';
import {
  adoptTest,
  findRunning,
  findTests,
  insertTest,
  keepTested,
  listTests,
  type NewTestRow,
  networkOf,
  readForChange,
  readQueue,
  requestCancel,
  setLastTest,
  settleAbandoned,
  type TestRow,
} from './store.ts';
import {
  type ConnectionTest,
  draftPath,
  ended,
  hasEnded,
  secretOwner,
  type TestEvent,
  type TestPurpose,
  type TestSnapshot,
  unstarted,
} from './test.ts';

/** How long a cancel waits for the test's process to end it. */
const CANCEL_WAIT_MS = 2_000;
/** How long progress waits for a test that does not exist yet. */
const UNBORN_WAIT_MS = 60_000;

export interface ConnectionTestServiceOptions {
  readonly database: Database;
  readonly doorbell: Doorbell;
  readonly keyring: Keyring;
  readonly sealer: Sealer;
  readonly runner: TestRunner;
  /** How long progress waits for a test that does not exist yet, in milliseconds. The default is 60,000. */
  readonly unbornWaitMs?: number | undefined;
  /** How many tests may be under way at once. */
  readonly limits?: LimitSettings | undefined;
}

/** What is stored beside the row of a test that begins. */
interface Enqueued {
  readonly subject: TestSubject;
  readonly secrets: ReadonlyMap<string, string>;
  readonly snapshot: TestSnapshot;
  /** Whether its id is the caller's choice. */
  readonly isChosen: boolean;
}

/** The tests of all replicas that wait to be taken. */
export interface TestQueue {
  /** 10,000 where there are more. */
  readonly depth: number;
  /** How long the oldest of them has waited; 0 where none waits. */
  readonly oldestMs: number;
}

/** Starts connection tests, lets them be followed live or later, and cancels them. */
export class ConnectionTestService {
  readonly #database: Database;
  readonly #doorbell: Doorbell;
  readonly #keyring: Keyring;
  readonly #sealer: Sealer;
  readonly #runner: TestRunner;
  readonly #unbornWaitMs: number;
  readonly #limits: LimitSettings;
  readonly #readings = new Map<string, Promise<TestEvent[]>>();

  constructor(options: ConnectionTestServiceOptions) {
    this.#unbornWaitMs = options.unbornWaitMs ?? UNBORN_WAIT_MS;
    this.#limits = options.limits ?? {};
    this.#database = options.database;
    this.#doorbell = options.doorbell;
    this.#keyring = options.keyring;
    this.#sealer = options.sealer;
    this.#runner = options.runner;
  }

  /** Looks at what waits to be taken, for the metrics. */
  async queue(): Promise<TestQueue> {
    const { count: depth, oldest } = await readQueue(this.#database);
    const oldestMs = oldest === null ? 0 : Math.max(0, this.#database.clock.now() - Date.parse(oldest));
    return { depth, oldestMs };
  }

  /**
   * Stores a test as QUEUED and returns at once. Everything that it needs is kept on its row, sealed, until it ends.
   * @throws ValidationError when it cannot be planned as asked for, ConflictError when its id was used before,
   *   NotFoundError when its datastore is gone,
   *   LimitFault when too many are under way
   */
  async start(
    access: Access,
    subject: TestSubject,
    purpose: TestPurpose,
    options: TestOptions,
  ): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const checks = planTest(subject, purpose, options);
    if (writes(subject.connector, checks)) requireScope(access, 'DATASTORES_WRITE');
    const { config, secrets } = splitSecrets(subject.connector, subject.config);
    const snapshot = unstarted(checks.map((name) => ({ id: randomUUID(), name })));
    const now = this.#database.clock.now();
    const trace = currentTrace();
    const row = {
      id: options.testId ?? randomUUID(),
      datastore_id: subject.datastoreId,
      datastore_version: subject.storedVersion,
      environment_id: subject.environmentId,
      type: subject.connector.type,
      purpose,
      status: snapshot.status,
      restarts: 0,
      is_stored: subject.storedVersion === null ? (0 as const) : (1 as const),
      requested_by: access.actor.name,
      requested_on_behalf_of: access.actor.onBehalfOf,
      token_id: access.tokenId,
      checks: JSON.stringify(snapshot.checks),
      failure: null,
      plan: JSON.stringify(checks),
      draft_config: config,
      draft_tenancy: subject.tenancy && JSON.stringify(subject.tenancy),
      target: targetOf(subject.connector, subject.config),
      created_at: new Date(now).toISOString(),
      started_at: null,
      finished_at: null,
      deadline_at: new Date(now + (options.timeoutMs ?? testTimeoutMs.default)).toISOString(),
      duration_ms: null,
      caller: purpose === 'BEFORE_SAVE' ? this.#runner.owner : null,
      lease_expires_at: null,
      traceparent: trace ? formatTraceparent(trace) : null,
    };
    await this.#enqueue(row, { subject, secrets, snapshot, isChosen: options.testId != null });
    return testOf(row);
  }

  async #enqueue(
    row: Omit<NewTestRow, 'draft_secrets' | 'network' | 'owner'>,
    { subject, secrets, snapshot, isChosen }: Enqueued,
  ): Promise<void> {
    try {
      await this.#database.change(async (change) => {
        // an id that the gateway has made is nobody's yet
        if (isChosen && (await isUsedId(change, row.id))) throw new ConflictError('ID_TAKEN');
        const { datastoreId, firstVersion } = subject;
        if (datastoreId !== null && !(await keepTested(change, datastoreId, firstVersion)))
          throw new NotFoundError([datastoreId]);
        await requireRoom(change, this.#limits, row);
        const owner = secretOwner(row, serializeConfig(row.draft_config));
        const key = secrets.size > 0 ? await this.#sealer.newKey(change, owner) : null;
        const sealed = key?.seal(draftPath, JSON.stringify([...secrets])) ?? null;
        const network = subject.connector.runsInGateway ? null : await networkOf(change, row.environment_id);
        // this process runs the test itself when a caller waits for it here
        const ownerId = this.#runner.takes(network) ? row.caller : null;
        await insertTest(change, { ...row, network, owner: ownerId, draft_secrets: sealed }, snapshot, key);
        if (row.is_stored && row.datastore_id && row.purpose !== 'CATALOG')
          await setLastTest(change, row.datastore_id, row.id);
        change.ring(testTopic(row.id));
        change.ring(queueTopic);
        await journalStart(change, this.#keyring, row);
      });
    } catch (error) {
      if (isUniqueViolation(error)) throw new ConflictError('ID_TAKEN');
      // it was deleted since it was found for the caller
      if (error instanceof NoDataKeyError || isForeignKeyViolation(error))
        throw new NotFoundError([row.environment_id]);
      throw error;
    }
  }

  /** Starts a test that a save waits for, and waits for its end. */
  async run(access: Access, subject: TestSubject, options: TestOptions): Promise<ConnectionTest> {
    const started = await this.start(access, subject, 'BEFORE_SAVE', options);
    for await (const event of this.#follow(started, 0)) {
      if (hasEnded(event.test)) return event.test;
    }
    throw new RequestFault('UNAVAILABLE');
  }

  /** Reads the test that a save of the caller's waited for. The scope to start it is enough to see how it went. */
  async outcome(access: Access, id: string): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const [test] = await findTests(this.#database, access, [id]);
    if (!test) throw new Error('the test of a failed save is gone');
    return test;
  }

  /** Returns tests in the order of the ids, with null where there is none that the caller may see. */
  async find(access: Access, ids: readonly string[]): Promise<(ConnectionTest | null)[]> {
    requireScope(access, 'DATASTORES_READ');
    const tests = new Map((await findTests(this.#database, access, ids)).map((test) => [test.id, test]));
    return ids.map((id) => tests.get(id) ?? null);
  }

  /** Returns what processes run, in the order of their ids, as far as the caller may see it. */
  async running(access: Access, owners: readonly string[]): Promise<ConnectionTest[][]> {
    requireScope(access, 'DATASTORES_READ');
    const found = Map.groupBy(await findRunning(this.#database, access, owners), ({ owner }) => owner);
    return owners.map((owner) => (found.get(owner) ?? []).map(({ test }) => test));
  }

  async list(
    access: Access,
    datastoreId: string,
    purposes: readonly TestPurpose[] | null,
    page: PageArguments,
  ): Promise<Page<ConnectionTest>> {
    requireScope(access, 'DATASTORES_READ');
    return listTests(this.#database, access, datastoreId, purposes, readPageArguments(page, 'NEWEST'));
  }

  /**
   * Closes the test's sockets at once. A test that has ended stays as it is; one whose process does not answer within
   * 2 s is ended without it.
   * @throws NotFoundError
   */
  async cancel(access: Access, id: string): Promise<ConnectionTest> {
    requireScope(access, 'DATASTORES_TEST');
    const [test] = await findTests(this.#database, access, [id]);
    if (!test) throw new NotFoundError([id]);
    if (hasEnded(test)) return test;
    await this.#database.change(async (change) => {
      const row = await readForChange(change, id);
      if (!row || hasEnded(testOf(row))) return;
      if (row.status === 'RUNNING') {
        await requestCancel(change, id);
        change.ring(cancelTopic);
      } else await endCancelled(change, row);
      // whoever asks once more, while it still ends, does nothing new
      if (row.cancel_requested === 0) await journalCancel(change, this.#keyring, access.actor, row);
    });
    const waiting = AbortSignal.timeout(CANCEL_WAIT_MS);
    for await (const event of this.#follow(test, 0, waiting)) {
      if (hasEnded(event.test)) return event.test;
    }
    // either nobody runs it any more, or its process is too busy to hear: that one then finds that it has lost the test
    await this.#database.change(async (change) => {
      const row = await readForChange(change, id);
      if (row && !hasEnded(testOf(row))) await endCancelled(change, row);
    });
    const [current] = await findTests(this.#database, access, [id]);
    return current ?? test;
  }

  /**
   * Yields the events after a sequence number, then the live ones, until the test ends. It waits up to 60 s for a test
   * that does not exist yet; one that the caller may not see looks just the same.
   * @throws RequestFault NOT_FOUND
   */
  progress(access: Access, id: string, after: number, signal?: AbortSignal): Polled<TestEvent> {
    return openedLate(async () => {
      requireScope(access, 'DATASTORES_READ');
      const letGo = keepEvents(id);
      try {
        const test = await this.#appear(access, id, signal);
        // a caller that has seen the end already has nothing to wait for
        const isOver = !test || (hasEnded(test) && (await readEvents(this.#database, test, after)).length === 0);
        if (!isOver) return this.#follow(test, after, signal, letGo);
        letGo();
        return undefined;
      } catch (error) {
        letGo();
        throw error;
      }
    });
  }

  #follow(test: ConnectionTest, after: number, signal?: AbortSignal, onEnd?: () => void): Polled<TestEvent> {
    return followLog({
      doorbell: this.#doorbell,
      topics: [testTopic(test.id)],
      read: (position) => this.#readOn(test, position),
      position: (event) => event.sequence,
      after,
      pageSize: READ_AT_ONCE,
      isLast: (event) => hasEnded(event.test),
      ...(signal ? { signal } : {}),
      ...(onEnd ? { onEnd } : {}),
    });
  }

  /** Reads on for all followers of a test who stand at the same place: those who ask before it begins share it. */
  #readOn(test: ConnectionTest, after: number): TestEvent[] | Promise<TestEvent[]> {
    const kept = keptEvents(test.id, after);
    if (kept) return kept.map((event) => shownEvent(test, event));
    const place = `${test.id} ${after}`;
    const known = this.#readings.get(place);
    if (known) return known;
    const begun = async () => {
      // a ring reaches all followers in one go, and by then each of them has asked
      await immediate();
      this.#readings.delete(place);
      return readEvents(this.#database, test, after);
    };
    const reading = begun();
    this.#readings.set(place, reading);
    return reading;
  }

  /** Waits for a test that may not exist yet. @returns undefined when the caller went away meanwhile */
  async #appear(access: Access, id: string, signal?: AbortSignal): Promise<ConnectionTest | undefined> {
    const births = followLog({
      doorbell: this.#doorbell,
      topics: [testTopic(id)],
      read: () => findTests(this.#database, access, [id]),
      position: () => 0,
      after: 0,
      isLast: () => true,
      timeoutMs: this.#unbornWaitMs,
      ...(signal ? { signal } : {}),
    });
    for await (const test of births) return test;
    if (signal?.aborted) return undefined;
    // the wait may have ended in the middle of a read, on a slow database even of the first one
    const [test] = await findTests(this.#database, access, [id]);
    if (!test) throw new RequestFault('NOT_FOUND', 'There is no such connection test.');
    return test;
  }

  /** Ties a passed test to what was saved after it, as a part of that change. */
  async adopt(change: Change, testId: string, saved: { readonly id: string; readonly version: number }): Promise<void> {
    await adoptTest(change, testId, saved);
    await setLastTest(change, saved.id, testId);
  }
}

async function endCancelled(change: Change, row: TestRow): Promise<void> {
  const at = change.clock.timestamp();
  await settleAbandoned(change, row, ended(testOf(row), 'CANCELLED', new Failure('CANCELLED').report, at), at);
  change.ring(testTopic(row.id));
}
