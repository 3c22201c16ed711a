import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import { DatabaseClock } from '../../platform/database/clock.ts';
import { newRecipientKey, openMessage, type RecipientKey } from '../../platform/keys/sealed-message.ts';
import {
  type CatalogTarget,
  type Lease,
  type ToldEvent as QueuedEvent,
  type QueueListener,
  RENEW_MS,
  type TestQueue,
} from '../connection-tests/queue.ts';
import type { ProcessFacts } from '../processes/process.ts';
import {
  GatewayAwayError,
  type GatewayClient,
  pause,
  TokenRefusedError,
  UnknownWorkerError,
} from './gateway-client.ts';
import { LEASE_INFO, type LeaseContent, leasePlace, type SealedLease } from './lease.ts';
import type { ToldEvent } from './told-event.ts';

const ERRORS = '... on UserError { code message }';
const TEND = `mutation ($input: TendWorkerInput!) { tendWorker(input: $input) { ${ERRORS} ... on TendWorkerSuccess { now cancelled } } }`;
const LEASE = `mutation ($input: LeaseTestsInput!) { leaseTests(input: $input) { ${ERRORS} ... on LeaseTestsSuccess { leases { testId attempt sequence sealed } } } }`;
const RECORD = `mutation ($input: RecordTestEventsInput!) { recordTestEvents(input: $input) { ${ERRORS} ... on RecordTestEventsSuccess { lost } } }`;
const CATALOG = `mutation ($input: RecordCatalogInput!) { recordCatalog(input: $input) { ${ERRORS} ... on RecordCatalogSuccess { goesOn } } }`;
const SIGNALS = 'subscription ($id: ID!) { workerSignals(workerId: $id) { cancelled } }';

/** How much of what happened one request tells, in characters: a body has 1 MiB at most. */
const MOST_TOLD = 300_000;
const MOST_EVENTS = 500;
/** How many characters of JSON a part of a catalog has before it is packed; one entry may be 1 MiB by itself. */
const MOST_ENTRIES = 1_000_000;
/** The pause before the gateway is listened to again. */
const LISTEN_AGAIN_MS = 1_000;
/** How many leases a gateway gives at once: where it gave as many, there may be more. */
const FULL = 50;

export interface GatewayQueueOptions {
  readonly client: GatewayClient;
  readonly facts: Omit<ProcessFacts, 'id' | 'kind'>;
  /** Called once when the gateway refuses the token for good. */
  readonly onRefused: (error: TokenRefusedError) => void;
}

/** The queue as a gateway gives it: it has no database, and the key to which secrets are sealed is in memory alone. */
export class GatewayQueue implements TestQueue {
  readonly owner = randomUUID();
  readonly roundMs = RENEW_MS;
  readonly clock = new DatabaseClock(() => Promise.reject(new Error('the time comes along with each beat')));
  readonly catalogs: CatalogTarget = {
    begin: async (lease) => void (await this.#catalog(lease, 'BEGIN')),
    add: (lease, entries) => this.#addEntries(lease, entries),
    finish: (lease) => this.#catalog(lease, 'FINISH'),
    discard: async (lease) => void (await this.#catalog(lease, 'DISCARD')),
  };
  readonly #options: GatewayQueueOptions;
  readonly #key: RecipientKey = newRecipientKey();
  #cancelled: readonly string[] = [];
  /** Set while the gateway may have given this worker tests that it does not know of. */
  #orphansBut: readonly string[] | undefined;
  #listener: QueueListener | undefined;
  #running: ReadonlySet<string> = new Set();
  #isRefused = false;

  constructor(options: GatewayQueueOptions) {
    this.#options = options;
  }

  get network(): string | null {
    return this.#options.facts.network;
  }

  isAway(error: unknown): boolean {
    return error instanceof GatewayAwayError;
  }

  /** Makes itself known for the first time. @throws Error when the gateway cannot be asked, or refuses */
  async register(): Promise<void> {
    await this.#tend(new Set());
  }

  /** Says that this worker stops, if the gateway can be asked. */
  async leave(): Promise<void> {
    if (this.#isRefused) return;
    await this.#tend(new Set(), true).catch((error: unknown) => {
      if (!this.isAway(error) && !(error instanceof UnknownWorkerError)) throw error;
    });
  }

  listen(listener: QueueListener): () => void {
    const ending = new AbortController();
    this.#listener = listener;
    void this.#follow(listener, ending.signal);
    return () => ending.abort();
  }

  async claim(limit: number): Promise<readonly Lease[]> {
    const running = this.#orphansBut;
    const input = { workerId: this.owner, limit, ...(running ? { testIds: running } : {}) };
    const { leases } = await this.#ask<{ leases: SealedLease[] }>(LEASE, input);
    this.#orphansBut = undefined;
    const opened = leases.map((lease) => this.#open(lease));
    if (leases.length === FULL) this.#listener?.queued();
    return opened;
  }

  async settleOrphans(running: ReadonlySet<string>): Promise<void> {
    this.#orphansBut = [...running];
  }

  async write(events: readonly QueuedEvent[]): Promise<ReadonlySet<string>> {
    const lost = new Set<string>();
    for (const part of inParts(events.map(toldOf))) for (const id of await this.#record(part)) lost.add(id);
    return lost;
  }

  async tend(running: ReadonlySet<string>): Promise<void> {
    this.#running = running;
    await this.#tend(running);
  }

  async cancelRequests(): Promise<readonly string[]> {
    return this.#cancelled;
  }

  /** Gateways look after what dead workers left behind. */
  async settleAbandoned(): Promise<number> {
    return Number.POSITIVE_INFINITY;
  }

  async tidy(): Promise<void> {
    return undefined;
  }

  async #tend(running: ReadonlySet<string>, stops = false): Promise<void> {
    const { facts } = this.#options;
    const { publicKey } = this.#key;
    const input = { ...facts, id: this.owner, publicKey, testIds: [...running], ...(stops ? { stops } : {}) };
    await this.clock.measureBy(async () => {
      const { now, cancelled } = await this.#asked<{ now: string; cancelled: string[] }>(TEND, input);
      this.#cancelled = cancelled;
      return Date.parse(now);
    });
  }

  /** A gateway that does not know this worker has lost its database, or got another one: it is told anew. */
  async #ask<Result>(query: string, input: object): Promise<Result> {
    try {
      return await this.#asked<Result>(query, input);
    } catch (error) {
      if (!(error instanceof UnknownWorkerError)) throw error;
      await this.#tend(this.#running);
      return await this.#asked<Result>(query, input);
    }
  }

  async #asked<Result>(query: string, input: object): Promise<Result> {
    try {
      return await this.#options.client.ask<Result>(query, input);
    } catch (error) {
      this.#noteRefusal(error);
      throw error;
    }
  }

  #noteRefusal(error: unknown): void {
    if (this.#isRefused || !(error instanceof TokenRefusedError)) return;
    this.#isRefused = true;
    this.#options.onRefused(error);
  }

  /** Listens again and again; the first signal of each time makes up for what was missed. */
  async #follow({ queued, cancelling }: QueueListener, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#isRefused) {
      try {
        const signals = this.#options.client.follow<{ cancelled: string[] }>(SIGNALS, { id: this.owner }, signal);
        for await (const { cancelled } of signals) {
          this.#cancelled = cancelled;
          if (cancelled.length > 0) cancelling();
          queued();
        }
      } catch (error) {
        this.#noteRefusal(error);
        // that it is away has been told, and one that does not know this worker learns of it by the next beat
      }
      await pause(LISTEN_AGAIN_MS, signal);
    }
  }

  #open(lease: SealedLease): Lease {
    const { attempt, sequence, sealed } = lease;
    const place = leasePlace(this.owner, lease);
    const content = JSON.parse(openMessage(this.#key, LEASE_INFO, place, sealed).toString()) as LeaseContent;
    const { test, deadlineAt, traceparent, job } = content;
    return {
      ...{ test, attempt, sequence, hasBegun: false, deadlineAt, traceparent, isSavedHere: false },
      job: async () => ({ ...job, timeoutMs: Date.parse(deadlineAt) - this.clock.now() }),
      handBack: async (last) => {
        const at = this.clock.timestamp();
        await this.#record([{ testId: test.id, attempt, sequence: last + 1, at, kind: 'HANDED_BACK' }]);
      },
    };
  }

  async #record(events: readonly ToldEvent[]): Promise<readonly string[]> {
    return (await this.#ask<{ lost: string[] }>(RECORD, { workerId: this.owner, events })).lost;
  }

  async #addEntries(lease: Lease, entries: readonly CatalogEntry[]): Promise<boolean> {
    for (const part of inPieces(entries, MOST_ENTRIES, entries.length)) {
      const packed = gzipSync(JSON.stringify(part)).toString('base64');
      if (!(await this.#catalog(lease, 'ADD', packed))) return false;
    }
    return true;
  }

  async #catalog({ test, attempt }: Lease, step: string, entries?: string): Promise<boolean> {
    const input = { workerId: this.owner, testId: test.id, attempt, step, ...(entries ? { entries } : {}) };
    return (await this.#ask<{ goesOn: boolean }>(CATALOG, input)).goesOn;
  }
}

/** Parts a list so that none has more elements, or much more JSON, than a request takes. */
function* inPieces<T>(list: readonly T[], mostCharacters: number, mostElements: number): Generator<T[]> {
  let [part, length]: [T[], number] = [[], 0];
  for (const one of list) {
    const size = JSON.stringify(one).length;
    if (part.length > 0 && (length + size > mostCharacters || part.length >= mostElements)) {
      yield part;
      [part, length] = [[], 0];
    }
    part.push(one);
    length += size;
  }
  if (part.length > 0) yield part;
}

function inParts(events: readonly ToldEvent[]): Generator<ToldEvent[]> {
  return inPieces(events, MOST_TOLD, MOST_EVENTS);
}

function toldOf({ lease, fact, event: { sequence, at } }: QueuedEvent): ToldEvent {
  const told = { testId: lease.test.id, attempt: lease.attempt, sequence, at };
  switch (fact.kind) {
    case 'begun':
      return { ...told, kind: 'BEGUN' };
    case 'restarted':
      return { ...told, kind: 'RESTARTED' };
    case 'started':
      return { ...told, kind: 'CHECK_STARTED', check: fact.name };
    case 'ended': {
      const { name: check, status, durationMs, evidence, failure } = fact;
      return { ...told, kind: 'CHECK_ENDED', check, status, durationMs, evidence, failure: failureOf(failure) };
    }
    case 'over':
      return { ...told, kind: 'ENDED', status: fact.status, failure: failureOf(fact.failure) };
  }
}

function failureOf(failure: NonNullable<ToldEvent['failure']> | null): ToldEvent['failure'] {
  return failure && { code: failure.code, hint: failure.hint ?? null, configPath: failure.configPath ?? null };
}
