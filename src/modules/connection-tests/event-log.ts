import { type CheckResult, type CheckStatus, type StoredEvent, snapshotOf, type TestSnapshot } from './test.ts';

/** The test that a log is of, once it has ended. */
export interface EndedTest extends TestSnapshot {
  readonly createdAt: string;
}

/**
 * What was otherwise in one event than in the one after it. A check is named by its place; a status alone stands for a
 * check of that status that has found nothing yet.
 */
interface Undo extends Partial<Omit<TestSnapshot, 'checks'>> {
  readonly checks?: Readonly<Record<number, CheckStatus | CheckResult>> | readonly CheckResult[];
}

/** A sequence, the milliseconds since the test was asked for, the place of the check, and what to undo. */
type Step = readonly [sequence: number, at: number, check: number | null, undo?: Undo];

const ABOUT_THE_TEST = ['status', 'attempt', 'failure', 'startedAt', 'finishedAt', 'durationMs'] as const;

/**
 * Writes the events of a test that has ended into one text, a twentieth of what they take: each says what was otherwise
 * before the next one, from the end back, which the test itself tells.
 */
export function foldEvents(events: readonly StoredEvent[], test: EndedTest): string {
  const created = Date.parse(test.createdAt);
  const steps = events.map(({ sequence, at, checkName, snapshot }, index): Step => {
    const undo = undoOf(snapshot, events[index + 1]?.snapshot ?? test);
    const check = checkName === null ? null : snapshot.checks.findIndex(({ name }) => name === checkName);
    const step = [sequence, Date.parse(at) - created, check] as const;
    return Object.keys(undo).length > 0 ? [...step, undo] : step;
  });
  return JSON.stringify(steps);
}

/** Reads the events that foldEvents() has written. */
export function unfoldEvents(log: string, test: EndedTest): StoredEvent[] {
  const created = Date.parse(test.createdAt);
  let snapshot: TestSnapshot = snapshotOf(test);
  const backwards = (JSON.parse(log) as Step[]).reverse().map(([sequence, at, check, undo = {}]): StoredEvent => {
    snapshot = { ...snapshot, ...undo, checks: undone(snapshot.checks, undo.checks) };
    const checkName = check === null ? null : (snapshot.checks[check]?.name ?? null);
    return { sequence, at: new Date(created + at).toISOString(), checkName, snapshot };
  });
  return backwards.reverse();
}

function undoOf(before: TestSnapshot, after: TestSnapshot): Undo {
  const changed = ABOUT_THE_TEST.filter((key) => !isSame(before[key], after[key])).map((key) => [key, before[key]]);
  const isOtherList = !isSame(before.checks.map(identityOf), after.checks.map(identityOf));
  const checks = isOtherList ? before.checks : undoneChecks(before.checks, after.checks);
  return { ...Object.fromEntries(changed), ...(Object.keys(checks).length > 0 ? { checks } : {}) };
}

function undoneChecks(before: readonly CheckResult[], after: readonly CheckResult[]) {
  const changed = [...before.entries()].filter(([place, check]) => !isSame(check, after[place]));
  return Object.fromEntries(
    changed.map(([place, check]) => [place, isSame(check, withoutResult(check)) ? check.status : check]),
  );
}

function undone(after: readonly CheckResult[], undo: Undo['checks'] = {}): readonly CheckResult[] {
  if (Array.isArray(undo)) return undo;
  const changes = undo as Readonly<Record<number, CheckStatus | CheckResult>>;
  return after.map((check, place) => {
    const before = changes[place] ?? check;
    return typeof before === 'string' ? { ...withoutResult(check), status: before } : before;
  });
}

function identityOf({ id, name }: CheckResult): readonly string[] {
  return [id, name];
}

function withoutResult(check: CheckResult): CheckResult {
  return { ...check, durationMs: null, evidence: [], failure: null };
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
