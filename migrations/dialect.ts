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

export const isPostgres = (db: Schema) => db.getExecutor().adapter instanceof PostgresAdapter;

/** What a trigger does after each row, in one statement that takes the row as `new` or `old`. */
export interface Trigger {
  readonly name: string;
  readonly table: string;
  /** `insert`, `delete`, `update of …`. */
  readonly event: string;
  readonly when?: string;
  readonly work: string;
  /** On Postgres it waits for the end of the transaction; SQLite has one at a time. */
  readonly isDeferred?: boolean;
}

export async function createTrigger(db: Schema, trigger: Trigger): Promise<void> {
  const [name, table, work] = [sql.ref(trigger.name), sql.table(trigger.table), sql.raw(trigger.work)];
  const after = sql.raw(`after ${trigger.event}`);
  const when = trigger.when === undefined ? sql`` : sql`when (${sql.raw(trigger.when)})`;
  if (!isPostgres(db))
    return void (await sql`create trigger ${name} ${after} on ${table} ${when} begin ${work}; end`.execute(db));
  await sql`create function ${name}() returns trigger language plpgsql as $$
    begin ${work}; return null; end $$`.execute(db);
  const kind = sql.raw(trigger.isDeferred ? 'constraint trigger' : 'trigger');
  const moment = sql.raw(trigger.isDeferred ? 'deferrable initially deferred' : '');
  await sql`create ${kind} ${name} ${after} on ${table} ${moment}
    for each row ${when} execute function ${name}()`.execute(db);
}

export async function dropTrigger(db: Schema, { name, table }: Pick<Trigger, 'name' | 'table'>): Promise<void> {
  if (!isPostgres(db)) return void (await sql`drop trigger ${sql.ref(name)}`.execute(db));
  await sql`drop trigger ${sql.ref(name)} on ${sql.table(table)}`.execute(db);
  await sql`drop function ${sql.ref(name)}()`.execute(db);
}

/**
 * Has older versions that run beside a migration wait with their changes until it ends: what they change between its
 * reading of a table and its making of a trigger would be missed. They can read meanwhile.
 */
export async function holdWrites(db: Schema, ...tables: readonly string[]): Promise<void> {
  if (!isPostgres(db)) return;
  await sql`lock table ${sql.join(tables.map((name) => sql.table(name)))} in share row exclusive mode`.execute(db);
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
  if (isPostgres(db)) {
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
