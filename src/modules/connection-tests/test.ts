import { createHash } from 'node:crypto';
import type { FailureReport } from '../../connectors/kit/contract/failure.ts';
import type { SecretOwner } from '../../platform/keys/sealer.ts';

/** The statuses of a test that has not ended. */
export const running = ['QUEUED', 'RUNNING'] as const;

export type TestStatus = 'QUEUED' | 'RUNNING' | 'PASSED' | 'FAILED' | 'CANCELLED';

export type CheckStatus = 'PENDING' | 'RUNNING' | 'PASSED' | 'WARNING' | 'FAILED' | 'SKIPPED';

export type TestPurpose = 'REQUESTED' | 'BEFORE_SAVE' | 'HEALTH' | 'CATALOG';

/** One check of a test, as it is at a moment. */
export interface CheckResult {
  readonly id: string;
  readonly name: string;
  readonly status: CheckStatus;
  readonly durationMs: number | null;
  readonly evidence: readonly { readonly name: string; readonly value: string }[];
  readonly failure: FailureReport | null;
}

/** What changes while a test runs: the part that each event keeps. */
export interface TestSnapshot {
  readonly status: TestStatus;
  /** From 1 on: which attempt it is in, or waits for. */
  readonly attempt: number;
  readonly checks: readonly CheckResult[];
  readonly failure: FailureReport | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly durationMs: number | null;
}

/** A connection test, as it is at a moment. */
export interface ConnectionTest extends TestSnapshot {
  readonly id: string;
  readonly type: string;
  readonly purpose: TestPurpose;
  readonly datastoreId: string | null;
  readonly datastoreVersion: number | null;
  readonly environmentId: string;
  readonly requestedBy: string;
  readonly requestedOnBehalfOf: string | null;
  readonly createdAt: string;
}

/** One event, as it is stored. */
export interface StoredEvent {
  readonly sequence: number;
  readonly at: string;
  /** The check that it is about; null when it is about the test itself. */
  readonly checkName: string | null;
  readonly snapshot: TestSnapshot;
}

/** One entry of a test's log. */
export interface TestEvent {
  readonly sequence: number;
  readonly at: string;
  readonly test: ConnectionTest;
  /** Null when the event is about the test itself. */
  readonly check: CheckResult | null;
}

export function hasEnded(test: Pick<TestSnapshot, 'status'>): boolean {
  return !(running as readonly TestStatus[]).includes(test.status);
}

/** The part of a test that each event keeps. */
export function snapshotOf(test: TestSnapshot): TestSnapshot {
  const { status, attempt, checks, failure, startedAt, finishedAt, durationMs } = test;
  return { status, attempt, checks, failure, startedAt, finishedAt, durationMs };
}

/** Makes the snapshot of a test of which nothing ran yet. */
export function unstarted(checks: readonly Pick<CheckResult, 'id' | 'name'>[], attempt = 1): TestSnapshot {
  return {
    status: 'QUEUED',
    attempt,
    checks: checks.map(({ id, name }) => ({
      id,
      name,
      status: 'PENDING',
      durationMs: null,
      evidence: [],
      failure: null,
    })),
    failure: null,
    startedAt: null,
    finishedAt: null,
    durationMs: null,
  };
}

/** Makes the snapshot of a test that is to run once more, for what ran it is gone. */
export function begunAnew({ checks, attempt }: TestSnapshot): TestSnapshot {
  return unstarted(checks, attempt + 1);
}

/** Ends a test: what had not run is SKIPPED, and what was running failed for the same reason as the test. */
export function ended(
  snapshot: TestSnapshot,
  status: 'PASSED' | 'FAILED' | 'CANCELLED',
  failure: FailureReport | null,
  at: string,
): TestSnapshot {
  const checks = snapshot.checks.map((check): CheckResult => {
    if (check.status === 'PENDING') return { ...check, status: 'SKIPPED' };
    return check.status === 'RUNNING' ? { ...check, status: 'FAILED', failure } : check;
  });
  const { startedAt } = snapshot;
  // processes measure the database's clock each for itself, and differ by what that takes
  const finishedAt = startedAt !== null && at < startedAt ? startedAt : at;
  const durationMs = startedAt ? Date.parse(finishedAt) - Date.parse(startedAt) : null;
  return { ...snapshot, status, checks, failure, finishedAt, durationMs };
}

/** Replaces one check of a snapshot. */
export function withCheck(snapshot: TestSnapshot, check: CheckResult): TestSnapshot {
  return { ...snapshot, checks: snapshot.checks.map((known) => (known.name === check.name ? check : known)) };
}

/** The path under which all secrets of a test are sealed together. */
export const draftPath = 'draft';

/** Says whose secrets a test's are: they open beside its type and its config alone, as these are stored. */
export function secretOwner(
  row: { readonly id: string; readonly environment_id: string; readonly type: string },
  config: string,
): SecretOwner {
  const boundTo = createHash('sha256')
    .update(JSON.stringify([row.type, config]))
    .digest('base64url');
  return { environmentId: row.environment_id, kind: 'test', id: row.id, boundTo };
}
