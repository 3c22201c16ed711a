import type { Change } from '../../platform/database/database.ts';
import { isDue, type TestFact, tellingOf } from './facts.ts';
import { testOf } from './shown-row.ts';
import { handBack, readForChange, writeEvents } from './store.ts';
import { begunAnew, type StoredEvent, snapshotOf, type TestSnapshot } from './test.ts';

/** What a process tells by a gateway of a test that it has taken, with the number of the event that it makes. */
export interface ToldFact {
  readonly testId: string;
  /** That of the process's lease. */
  readonly attempt: number;
  readonly sequence: number;
  /** When it happened, by the database's clock as the process counts it. */
  readonly at: string;
  /** `handedBack` is the last one: somebody else goes on. */
  readonly fact: TestFact | { readonly kind: 'handedBack' };
}

/** No test has as many events: some ten checks begin and end, nine times at most. */
const MOST_EVENTS = 1_000;

/** `lost`: the process does not own the test. `refused`: it does, and tells what cannot be. */
export type TellingResult = 'written' | 'lost' | 'refused';

/**
 * Writes what a process tells of one test, in order. Events that are there already, since the answer to an earlier try
 * was lost, are not written twice.
 */
export async function writeTold(change: Change, owner: string, told: readonly ToldFact[]): Promise<TellingResult> {
  const [first] = told;
  if (!first) return 'written';
  const { testId, attempt } = first;
  const row = await readForChange(change, testId);
  if (!row || row.owner !== owner || row.attempt !== attempt) return 'lost';
  const fresh = told.filter(({ sequence }) => sequence > row.sequence);
  if (fresh.length === 0) return 'written';
  if (row.status !== 'RUNNING') return 'lost';
  const events: StoredEvent[] = [];
  let snapshot: TestSnapshot = snapshotOf(testOf(row));
  for (const { fact, sequence, at } of fresh) {
    if (sequence !== row.sequence + events.length + 1 || sequence > MOST_EVENTS) return 'refused';
    if (fact.kind === 'handedBack') break;
    const now = change.clock.timestamp();
    const telling = isDue(snapshot, fact) ? tellingOf(snapshot, fact, at < now ? at : now) : undefined;
    if (!telling) return 'refused';
    events.push({ sequence, ...telling });
    snapshot = telling.snapshot;
  }
  if (!(await writeEvents(change, { testId, owner, attempt }, events))) return 'lost';
  if (events.length === fresh.length) return 'written';
  const current = { ...row, sequence: row.sequence + events.length };
  const isBack = await handBack(change, current, begunAnew(snapshot), change.clock.timestamp());
  return isBack ? 'written' : 'lost';
}
