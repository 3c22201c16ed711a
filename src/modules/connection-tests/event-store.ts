import type { Selectable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../platform/database/prepared-statements.ts';
import type { TestEventsTable } from '../../platform/database/tables.ts';
import { unfoldEvents } from './event-log.ts';
import { sharedEvent } from './followed-events.ts';
import { testOf } from './shown-row.ts';
import { type ConnectionTest, type StoredEvent, snapshotOf, type TestEvent, type TestSnapshot } from './test.ts';

/** How many events one statement reads: fewer mean that there are no more for now. */
export const READ_AT_ONCE = 200;

interface Position {
  readonly testId: string;
  readonly after: number;
}
const eventsAfter = new PreparedStatements<Position>();

/** Reads the log of a test after a sequence number. Each event has the test as it was then. */
export async function readEvents(database: Database, test: ConnectionTest, after: number): Promise<TestEvent[]> {
  // one statement, so that a log which is folded meanwhile is seen in one form or the other
  const select = (place: PlaceOf<Position>) =>
    database.query
      .selectFrom('connection_tests')
      .leftJoin('test_events', (join) =>
        join.onRef('test_events.test_id', '=', 'connection_tests.id').on(
          'test_events.sequence',
          '>',
          place((position) => position.after),
        ),
      )
      .select(['event_log', 'test_events.sequence', 'at', 'check_name', 'snapshot'])
      .where(
        'connection_tests.id',
        '=',
        place((position) => position.testId),
      )
      .orderBy('test_events.sequence')
      .limit(READ_AT_ONCE);
  const { rows } = await eventsAfter.run(database, '', select, { testId: test.id, after });
  const isFolded = rows.some((row) => row.event_log !== null);
  const events = isFolded ? await readFolded(database, test.id, after) : rows.flatMap((row) => eventIn(row) ?? []);
  return events.map((event) => shownEvent(test, event));
}

/** An event as the API shows it. */
export function shownEvent(test: ConnectionTest, event: StoredEvent): TestEvent {
  return sharedEvent(test.id, event, () => {
    const { sequence, at, checkName, snapshot } = event;
    const check = snapshot.checks.find(({ name }) => name === checkName) ?? null;
    return { sequence, at, test: { ...test, ...snapshot }, check };
  });
}

async function readFolded({ query }: Database, testId: string, after: number): Promise<StoredEvent[]> {
  const row = await query
    .selectFrom('connection_tests')
    .selectAll()
    .where('id', '=', testId)
    .where('sequence', '>', after)
    .executeTakeFirst();
  if (!row?.event_log) return [];
  return unfoldEvents(row.event_log, testOf(row)).filter(({ sequence }) => sequence > after);
}

/** A test that has ended and whose events are rows still. */
export interface Unfolded {
  readonly test: ConnectionTest;
  readonly events: readonly StoredEvent[];
}

/** Reads some tests that had ended before a moment and whose events are rows still, those that ended first. */
export async function findUnfolded({ query }: Database, endedBefore: string, limit: number): Promise<Unfolded[]> {
  const tests = await query
    .selectFrom('connection_tests')
    .selectAll()
    .where('event_log', 'is', null)
    .where('finished_at', '<', endedBefore)
    .orderBy('finished_at')
    .limit(limit)
    .execute();
  if (tests.length === 0) return [];
  const ids = tests.map(({ id }) => id);
  const rows = await query
    .selectFrom('test_events')
    .selectAll()
    .where(isOneOf('test_events.test_id', ids))
    .orderBy('test_id')
    .orderBy('sequence')
    .execute();
  const events = Map.groupBy(rows, (row) => row.test_id);
  return tests.map((row) => ({ test: testOf(row), events: (events.get(row.id) ?? []).map(eventOf) }));
}

/** Puts a log into the place of a test's events, unless another process has done so. */
export async function storeFolded(change: Change, testId: string, log: string): Promise<void> {
  const { numUpdatedRows } = await change.query
    .updateTable('connection_tests')
    .set({ event_log: log })
    .where('id', '=', testId)
    .where('event_log', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows > 0n) await change.query.deleteFrom('test_events').where('test_id', '=', testId).execute();
}

type EventRow = Pick<Selectable<TestEventsTable>, 'sequence' | 'at' | 'check_name' | 'snapshot'>;

/** Reads what a left join has found; null where that is nothing. */
function eventIn(row: { readonly [Column in keyof EventRow]: EventRow[Column] | null }): StoredEvent | null {
  const { sequence, at, check_name, snapshot } = row;
  if (sequence === null || at === null || snapshot === null) return null;
  return eventOf({ sequence, at, check_name, snapshot });
}

function eventOf({ sequence, at, check_name: checkName, snapshot }: EventRow): StoredEvent {
  // an older version has told of no attempts
  const stored: TestSnapshot = { attempt: 1, ...JSON.parse(snapshot) };
  return { sequence, at, checkName, snapshot: snapshotOf(stored) };
}
