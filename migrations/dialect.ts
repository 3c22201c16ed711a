import {
  type ColumnDataType,
  type CreateTableBuilder,
  type Expression,
  type Kysely,
  PostgresAdapter,
  sql,
} from 'kysely';

type Schema = Kysely<unknown>;

/** Makes an index whose name tells its columns. */
export async function index(db: Schema, table: string, columns: string[]): Promise<void> {
  await db.schema
    .createIndex([table, ...columns, 'idx'].join('_'))
    .on(table)
    .columns(columns)
    .execute();
}

export interface DialectParts {
  /** On Postgres it has the order of bytes, which is SQLite's, so that lists come in the same order on both. */
  readonly text: ColumnDataType | Expression<unknown>;
  readonly real: ColumnDataType | Expression<unknown>;
  /** It holds up to 2^53, which is what a caller's cursor may hold. */
  readonly longInteger: ColumnDataType;
  readonly table: (name: string) => CreateTableBuilder<string>;
}

/** What the two databases call differently. */
export function dialectOf(db: Schema): DialectParts {
  if (db.getExecutor().adapter instanceof PostgresAdapter) {
    return {
      text: sql`text collate "C"`,
      real: 'double precision',
      longInteger: 'bigint',
      table: (name) => db.schema.createTable(name),
    };
  }
  // with strict, SQLite refuses a value of another type as Postgres does
  return {
    text: 'text',
    real: 'real',
    longInteger: 'integer',
    table: (name) => db.schema.createTable(name).modifyEnd(sql`strict`),
  };
}
