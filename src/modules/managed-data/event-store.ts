import type { Change, Database } from '../../platform/database/database.ts';
import type { RecordEventsTable } from '../../platform/database/tables.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';

/** What happened to a record. */
export interface RecordEventRow {
  readonly sequence: number;
  readonly at: string;
  readonly kind: RecordEventsTable['kind'];
  readonly key: string;
  readonly actor: string;
}

/** Notes what has happened in a store that the change has locked. */
export async function appendRecordEvents(
  change: Change,
  datastoreId: string,
  events: readonly RecordEventRow[],
): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map((event) => ({ ...event, datastore_id: datastoreId }));
  await change.query.insertInto('record_events').values(rows).execute();
}

/** Reads the events of a datastore after a sequence, in order. */
export async function readRecordEvents(
  database: Database,
  access: Access,
  datastoreId: string,
  after: number,
  limit: number,
): Promise<RecordEventRow[]> {
  const rows = await database.query
    .selectFrom('record_events')
    .innerJoin('datastores', 'datastores.id', 'record_events.datastore_id')
    .selectAll('record_events')
    .where('record_events.datastore_id', '=', datastoreId)
    .where('record_events.sequence', '>', after)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .orderBy('record_events.sequence')
    .limit(limit)
    .execute();
  return rows.map(({ sequence, at, kind, key, actor }) => ({ sequence: Number(sequence), at, kind, key, actor }));
}

/** Removes events that are older than a moment, some of them. @returns how many */
export async function removeOldEvents(change: Change, before: string, limit: number): Promise<number> {
  const { numDeletedRows } = await change.query
    .deleteFrom('record_events')
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple('datastore_id', 'sequence'),
        'in',
        selectFrom('record_events as old')
          .select(['old.datastore_id', 'old.sequence'])
          .where('old.at', '<', before)
          .orderBy('old.at')
          .limit(limit)
          .$asTuple('datastore_id', 'sequence'),
      ),
    )
    .executeTakeFirst();
  return Number(numDeletedRows);
}
