import type { Compilable, CompiledQuery, QueryResult } from 'kysely';
import type { Database } from './database.ts';

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

/** Statements of one kind that Kysely builds and compiles once for each shape, not for each time that they run. */
export class PreparedStatements<Values> {
  readonly #statements = new Map<string, CompiledQuery>();

  /**
   * Runs the statement of a shape, which names all that `build` goes by. `build` has no values, only their places: what
   * it would look at of a value belongs to the shape.
   */
  async run<Row>(
    database: Pick<Database, 'kind' | 'query'> & Partial<Pick<Database, 'readAtOnce'>>,
    shape: string,
    build: (place: PlaceOf<Values>) => Compilable<Row>,
    values: Values,
  ): Promise<QueryResult<Row>> {
    const key = `${database.kind} ${shape}`;
    const statement = this.#statements.get(key) ?? this.#compile(key, build);
    const parameters = statement.parameters.map((one) => (one instanceof Place ? one.valueFrom(values) : one));
    const filled = { ...(statement as CompiledQuery<Row>), parameters };
    const read = statement.query.kind === 'SelectQueryNode' ? database.readAtOnce?.<Row>(filled) : undefined;
    return read ?? (await database.query.executeQuery<Row>(filled));
  }

  #compile(key: string, build: (place: PlaceOf<Values>) => Compilable<unknown>): CompiledQuery {
    const statement = build((valueFrom) => new Place(valueFrom) as never).compile();
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
