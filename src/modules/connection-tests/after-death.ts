import { type TestStanding, timeoutFailure } from '../../connectors/kit/checks/timeout.ts';
import { Failure } from '../../connectors/kit/contract/failure.ts';
import { testOf } from './shown-row.ts';
import type { TestRow } from './store.ts';
import { begunAnew, ended, type TestSnapshot, withCheck } from './test.ts';

/** The executor ends a test one second past its deadline by itself; whoever knows of one that is later ends it. */
export const OVERDUE_MS = 1_200;
/** A test whose every run broke off fails rather than being taken up for ever. */
const MOST_ATTEMPTS = 3;

/**
 * How a test goes on that nobody runs: one before a save is over with the process that its caller waits in; any other
 * is queued once more, within its deadline. `process` is the id of the one that asks.
 */
export function afterDeath(row: TestRow, at: string, process: string): TestSnapshot {
  const snapshot = testOf(row);
  if (row.cancel_requested) return ended(snapshot, 'CANCELLED', new Failure('CANCELLED').report, at);
  if (row.deadline_at <= at) return timedOut(row, at);
  if (row.attempt >= MOST_ATTEMPTS) return ended(snapshot, 'FAILED', new Failure('INTERNAL').report, at);
  if (row.purpose === 'BEFORE_SAVE' && isCallerIn(row, row.owner) && row.owner !== process)
    return ended(snapshot, 'FAILED', new Failure('INTERRUPTED').report, at);
  return begunAnew(snapshot);
}

/** Whether a save waits for a test in this process. An older version runs such a test nowhere else. */
export function isCallerIn({ caller, owner }: TestRow, process: string | null): boolean {
  return (caller ?? owner) === process;
}

function timedOut(row: TestRow, at: string): TestSnapshot {
  const snapshot = testOf(row);
  const [first] = snapshot.checks;
  if (row.status === 'RUNNING' || row.network === null || !first)
    return ended(snapshot, 'FAILED', timeoutFailure(standingOf(snapshot)).report, at);
  const failure = new Failure('NO_WORKER').report;
  const evidence = [{ name: 'network', value: row.network }];
  return ended(withCheck(snapshot, { ...first, status: 'FAILED', failure, evidence }), 'FAILED', failure, at);
}

/** How long a test may still be its owner's, in milliseconds: until its lease is over, or it is overdue. */
export function msUntilOverdue({ status, lease_expires_at: lease, deadline_at }: TestRow, now: number): number {
  if (status !== 'RUNNING') return 0;
  const overdue = Date.parse(deadline_at) + OVERDUE_MS;
  return Math.min(overdue, lease === null ? overdue : Date.parse(lease)) - now;
}

function standingOf({ checks }: TestSnapshot): TestStanding {
  const passed = checks.filter(({ status }) => status === 'PASSED' || status === 'WARNING').map(({ name }) => name);
  return { begun: checks.some(({ status }) => status !== 'PENDING'), passed };
}
