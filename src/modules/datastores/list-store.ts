import {
  type AliasedExpression,
  type Expression,
  type ExpressionBuilder,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
} from 'kysely';
import { type Database, isOneOf } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../platform/database/prepared-statements.ts';
import type { Tables } from '../../platform/database/tables.ts';
import { encodeCursor, maxPageSize, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { isVisible, type Sight, whereVisible } from '../access/visibility.ts';
import { type AskedOfDatastores, wholeDatastores } from './asked.ts';
import type { Datastore } from './datastore.ts';
import { FewFinder, isNarrowed } from './few-store.ts';
import {
  type DatastoreQuery,
  fits,
  isFiltered,
  isInPart,
  isOneOfFew,
  type OrderColumn,
  orderColumns,
  type Part,
  partsOf,
} from './query.ts';
import type { JoinedRow } from './related.ts';
import { datastoreMaker, selectDatastores } from './store.ts';

/** How much a list or a count does before it goes another way. */
export interface Bounds {
  /** As few as that, which an index tells at once, are sorted before any is looked at along the order. */
  readonly atOnce: number;
  /** How many datastores a list looks at, along its order, before it asks whether a filter leaves few. */
  readonly lookedAt: number;
  /** As few as that are sorted. */
  readonly sorted: number;
  /** How many datastores that a filter leaves are counted. */
  readonly counted: number;
  /** How many are looked at to count those that fit, where most do or no filter alone leaves few. */
  readonly countedAmong: number;
}

/** With how many times as much it is tried again where neither way leads to a page. */
const TRIES = [1, 10];
const BOUNDS: Bounds = { atOnce: 200, lookedAt: 500, sorted: 2_000, counted: 10_000, countedAmong: 20_000 };

/** How many datastores there are. */
export interface DatastoreCount {
  readonly count: number;
  /** False: there are at least so many. */
  readonly isExact: boolean;
}

/** Where in a list to read, and how many rows. */
interface Stretch extends Pick<PageRequest, 'after' | 'before' | 'offset'> {
  readonly limit: number;
}

/** A list that is read. */
interface Listing {
  readonly database: Database;
  readonly access: Sight;
  readonly query: DatastoreQuery;
  readonly column: OrderColumn;
  readonly direction: 'asc' | 'desc';
  readonly asked: AskedOfDatastores;
  readonly stretch: Stretch;
}

/** Where a row stands in a list. */
interface Place {
  readonly at: string;
  readonly id: string;
}

/** Names a list's order in its cursors. */
export function orderName(query: Pick<DatastoreQuery, 'order'>): string {
  return `${query.order.field} ${query.order.direction}`;
}

/**
 * Reads a page of the datastores that the caller may see. What is not asked for may be missing in them. What a filter
 * leaves is met soon along the order of the list, or is found by an index of the filter and sorted: so a page costs the
 * same however many datastores there are. Only where many fit, and all of them stand far behind the cursor, it costs
 * more.
 */
export async function listDatastores(
  database: Database,
  access: Access,
  query: DatastoreQuery,
  request: PageRequest,
  asked: AskedOfDatastores = wholeDatastores,
  bounds = BOUNDS,
): Promise<Page<Datastore>> {
  const column = orderColumns[query.order.field];
  const direction = (query.order.direction === 'ASC') !== request.backward ? 'asc' : 'desc';
  const stretch = { ...request, limit: request.size + 1 };
  const rows = await rowsOf({ database, access, query, column, direction, asked, stretch }, bounds);
  const cursorOf = (row: JoinedRow) => {
    if (!asked.cursors) throw new Error('A cursor is read that was not asked for');
    return encodeCursor(orderName(query), [row[column], row.id]);
  };
  return toPage(rows, request, cursorOf, datastoreMaker(asked));
}

async function rowsOf(listing: Listing, bounds: Bounds): Promise<JoinedRow[]> {
  const { database, access, query, stretch } = listing;
  const [only, ...others] = partsOf(access, query);
  if (only && others.length === 0 && isKept(listing, only)) return walkAgain(listing, only);
  if (!isNarrowed(access, query)) return walk(listing, null);
  const few = new FewFinder(database, access, query);
  const veryFew = await few.findAtOnce(bounds.atOnce);
  if (veryFew) return sortFew(listing, veryFew);
  for (const times of TRIES) {
    const end = await placeBehind(listing, bounds.lookedAt * times);
    const near = await walk(listing, end);
    if (end === null || near.length === stretch.limit) return near;
    const ids = await few.find(bounds.sorted * times);
    if (ids !== null) return sortFew(listing, ids);
  }
  return walk(listing, null);
}

/** Finds where the row stands that comes after so many, whatever the filter; null where the list ends before. */
async function placeBehind(listing: Listing, count: number): Promise<Place | null> {
  const { database, access, query, stretch } = listing;
  const next = { ...stretch, offset: count, limit: 1 };
  const bounds = isBounded(stretch) ? [isBetween(listing, stretch)] : [];
  const places = placesIn(listing, partsOf(access, query), next, bounds);
  return (await database.query.selectFrom(places).selectAll().executeTakeFirst()) ?? null;
}

/** Walks along the order from the cursor on, to its end or to a place, and reads what fits. */
async function walk(listing: Listing, end: Place | null): Promise<JoinedRow[]> {
  return along(listing, partsOf(listing.access, listing.query), listing.stretch, end).execute();
}

/** Reads what fits of some parts. What is not narrowed is read as it stands in the index, from the cursor on. */
function along(listing: Listing, parts: readonly Part[], stretch: Stretch, end: Place | null) {
  const { database, access, query, column, direction, asked } = listing;
  const conditions = conditionsOf(listing, stretch, end);
  const [only, ...others] = parts;
  const isAsItStands = listing.stretch.offset === 0 && !isNarrowed(access, query);
  if (only === undefined || others.length > 0 || !isAsItStands)
    return readPlaces(listing, placesIn(listing, parts, stretch, conditions));
  return selectDatastores(database, asked, column)
    .where(isInPart(access, query, only))
    .$call((found) => conditions.reduce((some, one) => some.where(one), found))
    .orderBy(`datastores.${column}`, direction)
    .orderBy('datastores.id', direction)
    .limit(stretch.limit);
}

/**
 * Reads the datastores of places that a statement finds. So it looks at more of those that it walks along than an index
 * has, and at what they lead to, only where they are read.
 */
function readPlaces({ database, column, direction, asked }: Listing, places: AliasedExpression<Place, 'place'>) {
  return selectDatastores(database, asked, column)
    .innerJoin(places, 'place.id', 'datastores.id')
    .orderBy('place.at', direction)
    .orderBy('place.id', direction);
}

type Condition = (eb: ExpressionBuilder<Tables, 'datastores'>) => Expression<SqlBool>;

/** Makes the conditions that rows fit the filter, stand between the cursors and come before the end. */
function conditionsOf(listing: Listing, stretch: Stretch, end: Place | null): readonly Condition[] {
  const { database, query } = listing;
  return [
    ...(isFiltered(query) ? [fits(database.kind, query)] : []),
    ...(isBounded(stretch) ? [isBetween(listing, stretch)] : []),
    ...(end === null ? [] : [isBefore(listing, end)]),
  ];
}

/** Finds the places of what is in some parts and meets the conditions, from an offset on. */
function placesIn(listing: Listing, parts: readonly Part[], stretch: Stretch, conditions: readonly Condition[]) {
  const { database, access, query, column, direction } = listing;
  const { limit, offset } = stretch;
  const placesOf = (part: Part, last: number) =>
    database.query
      .selectFrom('datastores')
      .select([`${column} as at`, 'id'])
      .where(isInPart(access, query, part))
      .$call((found) => conditions.reduce((some, one) => some.where(one), found))
      .orderBy(`datastores.${column}`, direction)
      .orderBy('datastores.id', direction)
      .limit(last);
  const [only, ...others] = parts;
  if (only && others.length === 0) return placesOf(only, limit).offset(offset).as('place');
  // in a union SQLite takes the order and the limit of a part inside of that part alone
  const union = parts
    .map((part) => database.query.selectFrom(placesOf(part, offset + limit).as('part')).selectAll())
    .reduce((all, part) => all.unionAll(part));
  const merged = database.query.selectFrom(union.as('found')).selectAll();
  return merged.orderBy('at', direction).orderBy('id', direction).limit(limit).offset(offset).as('place');
}

/** Whether nothing but places differs in a statement from one list to the next. */
function isKept({ access, query }: Listing, { environmentId }: Part): boolean {
  const sees = environmentId === null ? access.environmentIds === 'all' : isVisible(access, environmentId);
  return sees && !isFiltered(query);
}

const walks = new PreparedStatements<Stretch & Pick<Part, 'environmentId'>>();

/** Reads a page of what is not filtered, by a statement that is kept. */
async function walkAgain(listing: Listing, { environmentId }: Part): Promise<JoinedRow[]> {
  const { database, query, direction, asked, stretch } = listing;
  const isGiven = (one: unknown) => (one === null ? 'no' : 'one');
  const bounds = `${isGiven(stretch.after)} ${isGiven(stretch.before)} ${stretch.offset > 0 ? 'skips' : 'begins'}`;
  const isPage = database.kind === 'postgres' && stretch.offset === 0 && stretch.limit <= MOST_OF_A_PAGE;
  const shape = `${orderName(query)} ${direction} ${isGiven(environmentId)} ${bounds} ${isPage} ${asked.name}`;
  const statement = (place: PlaceOf<Stretch & Pick<Part, 'environmentId'>>) => {
    const at = (name: 'after' | 'before') =>
      stretch[name] && [place((values) => values[name]?.[0] ?? ''), place((values) => values[name]?.[1] ?? '')];
    const part = { environmentId: environmentId === null ? null : place((values) => values.environmentId), type: null };
    const limit = place((values) => values.limit);
    const places = {
      ...{ after: at('after'), before: at('before') },
      ...{ limit, offset: place((values) => values.offset) },
    };
    // that the caller sees it was looked at before, for the place of an environment is none that could be seen
    const all: Listing = { ...listing, access: { environmentIds: 'all' }, query: { ...query, environmentId: null } };
    if (!isPage) return along(all, [part], places, null);
    const rows =
      part.environmentId === null
        ? along(all, [part], { ...places, limit: known(MOST_OF_A_PAGE) }, null)
        : withinOne(listing, part.environmentId, places);
    return firstOf(database, rows, limit);
  };
  return (await walks.run(database, shape, statement, { ...stretch, environmentId })).rows;
}

/** The rows of the largest page, and the one that tells whether there is a next page. */
const MOST_OF_A_PAGE = maxPageSize + 1;
/** So many limits that it does not know leave less than a row of the largest environment, by what Postgres expects. */
const LIMITS = 4;

/** A number that stands in a statement as it is. */
function known(number: number): number {
  // it may stand wherever Kysely takes the number itself
  return sql.lit(number) as unknown as number;
}

type PageRows = SelectQueryBuilder<Tables, 'datastores', JoinedRow>;

/**
 * Takes the first of a page's rows, in their order. Postgres plans a statement anew each time, for longer than it then
 * reads, unless one plan for all values looks cheaper. Of a limit that it does not know it expects a tenth of the rows,
 * and so next to none of limits of limits, than which nothing is cheaper. Where it needed no more than what another
 * index has, it would rather sort the whole of that, though it were a million: it has to look at what none has.
 */
function firstOf({ query }: Database, rows: PageRows, limit: number): PageRows {
  let page = rows.where('datastores.version', '>', known(0));
  for (let limits = 1; limits < LIMITS; limits += 1)
    page = query.selectFrom(page.as('page')).selectAll().limit(limit) as unknown as PageRows;
  return page;
}

/**
 * Reads a page of one environment. Postgres plans it once for all environments, and where it knew of one alone it would
 * walk along all datastores for the next one as well: an order that begins with the environment leaves it no choice.
 */
function withinOne(
  { database, query, column, direction, asked }: Listing,
  environmentId: string,
  { after, before, limit }: Stretch,
) {
  const [forward, backward] = query.order.direction === 'ASC' ? (['>', '<'] as const) : (['<', '>'] as const);
  return selectDatastores(database, asked, column)
    .where(({ and, eb, refTuple, tuple }) => {
      const place = refTuple('datastores.environment_id', `datastores.${column}`, 'datastores.id');
      const bounds = [[forward, after] as const, [backward, before] as const].map(([is, cursor]) =>
        cursor === null
          ? eb('datastores.environment_id', `${is}=`, environmentId)
          : eb(place, is, tuple(environmentId, cursor[0] ?? '', cursor[1] ?? '')),
      );
      return and(bounds);
    })
    .orderBy('datastores.environment_id', direction)
    .orderBy(`datastores.${column}`, direction)
    .orderBy('datastores.id', direction)
    .limit(limit);
}

/** Reads what fits of the few that were found. */
async function sortFew(listing: Listing, ids: readonly string[]): Promise<JoinedRow[]> {
  const { database, access, query, column, direction, stretch } = listing;
  const places = database.query
    .selectFrom('datastores')
    .select([`${column} as at`, 'id'])
    .where(isOneOfFew(database.kind, access, query, ids))
    .$call((found) => conditionsOf(listing, stretch, null).reduce((some, one) => some.where(one), found))
    .orderBy(`datastores.${column}`, direction)
    .orderBy('datastores.id', direction)
    .limit(stretch.limit)
    .offset(stretch.offset);
  return readPlaces(listing, places.as('place')).execute();
}

function isBounded({ after, before }: Stretch): boolean {
  return after !== null || before !== null;
}

/** Makes the condition that rows stand between the cursors. */
function isBetween({ query, column }: Listing, { after, before }: Stretch) {
  const [forward, backward] = query.order.direction === 'ASC' ? (['>', '<'] as const) : (['<', '>'] as const);
  return ({ and, eb, refTuple, tuple }: ExpressionBuilder<Tables, 'datastores'>) => {
    const place = refTuple(`datastores.${column}`, 'datastores.id');
    return and([
      ...(after === null ? [] : [eb(place, forward, tuple(after[0] ?? '', after[1] ?? ''))]),
      ...(before === null ? [] : [eb(place, backward, tuple(before[0] ?? '', before[1] ?? ''))]),
    ]);
  };
}

/** Makes the condition that rows come before a place, in the direction in which they are read. */
function isBefore({ column, direction }: Listing, { at, id }: Place) {
  return ({ eb, refTuple, tuple }: ExpressionBuilder<Tables, 'datastores'>) =>
    eb(refTuple(`datastores.${column}`, 'datastores.id'), direction === 'asc' ? '<' : '>', tuple(at, id));
}

/** Counts what a list has on all of its pages, up to a bound. */
export async function countDatastores(
  database: Database,
  access: Access,
  listed: DatastoreQuery,
  bounds = BOUNDS,
): Promise<DatastoreCount> {
  // the order of a list may stand for one of its filters
  const query: DatastoreQuery = { ...listed, order: { field: 'NAME', direction: 'ASC' } };
  if (!isFiltered({ ...query, types: null })) return { count: await keptCount(database, access, query), isExact: true };
  const finder = new FewFinder(database, access, query);
  const found = await finder.count(bounds.counted + 1);
  if (found !== null) return bounded(bounds.counted, found);
  const common = query.search ? await countCommon(database, access, query, bounds) : null;
  if (common) return common;
  const ids = await finder.find(bounds.counted);
  if (ids !== null) return { count: await countFew(database, access, query, ids), isExact: true };
  return countAlong(database, access, query, bounds);
}

/**
 * Counts what is common, which more than half of the first have, along a list: an index of texts gives each id that is
 * counted, and Postgres reads all of what it finds there.
 * @returns null where the index has to tell
 */
async function countCommon(
  database: Database,
  access: Access,
  query: DatastoreQuery,
  bounds: Bounds,
): Promise<DatastoreCount | null> {
  const { lookedAt, counted } = bounds;
  if ((await countFirst(database, access, query, { lookedAt, counted })) * 2 <= lookedAt) return null;
  const found = await countAlong(database, access, query, bounds);
  return found.isExact || found.count === counted ? found : null;
}

/** Counts what fits among as many as a count looks at. */
async function countAlong(
  database: Database,
  access: Access,
  query: DatastoreQuery,
  { counted, countedAmong }: Bounds,
): Promise<DatastoreCount> {
  const found = bounded(counted, await countFirst(database, access, query, { lookedAt: countedAmong, counted }));
  if (!found.isExact) return found;
  const all = await keptCount(database, access, { ...query, types: null });
  return { ...found, isExact: all <= countedAmong };
}

function bounded(counted: number, found: number): DatastoreCount {
  return { count: Math.min(found, counted), isExact: found <= counted };
}

/** Counts what fits of the first that are looked at; where it is more than is counted, it is one more. */
async function countFirst(
  { query: tables, kind }: Database,
  access: Access,
  query: DatastoreQuery,
  { lookedAt, counted }: Pick<Bounds, 'lookedAt' | 'counted'>,
): Promise<number> {
  const looked = tables
    .selectFrom('datastores')
    .selectAll()
    .where(whereVisible(access, 'datastores.environment_id', query.environmentId))
    .limit(lookedAt);
  const found = tables
    .selectFrom(looked.as('datastores'))
    .select('datastores.id')
    .where(fits(kind, query))
    .limit(counted + 1);
  const { count } = await tables
    .selectFrom(found.as('found'))
    .select(({ fn }) => fn.countAll().as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** Counts what fits of the few that were found. */
async function countFew(
  { query: tables, kind }: Database,
  access: Access,
  query: DatastoreQuery,
  ids: readonly string[],
): Promise<number> {
  const { count } = await tables
    .selectFrom('datastores')
    .select(({ fn }) => fn.countAll().as('count'))
    .where(isOneOfFew(kind, access, query, ids))
    .where(fits(kind, query))
    .executeTakeFirstOrThrow();
  return Number(count);
}

async function keptCount(
  database: Database,
  access: Access,
  { environmentId, types }: DatastoreQuery,
): Promise<number> {
  const { count } = await database.query
    .selectFrom('datastore_counts')
    .select(({ fn }) => fn.sum('count').as('count'))
    .where(whereVisible(access, 'datastore_counts.environment_id', environmentId))
    .$if(types !== null, (counts) => counts.where(isOneOf('datastore_counts.type', types ?? [])))
    .executeTakeFirstOrThrow();
  return Number(count);
}
