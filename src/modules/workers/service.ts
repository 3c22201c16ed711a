import { RequestFault } from '../../errors/api.ts';
import type { Given } from '../../errors/field-issues.ts';
import { UnsealError } from '../../platform/keys/sealed-box.ts';
import { sealMessage } from '../../platform/keys/sealed-message.ts';
import { followLog } from '../../platform/streams/follow-log.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import {
  cancelTopic,
  DatabaseQueue,
  type DatabaseQueueOptions,
  ownTypes,
  queueTopic,
} from '../connection-tests/database-queue.ts';
import type { Lease } from '../connection-tests/queue.ts';
import type { ProcessFacts, RemoteProcess } from '../processes/process.ts';
import type { ProcessService } from '../processes/service.ts';
import { LEASE_INFO, type LeaseContent, leasePlace, type SealedLease } from './lease.ts';
import { entriesOf, factOf, type ToldEvent } from './told-event.ts';

/** How many tests one call takes: what is sealed of each may be 1 MiB. */
export const MOST_LEASES = 50;
const SECRETS_UNREADABLE = { code: 'SECRETS_UNREADABLE' } as const;

export interface WorkerServiceOptions extends DatabaseQueueOptions {
  readonly processes: ProcessService;
  readonly logger: Logger;
}

/** What a worker says of itself. */
export interface WorkerBeat extends Given, Omit<ProcessFacts, 'kind'> {
  readonly publicKey: string;
  /** The tests that it runs. */
  readonly testIds: readonly string[];
  /** True for the last one. */
  readonly stops?: boolean | null | undefined;
}

export interface WorkerTended {
  readonly now: string;
  readonly cancelled: readonly string[];
}

export interface CatalogStep extends Given {
  readonly workerId: string;
  readonly testId: string;
  readonly attempt: number;
  readonly step: 'BEGIN' | 'ADD' | 'FINISH' | 'DISCARD';
  readonly entries?: string | null | undefined;
}

/** Rung for a worker: there may be tests to take. */
export interface WorkerSignal {
  readonly cancelled: readonly string[];
}

/**
 * Lets workers take tests without the database: by the same queue as those that have it, in the environments of their
 * token, and never those that a gateway alone can run. What a test needs is sealed to the worker that takes it.
 */
export class WorkerService {
  readonly #options: WorkerServiceOptions;

  constructor(options: WorkerServiceOptions) {
    this.#options = options;
  }

  /** Notes that a worker lives, and keeps what it runs for it. @throws RequestFault FORBIDDEN, NotFoundError */
  async tend(access: Access, { publicKey, testIds, stops, path: _path, ...facts }: WorkerBeat): Promise<WorkerTended> {
    requireScope(access, 'TESTS_RUN');
    const { processes, database, logger } = this.#options;
    const now = () => database.clock.timestamp();
    if (stops) {
      await processes.remove(access, facts.id);
      return { now: now(), cancelled: [] };
    }
    const isNew = await processes.beat(access, { kind: 'REMOTE_WORKER', ...facts }, testIds.length, publicKey);
    if (isNew) {
      const { id: workerId, host, network, version } = facts;
      logger.info({ workerId, host, network, version, by: access.actor.name }, 'a worker asks this gateway for tests');
    }
    const queue = this.#queueOf(facts, access);
    await queue.tend(new Set(testIds));
    return { now: now(), cancelled: testIds.length > 0 ? await queue.cancelRequests() : [] };
  }

  /**
   * Takes up to 50 queued tests for a worker. `testIds` says which tests it runs, where it may have been given others
   * that it does not know of: these it is given again, or they are queued anew where they had begun.
   * @throws RequestFault FORBIDDEN, NotFoundError
   */
  async lease(
    access: Access,
    workerId: string,
    limit: number,
    testIds: readonly string[] | null,
  ): Promise<SealedLease[]> {
    const worker = await this.#find(access, workerId);
    const queue = this.#queueOf(worker, access);
    const again = testIds ? await queue.claimAgain(new Set(testIds)) : [];
    const free = Math.min(limit, MOST_LEASES) - again.length;
    const leases = free > 0 ? [...again, ...(await queue.claimFor(free))] : again;
    const sealed = await Promise.all(leases.map((lease) => this.#seal(worker, queue, lease)));
    return sealed.flatMap((one) => one ?? []);
  }

  /**
   * Writes what happened to tests of a worker.
   * @returns the ids of those that are not its own any more, or of which it told what cannot be
   * @throws RequestFault FORBIDDEN, NotFoundError, ValidationError
   */
  async record(
    access: Access,
    workerId: string,
    events: readonly ToldEvent[],
    path: readonly string[],
  ): Promise<readonly string[]> {
    const queue = this.#queueOf(await this.#find(access, workerId), access);
    const told = events.map((event, at) => factOf(event, [...path, String(at)]));
    const { lost, refused } = await queue.writeTold(told);
    if (refused.length > 0)
      this.#options.logger.warn({ workerId, testIds: refused }, 'a worker has told of tests what cannot be');
    return [...lost, ...refused];
  }

  /**
   * Takes a part of a catalog that a worker reads.
   * @returns false when there is nothing to read for any more: the datastore is gone, or another one has the test
   * @throws RequestFault FORBIDDEN, NotFoundError, ValidationError
   */
  async catalog(
    access: Access,
    { workerId, testId, attempt, step, entries, path = [] }: CatalogStep,
  ): Promise<boolean> {
    const queue = this.#queueOf(await this.#find(access, workerId), access);
    const lease = await queue.held(testId, attempt);
    if (lease?.test.purpose !== 'CATALOG') return false;
    const { catalogs } = queue;
    switch (step) {
      case 'BEGIN':
        await catalogs.begin(lease);
        return true;
      case 'ADD':
        return catalogs.add(lease, entriesOf(entries ?? '', [...path, 'entries']));
      case 'FINISH':
        return catalogs.finish(lease);
      case 'DISCARD':
        await catalogs.discard(lease);
        return true;
    }
  }

  /**
   * Signals at once, and whenever there may be something new for a worker.
   * @throws RequestFault FORBIDDEN, NOT_FOUND
   */
  async *signals(access: Access, workerId: string, signal: AbortSignal): AsyncGenerator<WorkerSignal> {
    requireScope(access, 'TESTS_RUN');
    const worker = await this.#options.processes.findRemote(access, workerId).catch(() => undefined);
    if (!worker) throw new RequestFault('NOT_FOUND', 'There is no such worker of this token: let it beat first.');
    const queue = this.#queueOf(worker, access);
    yield* followLog({
      doorbell: this.#options.doorbell,
      topics: [queueTopic, cancelTopic],
      read: async () => [{ cancelled: await queue.cancelRequests() }],
      position: () => 0,
      after: 0,
      // one at a time, and then the next ring is waited for
      pageSize: 2,
      signal,
    });
  }

  #find(access: Access, workerId: string): Promise<RemoteProcess> {
    requireScope(access, 'TESTS_RUN');
    return this.#options.processes.findRemote(access, workerId);
  }

  #queueOf({ id, network }: Pick<RemoteProcess, 'id' | 'network'>, access: Access): DatabaseQueue {
    return new DatabaseQueue(this.#options, { owner: id, network, types: { allBut: ownTypes }, access });
  }

  /** Seals what a test needs to a worker; undefined for one whose secrets do not open, which then has ended. */
  async #seal(worker: RemoteProcess, queue: DatabaseQueue, lease: Lease): Promise<SealedLease | undefined> {
    const { test, attempt, sequence, deadlineAt, traceparent } = lease;
    const named = { testId: test.id, attempt, sequence };
    try {
      const { timeoutMs: _left, ...job } = await lease.job();
      const content = JSON.stringify({ test, deadlineAt, traceparent, job } satisfies LeaseContent);
      const place = leasePlace(worker.id, named);
      return { ...named, sealed: sealMessage(worker.publicKey, LEASE_INFO, place, Buffer.from(content)) };
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      this.#options.logger.error({ err: error, testId: test.id }, 'a connection test could not be given to a worker');
      const ended = { ...named, at: deadlineAt, status: 'FAILED', failure: SECRETS_UNREADABLE } as const;
      const events = [{ ...ended, kind: 'BEGUN' } as const, { ...ended, kind: 'ENDED' } as const];
      await queue.writeTold(events.map((event, at) => factOf({ ...event, sequence: sequence + at + 1 }, [])));
      return undefined;
    }
  }
}
