import { RequestFault } from '../../errors/api.ts';
import type { Database } from '../../platform/database/database.ts';
import { refusedCursor } from '../../platform/paging.ts';
import type { Doorbell } from '../../platform/streams/doorbell.ts';
import { followLog } from '../../platform/streams/follow-log.ts';
import type { Access } from '../access/access.ts';
import { requireScope } from '../access/service.ts';
import { type RecordEventRow, readRecordEvents, removeOldEvents } from './event-store.ts';
import { findStores } from './store.ts';
import { recordsTopic } from './topic.ts';

/** How long events are kept and a cursor can be resumed from, as the schema says. */
const KEPT_MS = 7 * 86_400_000;
/** How many events one read takes. */
const EVENTS_AT_ONCE = 100;
/** How many old events are removed in one step. */
const REMOVED_AT_ONCE = 1_000;

/** What happened to a record, as its followers get it. */
export interface RecordEvent extends RecordEventRow {
  readonly cursor: string;
  readonly datastoreId: string;
}

/** Streams what happens to the records of a managed datastore. */
export class RecordEvents {
  readonly #database: Database;
  readonly #doorbell: Doorbell;

  constructor(database: Database, doorbell: Doorbell) {
    this.#database = database;
    this.#doorbell = doorbell;
  }

  /**
   * Yields the events after a cursor and then the live ones, in order; without a cursor, those from now on. It ends
   * when the datastore is deleted.
   * @throws RequestFault NOT_FOUND, CURSOR_EXPIRED when the cursor is older than 7 days;
   * ValidationError when it is none
   */
  async *follow(
    access: Access,
    datastoreId: string,
    after: string | null,
    signal: AbortSignal,
  ): AsyncGenerator<RecordEvent> {
    requireScope(access, 'RECORDS_READ');
    const start = after === null ? null : readCursor(after, datastoreId, this.#database.clock.now());
    const [store] = await findStores(this.#database, access, [datastoreId]);
    if (!store) throw new RequestFault('NOT_FOUND');
    const gone = new AbortController();
    const rows = followLog<RecordEventRow>({
      doorbell: this.#doorbell,
      topics: [recordsTopic(datastoreId)],
      read: async (position) => {
        const events = await readRecordEvents(this.#database, access, datastoreId, position, EVENTS_AT_ONCE);
        if (events.length === 0 && !(await this.#isThere(access, datastoreId))) gone.abort();
        return events;
      },
      position: ({ sequence }) => sequence,
      after: start ?? store.lastEvent,
      signal: AbortSignal.any([signal, gone.signal]),
      pageSize: EVENTS_AT_ONCE,
    });
    for await (const row of rows) yield { ...row, datastoreId, cursor: writeCursor(row, datastoreId) };
  }

  /** Removes some of the events that nobody can resume from any more. @returns whether there may be more */
  async removeExpired(): Promise<boolean> {
    const before = this.#database.clock.timestamp(-KEPT_MS);
    const removed = await this.#database.change((change) => removeOldEvents(change, before, REMOVED_AT_ONCE));
    return removed === REMOVED_AT_ONCE;
  }

  async #isThere(access: Access, datastoreId: string): Promise<boolean> {
    return (await findStores(this.#database, access, [datastoreId])).length > 0;
  }
}

function writeCursor({ at, sequence }: RecordEventRow, datastoreId: string): string {
  return Buffer.from(JSON.stringify({ at, datastoreId, sequence })).toString('base64url');
}

function readCursor(text: string, datastoreId: string, now: number): number {
  const cursor = parse(text);
  if (cursor?.datastoreId !== datastoreId) throw refusedCursor('This is no cursor of this datastore’s record events.');
  if (now - Date.parse(cursor.at) > KEPT_MS) throw new RequestFault('CURSOR_EXPIRED');
  return cursor.sequence;
}

function parse(text: string): { at: string; datastoreId: unknown; sequence: number } | null {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown> | null;
    const { at, datastoreId, sequence } = cursor ?? {};
    if (typeof at !== 'string' || Number.isNaN(Date.parse(at)) || !Number.isSafeInteger(sequence)) return null;
    return { at, datastoreId, sequence: sequence as number };
  } catch {
    return null;
  }
}
