import { type Expression, expressionBuilder, type Insertable, type Selectable, type SqlBool } from 'kysely';
import { type PublicConfig, serializeConfig } from '../../connectors/kit/config/shape.ts';
import { type Change, type Database, isOneOf, isOneOfMany } from '../../platform/database/database.ts';
import {
  type PlaceOf,
  PreparedStatements,
  placesOf,
  placesOfAll,
} from '../../platform/database/prepared-statements.ts';
import type { ConnectionTestsTable, Tables, TestEventsTable } from '../../platform/database/tables.ts';
import type { WrappedKey } from '../../platform/keys/sealer.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';
import { eventStored } from './followed-events.ts';
import { shownColumns, testOf } from './shown-row.ts';
import {
  type ConnectionTest,
  running,
  type StoredEvent,
  snapshotOf,
  type TestPurpose,
  type TestSnapshot,
} from './test.ts';

export type TestRow = Selectable<ConnectionTestsTable>;

/** A test that was not stored yet, with the config that it is to test. */
export interface NewTestRow
  extends Omit<TestRow, 'draft_config' | 'attempt' | 'sequence' | 'cancel_requested' | 'event_log'> {
  readonly draft_config: PublicConfig;
}

/** How many abandoned tests one statement reads. */
const READ_AT_ONCE = 200;

/** Which tests are sought by whom. */
interface Sought {
  readonly ids: readonly string[];
  readonly environmentIds: readonly string[];
}
const soughtTests = new PreparedStatements<Sought>();

/** Reads the tests with these ids that the caller may see. */
export async function findTests(database: Database, access: Access, ids: readonly string[]): Promise<ConnectionTest[]> {
  const seesAll = access.environmentIds === 'all';
  const sought = { ids: [...new Set(ids)], environmentIds: seesAll ? [] : [...access.environmentIds] };
  const shape = `${sought.ids.length} of ${seesAll ? 'all' : sought.environmentIds.length}`;
  const select = (place: PlaceOf<Sought>) => {
    const placesFor = (name: keyof Sought) => sought[name].map((_, at) => place((values) => values[name][at] ?? ''));
    const sight = { environmentIds: seesAll ? ('all' as const) : new Set(placesFor('environmentIds')) };
    return database.query
      .selectFrom('connection_tests')
      .select(shownColumns)
      .where(isOneOf('connection_tests.id', placesFor('ids')))
      .where(whereVisibleToo(sight, 'connection_tests.environment_id'));
  };
  const { rows } = await soughtTests.run(database, shape, select, sought);
  return rows.map(testOf);
}

/** Reads what processes run that the caller may see, the oldest first. */
export async function findRunning(
  database: Database,
  access: Access,
  owners: readonly string[],
): Promise<{ readonly owner: string; readonly test: ConnectionTest }[]> {
  const rows = await database.query
    .selectFrom('connection_tests')
    .select([...shownColumns, 'owner'])
    .where('status', '=', 'RUNNING')
    .where(isOneOf('connection_tests.owner', owners))
    .where(whereVisibleToo(access, 'connection_tests.environment_id'))
    .orderBy('created_at')
    .execute();
  return rows.flatMap(({ owner, ...row }) => (owner === null ? [] : [{ owner, test: testOf(row) }]));
}

/** Reads a page of a datastore's tests, the newest first. */
export async function listTests(
  database: Database,
  access: Access,
  datastoreId: string,
  purposes: readonly TestPurpose[] | null,
  request: PageRequest,
): Promise<Page<ConnectionTest>> {
  const { after, before, backward } = request;
  const rows = await database.query
    .selectFrom('connection_tests')
    .select(shownColumns)
    .where('datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'connection_tests.environment_id'))
    .$if(purposes !== null, (query) => query.where(isOneOf('connection_tests.purpose', purposes ?? [])))
    .$if(after !== null, (query) =>
      query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('created_at', 'id'), '<', tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (query) =>
      query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('created_at', 'id'), '>', tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy('created_at', backward ? 'asc' : 'desc')
    .orderBy('id', backward ? 'asc' : 'desc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows.map(testOf), request, (test) => encodeCursor('NEWEST', [test.createdAt, test.id]));
}

type StoredTest = Omit<NewTestRow, 'draft_config'> & Pick<TestRow, 'draft_config' | 'sequence'>;
const insertedTests = new PreparedStatements<StoredTest>();

/** Stores a new test with its first event, QUEUED, and with the key of its secrets when it has any. */
export async function insertTest(
  change: Change,
  row: NewTestRow,
  snapshot: TestSnapshot,
  key: WrappedKey | null,
): Promise<void> {
  const stored = { ...row, draft_config: serializeConfig(row.draft_config), sequence: 1 };
  const insert = (place: PlaceOf<StoredTest>) =>
    change.query.insertInto('connection_tests').values(placesOf(stored, place));
  await insertedTests.run(change, '', insert, stored);
  if (key) await insertSecretKey(change, row.id, key, row.created_at);
  await insertEvents(change, [{ testId: row.id, sequence: 1, at: row.created_at, checkName: null, snapshot }]);
}

const insertedKeys = new PreparedStatements<{ id: string; test_id: string; wrapped: string; created_at: string }>();
const keysOfTests = new PreparedStatements<string>();
const erasedKeys = new PreparedStatements<string>();

/** Gives a test the key that its secrets are sealed with. */
export async function insertSecretKey(change: Change, testId: string, key: WrappedKey, at: string): Promise<void> {
  const row = { id: key.id, test_id: testId, wrapped: key.wrapped, created_at: at };
  const insert = (place: PlaceOf<typeof row>) => change.query.insertInto('secret_keys').values(placesOf(row, place));
  await insertedKeys.runLater(change, '', insert, row);
}

/** Reads the key of a test's secrets; undefined where an older version has sealed them. */
export async function readSecretKey(database: Database | Change, testId: string): Promise<WrappedKey | undefined> {
  const select = (place: PlaceOf<string>) =>
    database.query
      .selectFrom('secret_keys')
      .select(['id', 'wrapped'])
      .where(
        'test_id',
        '=',
        place((id) => id),
      );
  const { rows } = await keysOfTests.run(database, '', select, testId);
  return rows[0];
}

/** Reads the tests to which keys belong, as far as their keys are bound to it. */
export async function findKeyed(change: Change, keyIds: readonly string[]) {
  return change.query
    .selectFrom('secret_keys')
    .innerJoin('connection_tests', 'connection_tests.id', 'secret_keys.test_id')
    .select(['secret_keys.id as key_id', 'connection_tests.id', 'environment_id', 'type', 'draft_config'])
    .where(isOneOf('secret_keys.id', keyIds))
    .execute();
}

/** Takes the secrets of a test that has ended away for good: their key dies with them. */
async function eraseSecrets(change: Change, testId: string): Promise<void> {
  change.erases();
  const erase = (place: PlaceOf<string>) =>
    change.query.deleteFrom('secret_keys').where(
      'test_id',
      '=',
      place((id) => id),
    );
  await erasedKeys.runLater(change, '', erase, testId);
}

/** Locks some tests behind an id whose secrets an older version has sealed. */
export async function lockOldForm(change: Change, afterId: string, limit: number): Promise<TestRow[]> {
  return change.query
    .selectFrom('connection_tests')
    .selectAll()
    .where(isOneOf('connection_tests.status', running))
    .where('id', '>', afterId)
    .where('draft_secrets', 'is not', null)
    .where(({ exists, not, selectFrom }) => {
      const key = selectFrom('secret_keys').select('secret_keys.id');
      return not(exists(key.whereRef('secret_keys.test_id', '=', 'connection_tests.id')));
    })
    .orderBy('id')
    .limit(limit)
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .execute();
}

/** Puts another sealed text in the place of a test's secrets, which says the same. */
export async function replaceSealed(change: Change, id: string, sealed: string): Promise<void> {
  change.erases();
  await change.query.updateTable('connection_tests').set({ draft_secrets: sealed }).where('id', '=', id).execute();
}

/** Ties the test that a save waited for to what was saved. */
export async function adoptTest(
  change: Change,
  testId: string,
  { id, version }: { readonly id: string; readonly version: number },
): Promise<void> {
  await change.query
    .updateTable('connection_tests')
    .set({ datastore_id: id, datastore_version: version, is_stored: 1 })
    .where('id', '=', testId)
    .execute();
}

/**
 * Keeps the datastore that a test is about from being deleted until the change ends.
 * @returns false when it is gone, whether or not another one has its id by now
 */
export async function keepTested(change: Change, id: string, firstVersion: number | null): Promise<boolean> {
  const row = await change.query
    .selectFrom('datastores')
    .select('id')
    .where('id', '=', id)
    .where('first_version', '=', firstVersion)
    .$if(change.kind === 'postgres', (query) => query.forKeyShare())
    .executeTakeFirst();
  return row !== undefined;
}

const networks = new PreparedStatements<string>();

/** Reads from which network an environment's datastores are reached; null: from any. */
export async function networkOf(change: Change, environmentId: string): Promise<string | null> {
  const select = (place: PlaceOf<string>) =>
    change.query
      .selectFrom('environments')
      .select('network')
      .where(
        'id',
        '=',
        place((id) => id),
      );
  const { rows } = await networks.run(change, '', select, environmentId);
  return rows[0]?.network ?? null;
}

/** Makes a test the newest one of what is stored. */
export async function setLastTest(change: Change, datastoreId: string, testId: string): Promise<void> {
  await change.query.updateTable('datastores').set({ last_test_id: testId }).where('id', '=', datastoreId).execute();
}

type EventRow = Insertable<TestEventsTable>;
const insertedEvents = new PreparedStatements<readonly EventRow[]>();
/** How many events a statement inserts: each number is a statement that has to be prepared, and kept. */
const INSERTED_AT_ONCE = [64, 16, 4, 3, 2, 1];

interface NewEvent extends StoredEvent {
  readonly testId: string;
}

/** Stores events. Every one is stored by this function. */
async function insertEvents(change: Change, events: readonly NewEvent[]): Promise<void> {
  const rows = events.map(rowOf);
  for (let from = 0; from < rows.length; ) {
    const size = INSERTED_AT_ONCE.find((one) => one <= rows.length - from) ?? 1;
    await insertRows(change, rows.slice(from, from + size));
    from += size;
  }
  // on Postgres other processes store events too
  if (change.kind === 'sqlite')
    change.onStored(() => {
      for (const { testId, ...event } of events) eventStored(testId, event);
    });
}

function rowOf({ testId, sequence, at, checkName, snapshot }: NewEvent): EventRow {
  return { test_id: testId, sequence, at, check_name: checkName, snapshot: JSON.stringify(snapshotOf(snapshot)) };
}

async function insertRows(change: Change, rows: readonly EventRow[]): Promise<void> {
  const insert = (place: PlaceOf<readonly EventRow[]>) =>
    change.query.insertInto('test_events').values(placesOfAll(rows, place));
  await insertedEvents.runLater(change, String(rows.length), insert, rows);
}

/** Says who may write to a test: the process that owns it, in the attempt that it began. */
export interface Ownership {
  readonly testId: string;
  readonly owner: string;
  readonly attempt: number;
}

/**
 * Writes what happened to a test, unless the writer no longer owns it. When the answer to an earlier try was lost, what
 * that try has written is not written twice.
 * @returns false when somebody else has the test
 */
export async function writeEvents(change: Change, by: Ownership, events: readonly StoredEvent[]): Promise<boolean> {
  const [first] = events;
  if (!first) return true;
  if (await appendEvents(change, by, first.sequence - 1, events)) return true;
  const row = await change.query
    .selectFrom('connection_tests')
    .select('sequence')
    .where('id', '=', by.testId)
    .where('owner', '=', by.owner)
    .where('attempt', '=', by.attempt)
    .executeTakeFirst();
  if (!row || row.sequence < first.sequence) return false;
  const missing = events.filter(({ sequence }) => sequence > row.sequence);
  return missing.length === 0 || (await appendEvents(change, by, row.sequence, missing));
}

interface Appended {
  readonly written: ReturnType<typeof writtenOf> & { readonly sequence: number };
  readonly by: Ownership;
  readonly after: number;
}
const appended = new PreparedStatements<Appended>();

/** Adds events to a log. @returns false when the writer does not own a running test whose log ends with `after` */
async function appendEvents(
  change: Change,
  by: Ownership,
  after: number,
  events: readonly StoredEvent[],
): Promise<boolean> {
  const last = events.at(-1);
  if (!last) return true;
  const written = { ...writtenOf(last.snapshot), sequence: last.sequence };
  const update = (place: PlaceOf<Appended>) =>
    change.query
      .updateTable('connection_tests')
      .set(placesOf(written, (of) => place((values) => of(values.written))))
      .where(({ and }) =>
        and({
          id: place((values) => values.by.testId),
          owner: place((values) => values.by.owner),
          attempt: place((values) => values.by.attempt),
          status: 'RUNNING',
          sequence: place((values) => values.after),
        }),
      );
  const shape = Object.keys(written).join();
  const { numAffectedRows } = await appended.run(change, shape, update, { written, by, after });
  if (numAffectedRows === 0n) return false;
  if (isOver(last.snapshot)) await eraseSecrets(change, by.testId);
  await insertEvents(
    change,
    events.map((event) => ({ testId: by.testId, ...event })),
  );
  return true;
}

/** A process that takes tests. */
export interface Taker {
  readonly owner: string;
  /** The network that it stands in; null: it takes the tests that may run anywhere. */
  readonly network: string | null;
  /** The types whose tests alone it takes, or those that it leaves to others. Left out: it takes them all. */
  readonly types?: { readonly only: readonly string[] } | { readonly allBut: readonly string[] };
  /** Whose environments' tests alone it takes. Left out: it takes those of all. */
  readonly access?: Access;
}

function narrowed({ types, access }: Pick<Taker, 'types' | 'access'>): Expression<SqlBool>[] {
  const conditions = access ? [whereVisibleToo(access, 'connection_tests.environment_id')] : [];
  if (types === undefined) return conditions;
  if ('only' in types) return [...conditions, isOneOf('connection_tests.type', types.only)];
  return [...conditions, expressionBuilder<Tables>().not(isOneOf('connection_tests.type', types.allBut))];
}

/** How a process takes tests. */
export interface Claim {
  /** For how long it keeps them, in milliseconds. */
  readonly leaseMs: number;
  /** How many it takes at most. */
  readonly limit: number;
  /** Whether the event that they run is stored with it; otherwise the process tells of that. */
  readonly begins: boolean;
}

/** Takes queued tests of a process's network for it. */
export async function claimTests(
  change: Change,
  { owner, network, ...rest }: Taker,
  { leaseMs, limit, begins }: Claim,
): Promise<TestRow[]> {
  const { clock } = change;
  const queued = change.query
    .selectFrom('connection_tests')
    .select('id')
    .where('status', '=', 'QUEUED')
    .where('network', network === null ? 'is' : '=', network)
    .where((eb) => eb.or([eb('owner', 'is', null), eb('owner', '=', owner)]))
    .where('deadline_at', '>', clock.timestamp())
    .$call((query) => narrowed(rest).reduce((some, condition) => some.where(condition), query))
    // Postgres sees the order of the index in this one alone where the first column is null
    .orderBy('network')
    .orderBy('created_at')
    .limit(limit);
  const ids = await (change.kind === 'postgres' ? queued.forUpdate().skipLocked() : queued).execute();
  if (ids.length === 0) return [];
  const now = clock.timestamp();
  const rows = await change.query
    .updateTable('connection_tests')
    .set((eb) => ({
      status: 'RUNNING',
      owner,
      lease_expires_at: clock.timestamp(leaseMs),
      attempt: eb('attempt', '+', 1),
      sequence: eb('sequence', '+', begins ? 1 : 0),
      // another process has made it, whose reading of the clock may be some milliseconds ahead
      started_at: eb.case().when('created_at', '>', now).then(eb.ref('created_at')).else(now).end(),
    }))
    .where(
      isOneOfMany(
        change.kind,
        'connection_tests.id',
        ids.map((row) => row.id),
      ),
    )
    .returningAll()
    .execute();
  if (begins) await insertEvents(change, rows.map(begunEvent));
  return rows;
}

/** The event that a test runs which was taken with it. */
function begunEvent(row: TestRow): NewEvent {
  const at = row.started_at ?? row.created_at;
  return { testId: row.id, sequence: row.sequence, at, checkName: null, snapshot: snapshotOf(testOf(row)) };
}

/** How many tests are counted at most, so that nobody waits for the counting of a million. */
const MOST_COUNTED = 10_000;

/** Counts the tests that wait to be taken, up to 10,000, and says since when the oldest of them waits. */
export async function readQueue({ query }: Database): Promise<{ count: number; oldest: string | null }> {
  const queued = query
    .selectFrom('connection_tests')
    .select('created_at')
    .where('status', '=', 'QUEUED')
    .orderBy('created_at')
    .limit(MOST_COUNTED);
  return query
    .selectFrom(queued.as('queued'))
    .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min('created_at').as('oldest')])
    .executeTakeFirstOrThrow();
}

/** Renews the leases of the tests that this process really runs. */
export async function renewLeases(
  change: Change,
  owner: string,
  ids: readonly string[],
  leaseMs: number,
): Promise<void> {
  if (ids.length === 0) return;
  await change.query
    .updateTable('connection_tests')
    .set({ lease_expires_at: change.clock.timestamp(leaseMs) })
    .where(isOneOf('connection_tests.id', ids))
    .where('owner', '=', owner)
    .where('status', '=', 'RUNNING')
    .execute();
}

/** Reads the tests that this process has taken and not ended, as far as the rows know; with an id, that one alone. */
export async function findOwned(database: Database, owner: string, id?: string): Promise<TestRow[]> {
  return database.query
    .selectFrom('connection_tests')
    .selectAll()
    .where('status', '=', 'RUNNING')
    .where('owner', '=', owner)
    .$if(id !== undefined, (query) => query.where('id', '=', id ?? ''))
    .execute();
}

/**
 * Reads the tests whose runner died, those that run `overdueMs` past their deadline or longer, and those that nobody
 * took in time. `sparedKind`: not those of processes of this kind.
 */
export async function findAbandoned(
  database: Database,
  overdueMs: number,
  sparedKind: string | null,
): Promise<TestRow[]> {
  const now = database.clock.timestamp();
  const overdueSince = database.clock.timestamp(-overdueMs);
  return database.query
    .selectFrom('connection_tests')
    .selectAll()
    .where((eb) =>
      eb.or([
        eb.and([eb('status', '=', 'RUNNING'), eb('lease_expires_at', '<', now)]),
        eb.and([eb('status', '=', 'RUNNING'), eb('deadline_at', '<=', overdueSince)]),
        eb.and([eb('status', '=', 'QUEUED'), eb('deadline_at', '<=', now)]),
      ]),
    )
    .$if(sparedKind !== null, (query) =>
      query.where(({ exists, not, selectFrom }) => {
        const owner = selectFrom('processes')
          .select('processes.id')
          .where('kind', '=', sparedKind ?? '');
        return not(exists(owner.whereRef('processes.id', '=', 'connection_tests.owner')));
      }),
    )
    .limit(READ_AT_ONCE)
    .execute();
}

/** Moves on a test that nobody runs any more, unless somebody has done so meanwhile, or its owner gave sign of life. */
export async function settleAbandoned(
  change: Change,
  row: TestRow,
  snapshot: TestSnapshot,
  at: string,
): Promise<boolean> {
  const { lease_expires_at } = row;
  return moveOn(change, row, snapshot, at, { lease_expires_at });
}

/** Moves on a test with which its owner goes on no longer, unless somebody else has it by now. */
export async function handBack(change: Change, row: TestRow, snapshot: TestSnapshot, at: string): Promise<boolean> {
  const { owner } = row;
  return moveOn(change, row, snapshot, at, { owner });
}

async function moveOn(
  change: Change,
  row: TestRow,
  snapshot: TestSnapshot,
  at: string,
  unchanged: Partial<Pick<TestRow, 'owner' | 'lease_expires_at'>>,
): Promise<boolean> {
  const moved = await change.query
    .updateTable('connection_tests')
    .set({ ...columnsOf(snapshot), sequence: row.sequence + 1, owner: null, lease_expires_at: null })
    .where('id', '=', row.id)
    .where('sequence', '=', row.sequence)
    .where('status', '=', row.status)
    .where('attempt', '=', row.attempt)
    .where((eb) => eb.and(unchanged))
    .executeTakeFirst();
  if (moved.numUpdatedRows === 0n) return false;
  if (isOver(snapshot)) await eraseSecrets(change, row.id);
  await insertEvents(change, [{ testId: row.id, sequence: row.sequence + 1, at, checkName: null, snapshot }]);
  return true;
}

/** Reads a test that is to be changed. On Postgres it is locked until the change ends. */
export async function readForChange(change: Change, id: string): Promise<TestRow | undefined> {
  const query = change.query.selectFrom('connection_tests').selectAll().where('id', '=', id);
  return (change.kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
}

export async function requestCancel(change: Change, id: string): Promise<void> {
  await change.query.updateTable('connection_tests').set({ cancel_requested: 1 }).where('id', '=', id).execute();
}

/** Returns the ids of this process's running tests that somebody wants cancelled. */
export async function findCancelRequests(database: Database, owner: string): Promise<string[]> {
  const rows = await database.query
    .selectFrom('connection_tests')
    .select('id')
    .where('owner', '=', owner)
    .where('status', '=', 'RUNNING')
    .where('cancel_requested', '=', 1)
    .execute();
  return rows.map((row) => row.id);
}

function isOver(snapshot: TestSnapshot): boolean {
  return snapshot.finishedAt !== null;
}

/**
 * What an event changes of a test that runs. While it goes on running it stays without an end: SQLite maintains the
 * indexes of all columns that are named, whether their values change or not, which took two thirds of such an update.
 */
function writtenOf(snapshot: TestSnapshot) {
  if (snapshot.status !== 'RUNNING') return columnsOf(snapshot);
  const { restarts, checks, started_at } = columnsOf(snapshot);
  return { restarts, checks, started_at };
}

/** A test that has ended keeps nothing of what it tested. */
function columnsOf(snapshot: TestSnapshot) {
  return {
    status: snapshot.status,
    restarts: snapshot.attempt - 1,
    checks: JSON.stringify(snapshot.checks),
    failure: snapshot.failure && JSON.stringify(snapshot.failure),
    started_at: snapshot.startedAt,
    finished_at: snapshot.finishedAt,
    duration_ms: snapshot.durationMs,
    ...(isOver(snapshot) ? { draft_config: null, draft_secrets: null, draft_tenancy: null } : {}),
  };
}
