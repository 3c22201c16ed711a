import type { Compilable, CompiledQuery, QueryResult } from 'kysely';
import type { ChainLink } from '../journal/chain-link.ts';

/** How many statements of one kind are kept: the oldest goes. */
const MAX_KEPT = 200;

/** Stands in a statement for a value that is known when it runs. */
class Place<Values> {
  readonly valueFrom: (values: Values) => unknown;

  constructor(valueFrom: (values: Values) => unknown) {
    this.valueFrom = valueFrom;
  }
}

/** Makes the place of a value in a statement, which may stand wherever Kysely takes the value itself. */
export type PlaceOf<Values> = <Value>(valueFrom: (values: Values) => Value) => Value;

/** A database, or a change in it. */
interface Asked {
  readonly kind: 'sqlite' | 'postgres';
  readonly query: { readonly executeQuery: <Row>(query: CompiledQuery<Row>) => Promise<QueryResult<Row>> };
  readonly runAtOnce?: <Row>(statement: CompiledQuery) => QueryResult<Row> | undefined;
  readonly readShort?: <Row>(statement: CompiledQuery) => Promise<QueryResult<Row>> | undefined;
}

/** The rows that a statement takes, and the values of its places for any others. */
export interface TakenRows {
  readonly rows: readonly object[];
  readonly parametersOf: (rows: readonly object[]) => readonly unknown[];
}

/** A statement that runs again and again. */
interface KeptQuery extends CompiledQuery {
  /** The same for the same text, in this process. */
  readonly name: string;
  /** Nobody waits for what it comes to: in a change it goes with the next statement, or with the COMMIT. */
  readonly isDeferred: boolean;
  /** It reads so little that others of its kind may be read before its answer comes. */
  readonly isShort: boolean;
  /** Makes what the change fails with where no row is found for it. */
  readonly orElse?: (() => Error) | undefined;
  /** On SQLite: told, before the change is stored, that it has written a row. */
  readonly onWritten?: (() => void) | undefined;
  /** On Postgres: what several changes do by it can be done by one for all of their rows. */
  readonly taken?: TakenRows | undefined;
  /** It stands for what makes a chain longer, and is not run itself. */
  readonly link?: ChainLink | undefined;
  /** On Postgres: for several changes that are stored together it is sent once. */
  readonly isRing?: boolean | undefined;
}

let count = 0;

/** What a driver may go by, where these statements have made a query. */
export function keptOf(
  query: CompiledQuery & Partial<KeptQuery>,
): Partial<Pick<KeptQuery, 'name' | 'isDeferred' | 'isShort' | 'orElse' | 'onWritten' | 'taken' | 'link' | 'isRing'>> {
  return query;
}

/** Statements of one kind that Kysely builds and compiles once for each shape, not for each time that they run. */
export class PreparedStatements<Values> {
  readonly #isShort: boolean;
  readonly #takesRows: boolean;
  readonly #statements = new Map<string, KeptQuery>();

  /**
   * `isShort`: outside of changes many of them may go to Postgres together, one after the other.
   * `takesRows`: the values are rows, which the statement takes as insertAll() and updateAll() have it.
   */
  constructor({
    isShort = false,
    takesRows = false,
  }: { readonly isShort?: boolean; readonly takesRows?: boolean } = {}) {
    this.#isShort = isShort;
    this.#takesRows = takesRows;
  }

  /**
   * Runs the statement of a shape, which names all that `build` goes by. `build` has no values, only their places: what
   * it would look at of a value belongs to the shape.
   */
  async run<Row>(
    database: Asked,
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<Row>,
    values: Values,
  ): Promise<QueryResult<Row>> {
    const query = this.of(database.kind, shape, build, values) as KeptQuery & CompiledQuery<Row>;
    const result = database.runAtOnce?.<Row>(query);
    return result ?? (await (database.readShort?.<Row>(query) ?? database.query.executeQuery(query)));
  }

  /** The statement of a shape with its values, for whoever has another way to run it; `orElse` as in runLater(). */
  of(
    kind: Asked['kind'],
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<unknown>,
    values: Values,
    orElse?: () => Error,
  ): KeptQuery {
    const isCounted = kind === 'postgres' && orElse !== undefined;
    const statement = this.#statementFor(`${kind} ${shape}${isCounted ? ' counted' : ''}`, build, isCounted);
    const taken = this.#takesRows && kind === 'postgres' ? takenBy(statement, values as readonly object[]) : undefined;
    return { ...statement, parameters: parametersOf(statement, values), orElse, taken };
  }

  /**
   * The same for what writes or locks, and tells nothing. It may run with the change's next statement, which then fails
   * if this one does, or with the COMMIT.
   * @param orElse makes what the change fails with when no row is found; left out: that is all right
   * @param onWritten told on SQLite, before the change is stored, that a row was written
   */
  async runLater(
    database: Asked,
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<unknown>,
    values: Values,
    orElse?: () => Error,
    onWritten?: () => void,
  ): Promise<void> {
    const later: KeptQuery = { ...this.of(database.kind, shape, build, values, orElse), isDeferred: true, onWritten };
    if (!database.runAtOnce?.(later)) await database.query.executeQuery(later);
  }

  #statementFor(key: string, build: (place: PlaceOf<Values>) => Compilable<unknown>, isCounted: boolean): KeptQuery {
    return this.#statements.get(key) ?? this.#compile(key, build, isCounted);
  }

  #compile(key: string, build: (place: PlaceOf<Values>) => Compilable<unknown>, isCounted: boolean): KeptQuery {
    count += 1;
    const built = build((valueFrom) => new Place(valueFrom) as never).compile();
    const compiled = isCounted ? failingWithoutRows(built, this.#takesRows) : built;
    const statement = { ...compiled, name: `kept_${count}`, isDeferred: false, isShort: this.#isShort };
    const [oldest] = this.#statements.keys();
    if (this.#statements.size >= MAX_KEPT && oldest !== undefined) this.#statements.delete(oldest);
    this.#statements.set(key, statement);
    return statement;
  }
}

/** The values that stand in a statement's places. */
function parametersOf<Values>({ parameters }: CompiledQuery, values: Values): unknown[] {
  return parameters.map((one) => (one instanceof Place ? one.valueFrom(values) : one));
}

/** What Postgres says of a statement that was to write or lock a row, and has found none. */
export const NO_ROW_FOUND = '22012';

/** Has Postgres break the change off by itself, where it does not find each of the rows: it divides by zero. */
function failingWithoutRows(query: CompiledQuery, takesRows: boolean): CompiledQuery {
  const returning = query.query.kind === 'SelectQueryNode' ? '' : ' returning 1';
  const counted = (found: string) => `with found as (${query.sql}${returning}) select 1 / ${found} from found`;
  if (!takesRows) return { ...query, sql: counted('count(*)') };
  const parameters = [...query.parameters, new Place((rows: readonly object[]) => rows.length)];
  return { ...query, sql: counted(`(count(*) = $${parameters.length})::integer`), parameters };
}

function takenBy(statement: CompiledQuery, rows: readonly object[]): TakenRows {
  return { rows, parametersOf: (others) => parametersOf(statement, others) };
}

/** A place for each value of a row that is inserted or updated. */
export function placesOf<Row extends object>(row: Row, place: PlaceOf<Row>): Row {
  const names = Object.keys(row) as (keyof Row)[];
  return Object.fromEntries(names.map((name) => [name, place((values) => values[name])])) as Row;
}

/** The same for each of several rows. */
export function placesOfAll<Row extends object>(rows: readonly Row[], place: PlaceOf<readonly Row[]>): Row[] {
  return rows.map((row, at) => placesOf(row, (of) => place((values) => of(values[at] as Row))));
}
