import { type ExpressionBuilder, type Selectable, type SqlBool, sql } from 'kysely';
import type { Database } from '../../platform/database/database.ts';
import type { JournalTable, Tables } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { isVisible, whereVisible, whereVisibleToo } from '../access/visibility.ts';

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

type Column = 'environment_id' | 'subject_id' | 'actor' | 'action' | 'outcome' | 'at' | 'id';

/** What an entry has to be, besides where and when; a subject may be asked for twice, by the id of two things. */
function conditionsOf(filter: AuditFilter): [Column | 'subject_type', string][] {
  const { datastoreId, subjectId, actor, action, outcome } = filter;
  const wanted = { subject_id: subjectId, actor, action, outcome, subject_type: datastoreId && 'datastore' };
  return (Object.entries(wanted) as [Column | 'subject_type', string | null][]).flatMap(([column, value]) =>
    value === null ? [] : [[column, value]],
  );
}

/** Above every text of a time. */
const END_OF_TIME = '~';

/** What is sought by: columns with which an index begins, and their values. Its times and ids follow. */
function soughtBy(filter: AuditFilter): readonly (readonly [Column, string])[] {
  const { environmentId, actor, action, outcome } = filter;
  const subjectId = filter.datastoreId ?? filter.subjectId;
  // a subject has its entries in one environment
  if (subjectId !== null) return [['subject_id', subjectId]];
  const others = { actor, action, outcome };
  const [other] = (['actor', 'action', 'outcome'] as const).filter((column) => others[column] !== null);
  return [
    ...(environmentId === null ? [] : [['environment_id', environmentId] as const]),
    ...(other ? [[other, others[other] ?? ''] as const] : []),
  ];
}

function seekEntries(database: Database, access: Access, filter: AuditFilter, request: PageRequest) {
  const { after, before, backward, size } = request;
  const direction = backward ? 'asc' : 'desc';
  const sought = soughtBy(filter);
  // a condition on what is sought would be a choice of another index
  const filtered = conditionsOf(filter).filter(
    ([column, value]) => !sought.some(([known, its]) => known === column && its === value),
  );
  // between two rows of values SQLite has no choice but the index of these columns; of single conditions it would
  // rather take that of an environment's times, and look at all that it has for something rare. Postgres, which knows
  // how rare, takes such a row for a range of its first column, expects next to nothing there and sorts what it finds
  const isPostgres = database.kind === 'postgres';
  const [inRows, single] = isPostgres ? [[], sought] : [sought, []];
  const place = sql.join([...inRows.map(([column]) => column), 'at', 'id'].map((column) => sql.ref(column)));
  const isBeyond = (sign: '<' | '>', [at = '', id = '']: readonly string[]) =>
    sql<SqlBool>`(${place}) ${sql.raw(sign)} (${sql.join([...inRows.map(([, value]) => value), at, id])})`;
  let entries = database.query
    .selectFrom('journal')
    .select(COLUMNS)
    .where(
      isPostgres
        ? whereVisible(access, 'journal.environment_id', filter.environmentId)
        : whereVisibleToo(access, 'journal.environment_id', filter.environmentId),
    )
    .where(isBeyond('>', latest([filter.from ?? '', ''], before)))
    .where(isBeyond('<', earliest([filter.until ?? END_OF_TIME, ''], after)))
    .where(({ and, eb }) =>
      and([
        ...[...single, ...filtered].map(([column, value]) => eb(column, '=', value)),
        ...(filter.datastoreId === null ? [] : [eb('sequence', '>=', creationOf(eb, filter.datastoreId))]),
      ]),
    )
    .limit(size + 1);
  for (const column of [...sought.map(([name]) => name), 'at', 'id'] as const)
    entries = entries.orderBy(column, direction);
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

type Place = readonly string[];

function latest(one: Place, other: Place | null): Place {
  return other !== null && isBefore(one, other) ? other : one;
}

function earliest(one: Place, other: Place | null): Place {
  return other !== null && isBefore(other, one) ? other : one;
}

/** Tells in the databases' order, that of bytes, whether a time and an id come before others. */
function isBefore([at = '', id = '']: Place, [otherAt = '', otherId = '']: Place): boolean {
  const order = Buffer.compare(Buffer.from(at), Buffer.from(otherAt));
  return (order || Buffer.compare(Buffer.from(id), Buffer.from(otherId))) < 0;
}

function newestFirst(one: AuditRow, other: AuditRow): number {
  if (one.at !== other.at) return one.at > other.at ? -1 : 1;
  return one.id > other.id ? -1 : 1;
}
