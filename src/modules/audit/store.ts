import type { ExpressionBuilder, Selectable } from 'kysely';
import type { Database } from '../../platform/database.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { JournalTable, Tables } from '../../platform/tables.ts';
import type { Access } from '../access/access.ts';
import { isVisible, whereVisible } from '../access/visibility.ts';

/** The order of the audit log, as its cursors name it. */
export const auditOrder = 'AUDIT';

const COLUMNS = [
  'id',
  'at',
  'actor',
  'on_behalf_of',
  'action',
  'environment_id',
  'subject_type',
  'subject_id',
  'outcome',
  'detail',
] as const;

export type AuditRow = Pick<Selectable<JournalTable>, (typeof COLUMNS)[number]>;

/** Which entries are asked for; null leaves a condition out. */
export interface AuditFilter {
  readonly environmentId: string | null;
  readonly datastoreId: string | null;
  readonly subjectId: string | null;
  readonly actor: string | null;
  readonly action: string | null;
  readonly outcome: string | null;
  /** The first moment, ISO 8601 in UTC. */
  readonly from: string | null;
  /** The first moment that is not asked for any more. */
  readonly until: string | null;
}

/** How many environments one statement seeks in: SQLite takes 500 parts of a union. */
const SEEKS_IN_ONE_STATEMENT = 100;

/** Reads a page of the journal, the newest entries first. Those without an environment are for callers of all. */
export async function listEntries(
  database: Database,
  access: Access,
  filter: AuditFilter,
  request: PageRequest,
): Promise<Page<AuditRow>> {
  const found: AuditRow[] = [];
  const places = placesOf(access, filter.environmentId);
  for (let from = 0; from < places.length; from += SEEKS_IN_ONE_STATEMENT) {
    // a condition over several environments would be answered by sorting all that they have, so each gets a seek
    const [first, ...others] = places
      .slice(from, from + SEEKS_IN_ONE_STATEMENT)
      .map((environmentId) => seekEntries(database, access, { ...filter, environmentId }, request));
    if (first) found.push(...(await others.reduce((all, other) => all.unionAll(other), first).execute()));
  }
  const rows = found.sort(newestFirst);
  if (request.backward) rows.reverse();
  return toPage(rows.slice(0, request.size + 1), request, (row) => encodeCursor(auditOrder, [row.at, row.id]));
}

/** The environments to look in, one by one; null stands for all of them at once. */
function placesOf(access: Access, wanted: string | null): readonly (string | null)[] {
  if (wanted !== null) return isVisible(access, wanted) ? [wanted] : [];
  return access.environmentIds === 'all' ? [null] : [...access.environmentIds];
}

function seekEntries(database: Database, access: Access, filter: AuditFilter, request: PageRequest) {
  const { after, before, backward, size } = request;
  const direction = backward ? 'asc' : 'desc';
  const entries = database.query
    .selectFrom('journal')
    .select(COLUMNS)
    .where(whereVisible(access, 'journal.environment_id', filter.environmentId))
    .where(({ and, eb, refTuple, tuple }) => {
      const place = refTuple('at', 'id');
      return and([
        ...(filter.datastoreId === null
          ? []
          : [
              eb('subject_id', '=', filter.datastoreId),
              eb('subject_type', '=', 'datastore'),
              eb('sequence', '>=', creationOf(eb, filter.datastoreId)),
            ]),
        ...(filter.subjectId === null ? [] : [eb('subject_id', '=', filter.subjectId)]),
        ...(filter.actor === null ? [] : [eb('actor', '=', filter.actor)]),
        ...(filter.action === null ? [] : [eb('action', '=', filter.action)]),
        ...(filter.outcome === null ? [] : [eb('outcome', '=', filter.outcome)]),
        // with nothing to seek by, it would count as a scan
        eb('at', '>=', filter.from ?? ''),
        ...(filter.until === null ? [] : [eb('at', '<', filter.until)]),
        ...(after ? [eb(place, '<', tuple(after[0] ?? '', after[1] ?? ''))] : []),
        ...(before ? [eb(place, '>', tuple(before[0] ?? '', before[1] ?? ''))] : []),
      ]);
    })
    .orderBy('at', direction)
    .orderBy('id', direction)
    .limit(size + 1);
  // SQLite allows ORDER BY in a part of a union only where that is a subquery
  return database.query.selectFrom(entries.as('entries')).selectAll();
}

/** Where the entries of the datastore begin that had the id last: those of others with that id stand before. */
function creationOf(eb: ExpressionBuilder<Tables, 'journal'>, datastoreId: string) {
  return eb
    .selectFrom('journal as created')
    .select(({ fn, lit }) => fn.coalesce(fn.max('created.sequence'), lit(0)).as('sequence'))
    .where('created.subject_id', '=', datastoreId)
    .where('created.kind', '=', 'CREATED');
}

function newestFirst(one: AuditRow, other: AuditRow): number {
  if (one.at !== other.at) return one.at > other.at ? -1 : 1;
  return one.id > other.id ? -1 : 1;
}
