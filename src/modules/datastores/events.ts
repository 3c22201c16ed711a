import { RequestFault } from '../../errors/api.ts';
import type { Database } from '../../platform/database.ts';
import type { Doorbell } from '../../platform/doorbell.ts';
import { followLog } from '../../platform/follow-log.ts';
import { anyJournalTopic, journalTopic } from '../../platform/journal.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { type JournalPositions, type JournalRow, journalEnds, readDatastoreEvents } from './store.ts';

const DAY_MS = 86_400_000;
/** How long a cursor can be resumed from, as the schema says. */
const CURSOR_KEPT_MS = 7 * DAY_MS;
const ENVIRONMENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const datastoreEventKinds = ['CREATED', 'UPDATED', 'DELETED', 'CATALOG_REFRESHED'] as const;
export type DatastoreEventKind = (typeof datastoreEventKinds)[number];

/** One change of a datastore, as its followers get it. */
export interface DatastoreEvent {
  readonly cursor: string;
  readonly at: string;
  readonly kind: DatastoreEventKind;
  readonly datastoreId: string;
  readonly environmentId: string;
  readonly actor: string;
}

export interface EventFilter {
  readonly environmentId: string | null;
  readonly datastoreId: string | null;
}

/** Streams the journal's entries about datastores. */
export class DatastoreEvents {
  readonly #database: Database;
  readonly #doorbell: Doorbell;

  constructor(database: Database, doorbell: Doorbell) {
    this.#database = database;
    this.#doorbell = doorbell;
  }

  /**
   * Yields the changes after a cursor and then the live ones, in order within an environment; without a cursor, the
   * changes from now on.
   * @throws RequestFault CURSOR_EXPIRED when the cursor is older than 7 days, BAD_USER_INPUT when it is none
   */
  async *follow(
    access: Access,
    filter: EventFilter,
    after: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<DatastoreEvent> {
    requireScope(access, 'DATASTORES_READ');
    const start = after === null ? await journalEnds(this.#database, access, filter.environmentId) : readCursor(after);
    const { environmentId } = filter;
    // the cursor of an event holds the positions in all chains, so each is made from the one before it
    let positions = start;
    const rows = followLog<JournalRow, JournalPositions>({
      doorbell: this.#doorbell,
      topics: [environmentId === null ? anyJournalTopic : journalTopic(environmentId)],
      read: (from) => readDatastoreEvents(this.#database, access, filter, from),
      position: (row) => {
        positions = { ...positions, [row.environment_id]: row.sequence };
        return positions;
      },
      after: start,
      signal,
    });
    for await (const row of rows) {
      yield {
        cursor: writeCursor(row.at, positions),
        at: row.at,
        kind: row.kind as DatastoreEventKind,
        datastoreId: row.subject_id,
        environmentId: row.environment_id,
        actor: row.actor,
      };
    }
  }
}

function writeCursor(at: string, positions: JournalPositions): string {
  return Buffer.from(JSON.stringify({ at, positions })).toString('base64url');
}

function readCursor(text: string): JournalPositions {
  const cursor = parse(text);
  if (!cursor) throw new RequestFault('BAD_USER_INPUT', 'after: this is no cursor of a datastore event.');
  if (Date.now() - Date.parse(cursor.at) > CURSOR_KEPT_MS) throw new RequestFault('CURSOR_EXPIRED');
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
