/** A table of a fake warehouse, as its information_schema has it. */
export interface FakeTable {
  readonly schema: string;
  readonly name: string;
  /** Left out: BASE TABLE. */
  readonly kind?: string;
  readonly columns: readonly FakeColumn[];
}

export interface FakeColumn {
  readonly name: string;
  readonly type: string;
  /** Left out: YES. */
  readonly nullable?: 'YES' | 'NO';
}

type Row = (string | null)[];

const LITERAL = "'((?:[^']|'')*)'";
const PAGE = new RegExp(
  `where lower\\(table_schema\\) <> 'information_schema'(?: and table_schema = ${LITERAL})? and \\(table_schema > ${LITERAL} or \\(table_schema = ${LITERAL} and table_name > ${LITERAL}\\)\\) order by table_schema, table_name limit (\\d+)`,
);
const COLUMNS = new RegExp(
  `^select column_name, \\w+ from information_schema\\.columns where table_schema = ${LITERAL} and table_name = ${LITERAL} order by ordinal_position$`,
);
const COUNT = /^select count\(\*\) from information_schema\.tables where .*$/;

/**
 * The rows that information_schema gives for one of the statements that the connectors ask, all values in it written as
 * SQL literals; undefined for any other statement.
 */
export function askInformationSchema(sql: string, tables: readonly FakeTable[]): Row[] | undefined {
  const text = sql.replace(/\s+/g, ' ').trim();
  const columns = COLUMNS.exec(text);
  if (columns) {
    const [schema, name] = columns.slice(1).map(unquoted);
    const table = tables.find((each) => each.schema === schema && each.name === name);
    return table?.columns.map((column) => [column.name, column.type]) ?? [];
  }
  if (COUNT.test(text)) return [[String(tables.length)]];
  const page = PAGE.exec(text);
  return page ? pageOf(tables, page) : undefined;
}

function pageOf(tables: readonly FakeTable[], page: RegExpExecArray): Row[] {
  const only = page[1] === undefined ? undefined : unquoted(page[1]);
  const [afterSchema = '', sameSchema, afterName = ''] = page.slice(2, 5).map(unquoted);
  if (afterSchema !== sameSchema) throw new Error('the two conditions on the schema differ');
  return tables
    .filter((table) => only === undefined || table.schema === only)
    .filter(({ schema, name }) => schema > afterSchema || (schema === afterSchema && name > afterName))
    .toSorted((one, other) => compare(one.schema, other.schema) || compare(one.name, other.name))
    .slice(0, Number(page[5]))
    .flatMap(rowsOf);
}

function rowsOf({ schema, name, kind = 'BASE TABLE', columns }: FakeTable): Row[] {
  if (columns.length === 0) return [[schema, name, kind, null, null, null]];
  return columns.map((column) => [schema, name, kind, column.name, column.type, column.nullable ?? 'YES']);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function unquoted(literal: string | undefined): string {
  return (literal ?? '').replaceAll("''", "'");
}

/** A value as an SQL literal. */
export function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
