import { entriesOfRows } from '../checks/catalog.ts';
import type { CatalogColumn, CatalogEntry } from '../contract/catalog-entry.ts';
import { Failure } from '../contract/failure.ts';

/** The rows of an answer in which every value is text. */
export interface RowSet {
  readonly rows: readonly (readonly (string | null)[])[];
  /** False when the server has held some of the rows back. */
  readonly complete: boolean;
}

/**
 * A statement whose values stand where the warehouse wants them: `value` gives what to write into the SQL for a value,
 * be it a parameter or a quoted literal.
 */
export type Statement = (value: (text: string) => string) => string;

export type AskRows = (statement: Statement) => Promise<RowSet>;

export interface InformationSchemaOptions {
  /** The one schema that is read. Left out: all of them. */
  readonly schema?: string | undefined;
  /** The column of information_schema.columns that has the type in full. Left out: data_type. */
  readonly typeColumn?: string;
}

/**
 * The longest answer to one statement that is read, in bytes. Tables too wide for it are asked for in smaller numbers.
 */
export const MAX_ROWS_BYTES = 4 * 1024 * 1024;
const TOO_WIDE_HINT =
  'The columns of one table alone are more than the server sends, or the gateway reads, in one answer: leave its schema out, or grant no right on it.';
/** How many tables are asked for in one statement. */
const TABLES_AT_ONCE = 150;
/** The number of tables is divided by this when an answer was too long. */
const FEWER = 8;

/**
 * Reads the tables, views and columns that information_schema lists, but for its own, some hundred tables at a time.
 * When the server holds rows back, the next statement begins behind the last table that came as a whole.
 */
export async function* readInformationSchema(
  ask: AskRows,
  options: InformationSchemaOptions = {},
): AsyncGenerator<readonly CatalogEntry[]> {
  let after: readonly [schema: string, table: string] = ['', ''];
  for (let size = TABLES_AT_ONCE; ; ) {
    const answer = await unlessTooLong(ask(pageStatement(after, size, options)), size);
    if (!answer) {
      size = Math.ceil(size / FEWER);
      continue;
    }
    const { rows, complete } = answer;
    const [schema, table] = rows.at(-1) ?? [];
    if (schema == null || table == null) return;
    const whole = complete ? rows : rows.filter((row) => row[0] !== schema || row[1] !== table);
    const last = whole.at(-1);
    // a single table is too large for one answer
    if (last?.[0] == null || last[1] == null) throw new Failure('TOO_MUCH_DATA', { hint: TOO_WIDE_HINT });
    yield* entriesOfRows(whole, entryOf, columnOf);
    after = [last[0], last[1]];
    size = Math.min(size * 2, TABLES_AT_ONCE);
  }
}

/** The answer; undefined when it was too long, and fewer tables can be asked for. */
async function unlessTooLong(asking: Promise<RowSet>, size: number): Promise<RowSet | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (size > 1 && error instanceof Failure && error.report.code === 'TOO_MUCH_DATA') return undefined;
    throw error;
  }
}

function pageStatement(
  [schema, table]: readonly [string, string],
  size: number,
  options: InformationSchemaOptions,
): Statement {
  const { typeColumn = 'data_type' } = options;
  return (value) => {
    const only = options.schema === undefined ? '' : `and table_schema = ${value(options.schema)}`;
    return `
      select t.table_schema, t.table_name, t.table_type, c.column_name, c.${typeColumn}, c.is_nullable
        from (select table_schema, table_name, table_type
                from information_schema.tables
               where lower(table_schema) <> 'information_schema' ${only}
                 and (table_schema > ${value(schema)} or (table_schema = ${value(schema)} and table_name > ${value(table)}))
               order by table_schema, table_name
               limit ${size}) t
        left join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
       order by t.table_schema, t.table_name, c.ordinal_position`;
  };
}

function entryOf([schema, name, kind]: RowSet['rows'][number]): Omit<CatalogEntry, 'columns'> {
  return { namespace: schema ?? null, name: name ?? '', kind: /view/i.test(kind ?? '') ? 'VIEW' : 'TABLE' };
}

function columnOf([, , , name, dataType, nullable]: RowSet['rows'][number]): CatalogColumn | null {
  return name == null ? null : { name, dataType: dataType ?? '', nullable: nullableOf(nullable) };
}

function nullableOf(text: string | null | undefined): boolean | null {
  return text == null ? null : /^(yes|true|1)$/i.test(text);
}

/** The columns of one table, named as information_schema has it; null when there is none of that name. */
export async function informationSchemaColumns(
  ask: AskRows,
  table: { readonly schema: string; readonly table: string },
  typeColumn = 'data_type',
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  const { rows } = await ask(
    (value) => `
      select column_name, ${typeColumn}
        from information_schema.columns
       where table_schema = ${value(table.schema)} and table_name = ${value(table.table)}
       order by ordinal_position`,
  );
  if (rows.length === 0) return null;
  return rows.map(([name, dataType]) => ({ name: name ?? '', dataType: dataType ?? '' }));
}
