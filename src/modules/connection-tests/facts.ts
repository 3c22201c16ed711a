import type { FailureReport } from '../../connectors/kit/contract/failure.ts';
import type { CheckEvent } from '../../executor/executor.ts';
import { begunAnew, type CheckResult, ended, type StoredEvent, type TestSnapshot, withCheck } from './test.ts';

/** What the process that runs a test tells of it: what an event says, without the test as it then is. */
export type TestFact =
  | { readonly kind: 'begun' }
  | CheckEvent
  | {
      readonly kind: 'over';
      readonly status: 'PASSED' | 'FAILED' | 'CANCELLED';
      readonly failure: FailureReport | null;
    };

/** An event without its number. */
export type Telling = Pick<StoredEvent, 'at' | 'checkName' | 'snapshot'>;

/** What a fact makes of a test at a moment; undefined where it is about a check that the test does not have. */
export function tellingOf(snapshot: TestSnapshot, fact: TestFact, at: string): Telling | undefined {
  switch (fact.kind) {
    case 'begun':
      return about(null, { ...snapshot, status: 'RUNNING' }, at);
    case 'restarted':
      return about(null, { ...begunAnew(snapshot), status: 'RUNNING', startedAt: snapshot.startedAt }, at);
    case 'over':
      return about(null, ended(snapshot, fact.status, fact.failure, at), at);
    default: {
      const check = snapshot.checks.find(({ name }) => name === fact.name);
      return check && about(fact.name, withCheck(snapshot, checkAfter(check, fact)), at);
    }
  }
}

/** Whether a fact can follow on what is known of a test. Who runs it for us need not be believed. */
export function isDue({ checks, finishedAt }: TestSnapshot, fact: TestFact): boolean {
  if (finishedAt !== null) return false;
  const next = checks.find(({ status }) => status === 'PENDING' || status === 'RUNNING');
  const hasFailed = checks.some(({ status }) => status === 'FAILED');
  switch (fact.kind) {
    case 'started':
      return !hasFailed && next?.name === fact.name && next.status === 'PENDING';
    case 'ended':
      return (
        next?.name === fact.name && next.status === 'RUNNING' && (fact.status === 'FAILED') === (fact.failure !== null)
      );
    case 'over':
      return fact.status === 'PASSED'
        ? next === undefined && !hasFailed && fact.failure === null
        : fact.failure !== null;
    default:
      return true;
  }
}

/** Processes measure the database's clock each for itself, and differ by what that takes. */
function about(checkName: string | null, snapshot: TestSnapshot, now: string): Telling {
  const { status, attempt, checks, failure, startedAt, finishedAt, durationMs } = snapshot;
  const at = startedAt !== null && now < startedAt ? startedAt : now;
  return { at, checkName, snapshot: { status, attempt, checks, failure, startedAt, finishedAt, durationMs } };
}

function checkAfter(check: CheckResult, fact: Extract<CheckEvent, { name: string }>): CheckResult {
  if (fact.kind === 'started') return { ...check, status: 'RUNNING' };
  const { status, durationMs, evidence, failure } = fact;
  return { ...check, status, durationMs, evidence, failure };
}
