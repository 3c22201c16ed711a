import {
  type Insertable,
  type InsertQueryBuilder,
  type InsertResult,
  sql,
  type UpdateQueryBuilder,
  type UpdateResult,
} from 'kysely';
import type { Database } from './database.ts';
import { type PlaceOf, placesOfAll } from './prepared-statements.ts';
import type { Tables } from './tables.ts';

type Column<Row> = keyof Row & string;

/** What statements that take rows have in common. */
interface Taken<Row> {
  /** The columns of integers; all others are texts. */
  readonly numbers: readonly Column<Row>[];
  readonly place: PlaceOf<readonly Row[]>;
}

/**
 * Rows for a statement of Postgres, as the table `taken`: a list for each column, so that the statement is the same for
 * however many. The lists stand in a subquery of their own: where Postgres saw how long they are, it would plan the
 * statement anew each time that they are short.
 */
function takenRows<Row>(columns: readonly Column<Row>[], { numbers, place }: Taken<Row>) {
  const lists = columns.map((column) => {
    const type = sql.raw(numbers.includes(column) ? 'bigint[]' : 'text[]');
    return sql`${place((rows) => rows.map((row) => row[column]))}::${type} as ${sql.ref(column)}`;
  });
  const inLists = columns.map((column) => sql.ref(`lists.${column}`));
  const names = columns.map((column) => sql.ref(column));
  return [
    sql`(select ${sql.join(lists)} offset 0)`.as('lists'),
    sql`unnest(${sql.join(inLists)})`.as(sql`taken(${sql.join(names)})`),
  ] as const;
}

/** Inserts rows of the same columns. On Postgres one statement can do it for several changes. */
export function insertAll<Table extends keyof Tables, Row extends Insertable<Tables[Table]> & object>(
  kind: Database['kind'],
  into: InsertQueryBuilder<Tables, Table, InsertResult>,
  { rows, ...taken }: Taken<Row> & { readonly rows: readonly Row[] },
): InsertQueryBuilder<Tables, Table, InsertResult> {
  if (kind === 'sqlite') return into.values(placesOfAll(rows, taken.place));
  const columns = Object.keys(rows[0] ?? {}) as Column<Row>[];
  const all = sql`select taken.* from ${sql.join(takenRows(columns, taken))}`;
  return into.columns(columns as never).expression(all as never);
}

/**
 * Updates a row by one that is given. On Postgres one statement can do it for several changes. Columns are named with
 * what of the given row they are set to, or have to be equal to.
 */
export function updateAll<Table extends keyof Tables & string, Row extends object>(
  kind: Database['kind'],
  update: UpdateQueryBuilder<Tables, Table, Table, UpdateResult>,
  parts: Taken<Row> & {
    readonly table: Table;
    readonly set: Readonly<Record<string, Column<Row>>>;
    readonly where: Readonly<Record<string, Column<Row>>>;
  },
): UpdateQueryBuilder<Tables, Table, Table, UpdateResult> {
  const { table, set, where, place } = parts;
  const isPostgres = kind === 'postgres';
  const given = (column: Column<Row>) => (isPostgres ? sql.ref(`taken.${column}`) : place(([row]) => row?.[column]));
  const columns = [...new Set([...Object.values(set), ...Object.values(where)])];
  const source = isPostgres ? update.from(takenRows(columns, parts) as never) : update;
  const values = Object.fromEntries(Object.entries(set).map(([name, column]) => [name, given(column)]));
  return Object.entries(where).reduce(
    (some, [name, column]) => some.where(`${table}.${name}` as never, '=', given(column) as never),
    source.set(values as never) as typeof update,
  );
}
