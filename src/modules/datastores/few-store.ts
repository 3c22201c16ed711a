import {
  type Expression,
  expressionBuilder,
  type RawBuilder,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
} from 'kysely';
import { type Database, isOneOf } from '../../platform/database/database.ts';
import type { Tables } from '../../platform/database/tables.ts';
import { type Sight, whereVisible } from '../access/visibility.ts';
import { fold } from './datastore.ts';
import { type DatastoreQuery, facetsOf, partsOf } from './query.ts';
import { sharesOf } from './term-shares.ts';

/** One of a query's filters, with an index of its own. */
interface Finder {
  /** Finds up to `limit` ids: all that the filter leaves, and perhaps more. */
  readonly find: (database: Database, limit: number) => Promise<readonly string[]>;
  /** Counts up to `limit` of them, where it finds what the filter leaves and the caller sees, and nothing else. */
  readonly count?: (database: Database, limit: number) => Promise<number>;
  /** Where it looks at all that there are, however few are asked for. */
  readonly looksAtAllOn?: Database['kind'];
}

/** Tells whether anything narrows a list but what an index has in its order. */
export function isNarrowed(access: Sight, query: DatastoreQuery): boolean {
  return query.ids !== null || findersOf(access, query).length > 0;
}

/** Finds the datastores that one of a query's filters leaves, where these are few: each is tried by its index. */
export class FewFinder {
  readonly #database: Database;
  readonly #ids: readonly string[] | null;
  readonly #finders: readonly Finder[];

  constructor(database: Database, access: Sight, query: DatastoreQuery) {
    this.#database = database;
    this.#ids = query.ids;
    this.#finders = findersOf(access, query);
  }

  /** Finds them where they are at most `most`, and an index tells so at once. */
  async findAtOnce(most: number): Promise<readonly string[] | null> {
    if (this.#ids !== null) return this.#ids;
    return this.#findBy(
      this.#finders.filter(({ looksAtAllOn }) => looksAtAllOn !== this.#database.kind),
      most,
    );
  }

  /** Finds them where they are at most `most`: each index is asked for no more than that. */
  async find(most: number): Promise<readonly string[] | null> {
    return this.#ids ?? (await this.#findBy(this.#finders, most));
  }

  /** Counts up to `limit` by an index, where one alone tells which fit; null where none does. */
  async count(limit: number): Promise<number | null> {
    const [only, ...others] = this.#ids === null ? this.#finders : [];
    return only?.count && others.length === 0 ? only.count(this.#database, limit) : null;
  }

  async #findBy(finders: readonly Finder[], most: number): Promise<readonly string[] | null> {
    for (const { find } of finders) {
      const ids = await find(this.#database, most + 1);
      if (ids.length <= most) return ids;
    }
    return null;
  }
}

function findersOf(access: Sight, query: DatastoreQuery): readonly Finder[] {
  const { environmentId, search, types, updatedSince } = query;
  const parts = partsOf(access, query);
  const seesAll = environmentId === null && access.environmentIds === 'all';
  const isOfType = types !== null && parts.some(({ type }) => type === null);
  const isOfSome = !seesAll && parts.some((part) => part.environmentId === null);
  return [
    ...(query.names ? [among(access, query, isOneOf('datastores.name', query.names))] : []),
    ...facetsOf(query).map((facet) => byFacet(access, query, facet)),
    ...query.tags.map((tag) => byTag(access, query, tag)),
    ...(search ? [byText(access, query, fold(search))] : []),
    ...(isOfType ? [among(access, query, isOneOf('datastores.type', types))] : []),
    ...(updatedSince && query.order.field !== 'UPDATED_AT'
      ? [among(access, query, expressionBuilder<Tables, 'datastores'>()('datastores.updated_at', '>=', updatedSince))]
      : []),
    ...(isOfSome ? [among(access, query, sql`true`)] : []),
  ];
}

/** Finds datastores by a column that has an index, within an environment and over all. */
function among(access: Sight, { environmentId }: DatastoreQuery, condition: Expression<SqlBool>): Finder {
  return byRows(({ query }) =>
    query
      .selectFrom('datastores')
      .select('id')
      .where(condition)
      .where(whereVisible(access, 'datastores.environment_id', environmentId)),
  );
}

function byFacet(access: Sight, { environmentId }: DatastoreQuery, condition: Expression<SqlBool>): Finder {
  return byRows(({ query }) =>
    query
      .selectFrom('datastore_facets')
      .select('datastore_id as id')
      .where(condition)
      .where(whereVisible(access, 'datastore_facets.environment_id', environmentId)),
  );
}

function byTag(
  access: Sight,
  { environmentId }: DatastoreQuery,
  { key, value }: DatastoreQuery['tags'][number],
): Finder {
  return byRows(({ query }) =>
    query
      .selectFrom('datastore_tags')
      .select('datastore_id as id')
      .where('key', '=', key)
      .$if(value !== null, (tags) => tags.where('value', '=', value ?? ''))
      .where(whereVisible(access, 'datastore_tags.environment_id', environmentId)),
  );
}

/** Finds datastores by rows of which each is of another one. */
function byRows(rowsIn: (database: Database) => SelectQueryBuilder<Tables, keyof Tables, { id: string }>): Finder {
  const find: Finder['find'] = async (database, limit) => {
    const rows = await rowsIn(database).limit(limit).execute();
    return rows.map(({ id }) => id);
  };
  const count: Finder['count'] = async (database, limit) => {
    const { count: found } = await database.query
      .selectFrom(rowsIn(database).limit(limit).as('found'))
      .select(({ fn }) => fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    return Number(found);
  };
  return { find, count };
}

/** How many characters in a row the index of texts has as one. */
const GRAM = 3;
/** More of them find hardly less. */
const MOST_GRAMS = 20;
/** The rarest of them find little more than all, which would be looked at for each that these find. */
const SOUGHT_GRAMS = { sqlite: 3, postgres: 4 } as const;
/** Behind every other character. */
const LAST_CHARACTER = '\u{10ffff}';

/**
 * Finds what has the grams of a text, in whichever order they stand there; a text of one or two characters is the
 * beginning of grams. Those that one may not see may be found as well.
 */
function byText(access: Sight, query: DatastoreQuery, text: string): Finder {
  const characters = [...text];
  const grams = characters.slice(0, 1 - GRAM).map((_, at) => characters.slice(at, at + GRAM).join(''));
  const wanted = characters.length < GRAM ? null : [...new Set(grams)].slice(0, MOST_GRAMS);
  let terms: Promise<readonly string[]> | undefined;
  const find: Finder['find'] = async (database, limit) => {
    if (database.kind === 'postgres') {
      terms ??= termsOnPostgres(database, wanted, soughtEnvironments(access, query));
      return onPostgres(database, wanted ? await terms : [`${quoted(text)}:*`, ...(await terms)], limit);
    }
    terms ??= wanted ? rarestOnSqlite(database, wanted) : undefined;
    const numbers = terms ? having(await terms) : beginningWith(text);
    return onSqlite(database, sql`${numbers} limit ${limit}`);
  };
  return { find, looksAtAllOn: 'postgres' };
}

async function onPostgres({ query }: Database, terms: readonly string[], limit: number): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`select datastore_id as id from datastore_search
    where search_terms(environment_id, text) @@ ${terms.join(' & ')}::tsquery limit ${limit}`.execute(query);
  return rows.map(({ id }) => id);
}

/** As many environments as that are sought among the terms of a text; of more, all is found that has the text. */
const MOST_ENVIRONMENTS = 10;

function soughtEnvironments({ environmentIds }: Sight, { environmentId }: DatastoreQuery): readonly string[] {
  const all = environmentIds === 'all' ? [] : [...environmentIds];
  const sought = environmentId === null ? all : [environmentId];
  return sought.length <= MOST_ENVIRONMENTS ? sought : [];
}

function quoted(term: string): string {
  return `'${term.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

async function onSqlite({ query }: Database, numbers: RawBuilder<unknown>): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`select datastore_id as id from (${numbers}) as found
      join datastore_facets on datastore_facets.number = found.number`.execute(query);
  return rows.map(({ id }) => id);
}

function beginningWith(text: string): RawBuilder<unknown> {
  return sql`select distinct doc as number from datastore_search_terms
    where term >= ${text} and term <= ${text + LAST_CHARACTER}`;
}

/** Those that have all of the grams, of which the first one ought to be the rarest. */
function having(grams: readonly string[]): RawBuilder<unknown> {
  const match = grams.map((gram) => `"${gram.replaceAll('"', '""')}"`).join(' AND ');
  return sql`select rowid as number from datastore_search where datastore_search match ${match}`;
}

async function rarestOnSqlite(database: Database, grams: readonly string[]): Promise<readonly string[]> {
  const shareOf = await sharesOf(database, grams);
  return grams.toSorted((one, other) => shareOf(one) - shareOf(other)).slice(0, SOUGHT_GRAMS.sqlite);
}

/**
 * Makes the terms of a text, and of the environments one that has any of them. Of many they are the rarest by the
 * statistics of the index, where all are that are common: a large environment is as long a list as a common gram.
 */
async function termsOnPostgres(
  database: Database,
  grams: readonly string[] | null,
  environmentIds: readonly string[],
): Promise<readonly string[]> {
  const environments = environmentIds.map((id) => `\n\n\n${id}`);
  const terms = [...(grams ?? []).map((gram) => [gram]), ...(environments.length > 0 ? [environments] : [])];
  const sought = grams && grams.length > SOUGHT_GRAMS.postgres ? await rarestOnPostgres(database, terms) : terms;
  return sought.map((anyOf) => `(${anyOf.map(quoted).join(' | ')})`);
}

async function rarestOnPostgres(
  database: Database,
  terms: readonly (readonly string[])[],
): Promise<readonly (readonly string[])[]> {
  const shareOf = await sharesOf(database, terms.flat());
  const shareOfAny = (anyOf: readonly string[]) => anyOf.reduce((sum, term) => sum + shareOf(term), 0);
  // all are rare, or there are no statistics yet
  if (terms.every((anyOf) => shareOfAny(anyOf) === 0)) return terms;
  return terms.toSorted((one, other) => shareOfAny(one) - shareOfAny(other)).slice(0, SOUGHT_GRAMS.postgres);
}
