import { RequestFault } from '../../errors/api.ts';
import { Briefly } from '../../platform/briefly.ts';
import type { Database } from '../../platform/database/database.ts';
import { anyJournalTopic, journalTopic } from '../../platform/journal/journal.ts';
import { refusedCursor } from '../../platform/paging.ts';
import type { Doorbell } from '../../platform/streams/doorbell.ts';
import { followLog } from '../../platform/streams/follow-log.ts';
import { openedLate } from '../../platform/streams/opened-late.ts';
import type { Polled } from '../../platform/streams/polled-stream.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { isVisible } from '../access/visibility.ts';
import type { Datastore } from './datastore.ts';
import { JournalTail } from './journal-tail.ts';
import {
  type JournalPositions,
  type JournalRow,
  journalEnds,
  readDatastoreEvents,
  stretchesBetween,
  wasDeletedSince,
} from './store.ts';

const DAY_MS = 86_400_000;
/** How long a cursor can be resumed from, as the schema says. */
const CURSOR_KEPT_MS = 7 * DAY_MS;
/** How many events one read takes from the journal. */
const EVENTS_AT_ONCE = 100;
const ENVIRONMENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export type DatastoreEventKind = 'CREATED' | 'UPDATED' | 'DELETED' | 'HEALTH_CHANGED' | 'CATALOG_REFRESHED';

/** One change of a datastore, as its followers get it. */
export interface DatastoreEvent {
  readonly cursor: string;
  /** Its place in the chain of its environment. */
  readonly sequence: number;
  readonly at: string;
  readonly kind: DatastoreEventKind;
  readonly datastoreId: string;
  readonly environmentId: string;
  readonly actor: string;
  readonly onBehalfOf: string | null;
}

export interface EventFilter {
  readonly environmentId: string | null;
  readonly datastoreId: string | null;
}

/** Streams the journal's entries about datastores. */
export class DatastoreEvents {
  readonly #database: Database;
  readonly #tail: JournalTail;
  readonly #positions = new Briefly<JournalPositions>();
  readonly #events = new Briefly<DatastoreEvent>();
  #lastStart: { readonly text: string; readonly positions: JournalPositions } | undefined;

  constructor(database: Database, doorbell: Doorbell) {
    this.#database = database;
    this.#tail = new JournalTail(database, doorbell);
  }

  /**
   * Yields the changes after a cursor and then the live ones, in order within an environment; without a cursor, the
   * changes from now on.
   * @throws RequestFault CURSOR_EXPIRED when the cursor is older than 7 days, ValidationError when it is none
   */
  follow(access: Access, filter: EventFilter, after: string | null, signal: AbortSignal): Polled<DatastoreEvent> {
    return openedLate(() => this.#open(access, filter, after, signal));
  }

  async #open(
    access: Access,
    filter: EventFilter,
    after: string | null,
    signal: AbortSignal,
  ): Promise<Polled<DatastoreEvent>> {
    requireScope(access, 'DATASTORES_READ');
    const { environmentId } = filter;
    const { clock } = this.#database;
    const start =
      after === null ? await this.#now(access, filter) : { positions: readCursor(after, clock.now()), next: null };
    const follower = new Follower(this.#database, this.#tail, access, filter, start.next);
    return followLog<JournalRow, JournalPositions, DatastoreEvent>({
      doorbell: this.#tail,
      topics: [environmentId === null ? anyJournalTopic : journalTopic(environmentId)],
      read: (positions) => follower.read(positions),
      position: (row, before) => this.#positionsBehind(row, before),
      show: (row, positions) => this.#eventOf(row, positions),
      after: this.#startAt(start.positions),
      signal,
      pageSize: EVENTS_AT_ONCE,
    });
  }

  /** Followers who start one after the other at the same place are to have the same object from the first event on. */
  #startAt(positions: JournalPositions): JournalPositions {
    const text = JSON.stringify(positions);
    if (this.#lastStart?.text !== text) this.#lastStart = { text, positions };
    return this.#lastStart.positions;
  }

  /**
   * The last sequence that a follower has passed of each chain once it has passed a row. Followers who are at the same
   * place get the same object: those who got there by the same are known by that, others by their cursor.
   */
  #positionsBehind(row: JournalRow, before: JournalPositions): JournalPositions {
    return this.#positions.of(row, before, () => {
      const positions = { ...before, [row.environment_id]: row.sequence };
      return this.#positions.of(row, writeCursor(row.at, positions), () => positions);
    });
  }

  /** The event of a row. Followers at the same place get the same object, which is executed once for all. */
  #eventOf(row: JournalRow, positions: JournalPositions): DatastoreEvent {
    return this.#events.of(row, positions, () => ({
      cursor: writeCursor(row.at, positions),
      sequence: row.sequence,
      at: row.at,
      kind: row.kind as DatastoreEventKind,
      datastoreId: row.subject_id,
      environmentId: row.environment_id,
      actor: row.actor,
      onBehalfOf: row.on_behalf_of,
    }));
  }

  /** The datastore that an event is about, of those that have had its id: null unless it is this one. */
  async datastoreOf(event: DatastoreEvent, datastore: Datastore | null): Promise<Datastore | null> {
    if (datastore === null || datastore.firstVersion === 1) return datastore;
    return (await wasDeletedSince(this.#database, event)) ? null : datastore;
  }

  async #now(access: Access, filter: EventFilter): Promise<FollowerStart> {
    await this.#tail.refresh();
    // what is stored before the ends are read comes from the tail once more, and is known by its sequence
    const next = this.#tail.end;
    return { positions: await journalEnds(this.#database, access, filter.environmentId), next };
  }
}

interface FollowerStart {
  readonly positions: JournalPositions;
  /** From this number on the tail goes on; null: what comes next lies further back, in the journal. */
  readonly next: number | null;
}

/**
 * Leads one follower through the chains: from the journal until it has caught up, then from the tail that all share.
 */
class Follower {
  readonly #database: Database;
  readonly #tail: JournalTail;
  readonly #access: Access;
  readonly #filter: EventFilter;
  #next: number | null;
  #hasRead = false;

  constructor(database: Database, tail: JournalTail, access: Access, filter: EventFilter, next: number | null) {
    this.#database = database;
    this.#tail = tail;
    this.#access = access;
    this.#filter = filter;
    this.#next = next;
  }

  /**
   * Reads what comes after all that it has passed. All but the first reading follow a ring of the tail, which then has
   * what there is.
   */
  read(positions: JournalPositions): JournalRow[] | Promise<JournalRow[]> {
    return this.#hasRead && !this.#tail.failed ? this.#readTail(positions) : this.#readAnew(positions);
  }

  #isWanted(row: JournalRow, positions: JournalPositions): boolean {
    const { environmentId, datastoreId } = this.#filter;
    if (datastoreId !== null && row.subject_id !== datastoreId) return false;
    if (!isVisible(this.#access, row.environment_id, environmentId)) return false;
    return row.sequence > (positions[row.environment_id] ?? 0);
  }

  async #readAnew(positions: JournalPositions): Promise<JournalRow[]> {
    await this.#tail.refresh();
    this.#hasRead = true;
    return this.#readTail(positions);
  }

  #readTail(positions: JournalPositions): JournalRow[] | Promise<JournalRow[]> {
    const shared = this.#next === null ? undefined : this.#tail.since(this.#next);
    if (!shared) return this.#readJournal(positions);
    this.#next = this.#tail.end;
    return shared.filter((row) => this.#isWanted(row, positions));
  }

  async #readJournal(positions: JournalPositions): Promise<JournalRow[]> {
    const { environmentId, datastoreId } = this.#filter;
    const next = this.#tail.end;
    const ends = await journalEnds(this.#database, this.#access, environmentId);
    const stretches = stretchesBetween(positions, ends);
    const rows = await readDatastoreEvents(this.#database, stretches, datastoreId, EVENTS_AT_ONCE);
    this.#next = rows.length < EVENTS_AT_ONCE ? next : null;
    return rows;
  }
}

function writeCursor(at: string, positions: JournalPositions): string {
  return Buffer.from(JSON.stringify({ at, positions })).toString('base64url');
}

function readCursor(text: string, now: number): JournalPositions {
  const cursor = parse(text);
  if (!cursor) throw refusedCursor('This is no cursor of a datastore event.');
  if (now - Date.parse(cursor.at) > CURSOR_KEPT_MS) throw new RequestFault('CURSOR_EXPIRED');
  return cursor.positions;
}

function parse(text: string): { at: string; positions: JournalPositions } | null {
  try {
    const { at, positions } = JSON.parse(Buffer.from(text, 'base64url').toString()) as {
      at: unknown;
      positions: unknown;
    };
    if (typeof at !== 'string' || Number.isNaN(Date.parse(at)) || typeof positions !== 'object' || positions === null)
      return null;
    const known = Object.entries(positions).every(
      ([environmentId, sequence]) => ENVIRONMENT_ID.test(environmentId) && Number.isSafeInteger(sequence),
    );
    return known && !Array.isArray(positions) ? { at, positions: positions as JournalPositions } : null;
  } catch {
    return null;
  }
}
