import type { Compilable, CompiledQuery, Kysely, QueryResult } from 'kysely';

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
  readonly query: Pick<Kysely<never>, 'executeQuery'>;
  readonly runAtOnce?: <Row>(statement: CompiledQuery) => QueryResult<Row> | undefined;
}

/** A statement that runs again and again. */
interface KeptQuery extends CompiledQuery {
  /** The same for the same text, in this process. */
  readonly name: string;
  /** Nobody waits for what it comes to: in a change on Postgres it goes with the next statement, or with the COMMIT. */
  readonly isDeferred: boolean;
}

let count = 0;

/** What a driver may go by, where these statements have made a query. */
export function keptOf(query: CompiledQuery & Partial<KeptQuery>): Partial<Pick<KeptQuery, 'name' | 'isDeferred'>> {
  return query;
}

/** Statements of one kind that Kysely builds and compiles once for each shape, not for each time that they run. */
export class PreparedStatements<Values> {
  readonly #statements = new Map<string, KeptQuery>();

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
    const query = this.#queryFor(database.kind, shape, build, values, false) as CompiledQuery<Row>;
    return database.runAtOnce?.<Row>(query) ?? (await database.query.executeQuery(query));
  }

  /**
   * The same for what tells nothing. On Postgres it may be sent with the change's next statement, which then fails if
   * this one does.
   */
  async runLater(
    database: Asked,
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<unknown>,
    values: Values,
  ): Promise<void> {
    const query = this.#queryFor(database.kind, shape, build, values, true);
    if (!database.runAtOnce?.(query)) await database.query.executeQuery(query);
  }

  #queryFor(
    kind: Asked['kind'],
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<unknown>,
    values: Values,
    isDeferred: boolean,
  ): KeptQuery {
    const key = `${kind} ${shape}`;
    const statement = this.#statements.get(key) ?? this.#compile(key, build);
    const parameters = statement.parameters.map((one) => (one instanceof Place ? one.valueFrom(values) : one));
    return { ...statement, parameters, isDeferred };
  }

  #compile(key: string, build: (place: PlaceOf<Values>) => Compilable<unknown>): KeptQuery {
    count += 1;
    const compiled = build((valueFrom) => new Place(valueFrom) as never).compile();
    const statement = { ...compiled, name: `kept_${count}`, isDeferred: false };
    const [oldest] = this.#statements.keys();
    if (this.#statements.size >= MAX_KEPT && oldest !== undefined) this.#statements.delete(oldest);
    this.#statements.set(key, statement);
    return statement;
  }
}

/** A place for each value of a row that is inserted or updated. */
export function placesOf<Row extends object>(row: Row, place: PlaceOf<Row>): Row {
  const names = Object.keys(row) as (keyof Row)[];
  return Object.fromEntries(names.map((name) => [name, place((values) => values[name])])) as Row;
}
