import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { TestJob } from '../../executor/executor.ts';
import type { TestFact } from './facts.ts';
import type { ConnectionTest, StoredEvent, TestSnapshot } from './test.ts';

/** How long a process that says nothing keeps its tests. */
export const LEASE_MS = 15_000;
/** How often leases are renewed: a lease outlives two renewals that fail. */
export const RENEW_MS = 5_000;

/** A test that this process has taken. */
export interface Lease {
  readonly test: ConnectionTest;
  /** How often a process has taken it: of two leases by the same process the later one counts. */
  readonly attempt: number;
  /** The number of its last event. */
  readonly sequence: number;
  /** Whether that is the one that it runs; otherwise whoever runs it tells of that first. */
  readonly hasBegun: boolean;
  readonly deadlineAt: string;
  /** The trace of whoever asked for it, as a header has it; null where there is none. */
  readonly traceparent: string | null;
  /** Whether a save waits for it in this process. */
  readonly isSavedHere: boolean;
  /** What runs it, secrets in place. @throws UnsealError */
  job(): Promise<TestJob>;
  /** Lets somebody else go on with it, after the event of this number. */
  handBack(sequence: number, queued: TestSnapshot): Promise<void>;
}

/** An event on its way to the log: what is told, and what that makes of the test. */
export interface ToldEvent {
  readonly lease: Lease;
  readonly fact: TestFact;
  readonly event: StoredEvent;
}

/** Where the entries of a catalog are put while a test reads them. The old catalog stays until the new one is whole. */
export interface CatalogTarget {
  /** Forgets what an earlier attempt of the same test has put in. */
  begin(lease: Lease): Promise<void>;
  /** Stores entries. @returns false when the datastore is gone, so that there is nothing to read for any more */
  add(lease: Lease, entries: readonly CatalogEntry[]): Promise<boolean>;
  /** Puts the new catalog in the place of the old one. @returns false when the datastore is gone */
  finish(lease: Lease): Promise<boolean>;
  /** Forgets what the test has read. */
  discard(lease: Lease): Promise<void>;
}

/** Told of what a process should look at. Neither may throw. */
export interface QueueListener {
  /** There may be something to claim. */
  queued(): void;
  /** There may be new cancelRequests(). */
  cancelling(): void;
}

/**
 * Where a process takes its tests, and where it tells what becomes of them: the database, or a gateway before it. What
 * it cannot do while that is away rejects with an error of which `isAway` says so, and can be tried again.
 */
export interface TestQueue {
  /** Names this process as the owner of what it runs. */
  readonly owner: string;
  /** The network whose tests alone it takes; null: those of none. */
  readonly network: string | null;
  /** Times by the database's clock. */
  readonly clock: { now(): number; timestamp(inMs?: number): string };
  readonly catalogs: CatalogTarget;
  /** How often it is looked after what a ring may have missed, in milliseconds. */
  readonly roundMs: number;
  isAway(error: unknown): boolean;
  /** Listens until the returned function is called. */
  listen(listener: QueueListener): () => void;
  claim(limit: number): Promise<readonly Lease[]>;
  /** Gives back what this process has taken and does not run, as when the answer to a claim was lost. */
  settleOrphans(running: ReadonlySet<string>): Promise<void>;
  /** Writes events in their order. @returns the ids of the tests that this process no longer owns */
  write(events: readonly ToldEvent[]): Promise<ReadonlySet<string>>;
  /** Keeps what runs here for this process. Called in every round. */
  tend(running: ReadonlySet<string>): Promise<void>;
  /** Returns the ids of tests that run here and that somebody wants cancelled. */
  cancelRequests(): Promise<readonly string[]>;
  /** Looks after what dead processes left behind. @returns in how many milliseconds there may be more */
  settleAbandoned(running: ReadonlySet<string>): Promise<number>;
  /** Removes some of what nobody needs any more. */
  tidy(): Promise<void>;
}
