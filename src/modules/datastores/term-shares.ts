import { sql } from 'kysely';
import type { Database } from '../../platform/database/database.ts';

/** Of so many that have a term it is seen how rare it is. */
const SAMPLE = 50;
/** For so long nobody asks again: it matters for which terms are sought, not for what is found. */
const KNOWN_MS = 60_000;
const MOST_KNOWN = 10_000;

/** How rare terms of a database's index of texts are: a number for each, the least of what is rarest. */
class TermShares {
  readonly #database: Database;
  #shares = new Map<string, number>();
  #since = performance.now();

  constructor(database: Database) {
    this.#database = database;
  }

  async of(terms: readonly string[]): Promise<(term: string) => number> {
    const now = performance.now();
    if (now - this.#since > KNOWN_MS || this.#shares.size + terms.length > MOST_KNOWN) {
      this.#shares = new Map();
      this.#since = now;
    }
    const shares = this.#shares;
    const unknown = terms.filter((term) => !shares.has(term));
    if (unknown.length > 0) {
      const read = this.#database.kind === 'sqlite' ? sharesOnSqlite : sharesOnPostgres;
      for (const [term, share] of await read(this.#database, unknown)) shares.set(term, share);
    }
    return (term) => shares.get(term) ?? 0;
  }
}

const known = new WeakMap<Database, TermShares>();

/** Tells how rare terms are, or were a minute ago. */
export function sharesOf(database: Database, terms: readonly string[]): Promise<(term: string) => number> {
  const shares = known.get(database) ?? new TermShares(database);
  known.set(database, shares);
  return shares.of(terms);
}

type Shares = Iterable<readonly [term: string, share: number]>;

/** Tells it from how far the first that have them stand apart; what few have is rarer than all others. */
async function sharesOnSqlite({ query }: Database, terms: readonly string[]): Promise<Shares> {
  const { rows } = await sql<{ term: string; first: string }>`select value as term,
      (select json_array(count(*), max(doc))
        from (select doc from datastore_search_terms where term = value limit ${SAMPLE})) as first
    from json_each(${JSON.stringify(terms)})`.execute(query);
  return rows.map(({ term, first }) => {
    const [count, last] = JSON.parse(first) as [number, number | null];
    return [term, count < SAMPLE ? count - SAMPLE : count / (last ?? 1)];
  });
}

/** Tells it by the statistics of the index, where all are that are common: the others have none. */
async function sharesOnPostgres({ query }: Database, terms: readonly string[]): Promise<Shares> {
  const { rows } = await sql<{ term: string; share: number }>`select term, share
    from pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs) as common (term, share)
    where schemaname = current_schema() and tablename = 'datastore_search_terms_idx'
      and term = any(${terms}::text[])`.execute(query);
  const shares = new Map(rows.map(({ term, share }) => [term, share]));
  return terms.map((term) => [term, shares.get(term) ?? 0]);
}
