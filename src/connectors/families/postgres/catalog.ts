import { entriesOfRows } from '../../kit/checks/catalog.ts';
import type { CatalogColumn, CatalogEntry, CatalogEntryKind } from '../../kit/contract/catalog-entry.ts';
import type { PostgresSession } from './wire.ts';

/** How much a server may send for one page of tables, in bytes: it has room for the widest tables that there can be. */
const PAGE_LIMIT = 32 * 1024 * 1024;
const TABLES_AT_ONCE = 100;

/** The statements that read a catalog, which differ from server to server. */
export interface PostgresCatalogSql {
  /**
   * Gives some of the tables and views that come after the schema $1 and the name $2, in that order, with a row for
   * each column: namespace, name, kind (pg_class.relkind), readable, column_name, data_type, nullable. A table without
   * columns has one row, whose column_name is null. readable is null or left out where the server does not say.
   */
  readonly tablesPage: string;
  /**
   * The same where the database does not know which characters its bytes stand for (SQL_ASCII): all names and types,
   * $1 and $2 too, are bytes in hexadecimal digits. Left out: the server has no such databases.
   */
  readonly tablesPageInBytes?: string;
  /**
   * Gives the columns of the table or view $2 in the schema $1: column_name, data_type, which is the base type where
   * the column's own is a domain. There is no row when there is
   * no such table, and one row of nulls when the table has no columns.
   */
  readonly tableColumns: string;
}

/** PostgresDialectSql.selectDatabase by PostgreSQL's own catalog. */
export const postgresSelectDatabase = `
  select pg_catalog.current_database()::text as database, n.oid is not null as found,
         coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) as usable
    from (select 1) as one left join pg_catalog.pg_namespace n on n.nspname = $1`;

/**
 * PostgresDialectSql.countTables by PostgreSQL's own catalog. Tables are ordinary, partitioned and foreign ones, views
 * materialized ones too.
 */
export const postgresCountTables = `
  select (count(*) filter (where c.relkind in ('r', 'p', 'f')))::text as tables,
         (count(*) filter (where c.relkind in ('v', 'm')))::text as views,
         (count(*) filter (where pg_catalog.has_any_column_privilege(c.oid, 'SELECT')))::text as readable
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relkind in ('r', 'p', 'f', 'v', 'm')`;

/**
 * PostgresCatalogSql.tablesPage by PostgreSQL's own catalog, without the system's schemas. `columnIsHidden` is a
 * condition on `a`, which is pg_attribute; `inBytes` makes it tablesPageInBytes.
 */
export function postgresTablesPageSql({ columnIsHidden = 'false', inBytes = false } = {}): string {
  const bytes = (text: string) => (inBytes ? `pg_catalog.convert_to(${text}, 'SQL_ASCII')` : text);
  const shown = (text: string) => (inBytes ? `pg_catalog.encode(${bytes(text)}, 'hex')` : text);
  const [schema, name] = [bytes('n.nspname::text'), bytes('c.relname::text')];
  const place = (parameter: string) => (inBytes ? `pg_catalog.decode(${parameter}, 'hex')` : `${parameter}::text`);
  return `
  select ${shown('r.nspname')} as namespace, ${shown('r.relname')} as name, r.relkind as kind, r.readable,
         ${shown('a.attname::text')} as column_name,
         ${shown('pg_catalog.format_type(a.atttypid, a.atttypmod)')} as data_type, not a.attnotnull as nullable
    from (select c.oid, n.nspname::text as nspname, c.relname::text as relname, c.relkind::text as relkind,
                 pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                   and pg_catalog.has_any_column_privilege(c.oid, 'SELECT') as readable
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p', 'f', 'v', 'm')
             and n.nspname not in ('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension')
             and n.nspname not like 'pg\\_toast%' and n.nspname not like 'pg\\_temp%'
             and (${schema}, ${name}) > (${place('$1')}, ${place('$2')})
           order by ${schema}, ${name}
           limit ${TABLES_AT_ONCE}) r
    left join pg_catalog.pg_attribute a
      on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and not (${columnIsHidden})
   order by ${bytes('r.nspname')}, ${bytes('r.relname')}, a.attnum`;
}

export const postgresTablesPage = postgresTablesPageSql();
export const postgresTablesPageInBytes = postgresTablesPageSql({ inBytes: true });

export const postgresTableColumns = `
  with recursive types as (
    select a.attname::text as column_name, a.atttypid as type, a.atttypmod as modifier
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'f', 'v', 'm')
    union all
    select types.column_name, d.typbasetype, d.typtypmod
      from types join pg_catalog.pg_type d on d.oid = types.type and d.typtype = 'd')
  select column_name, pg_catalog.format_type(type, modifier) as data_type from types
   where not exists (select 1 from pg_catalog.pg_type d where d.oid = types.type and d.typtype = 'd')`;

interface CatalogRow {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
  readonly readable?: boolean | null;
  readonly column_name: string | null;
  readonly data_type: string | null;
  readonly nullable: boolean | null;
}

/**
 * The kinds by relkind: v is a view, m a materialized view; all others are tables (r ordinary, p partitioned, f
 * foreign).
 */
const kinds: Readonly<Record<string, CatalogEntryKind>> = { v: 'VIEW', m: 'VIEW' };

/**
 * Reads every table and view of the database with its columns, some at a time, so that neither side holds a large
 * catalog as a whole.
 */
export async function* readPostgresCatalog(
  session: PostgresSession,
  sql: PostgresCatalogSql,
): AsyncGenerator<readonly CatalogEntry[]> {
  const inBytes = session.parameter('server_encoding') === 'SQL_ASCII' ? sql.tablesPageInBytes : undefined;
  for (let last: CatalogRow | undefined, isFirst = true; isFirst || last; isFirst = false) {
    session.allow(PAGE_LIMIT);
    const place = [last?.namespace ?? '', last?.name ?? ''];
    const rows: CatalogRow[] = await session.query<CatalogRow>(inBytes ?? sql.tablesPage, place);
    yield* entriesOfRows(inBytes === undefined ? rows : rows.map(asText), entryOf, columnOf);
    last = rows.at(-1);
    // a server that does not go forward would be asked for ever
    if (last && last.namespace === place[0] && last.name === place[1]) return;
  }
}

/** The row with texts for bytes. What is no UTF-8 becomes U+FFFD, by which the catalog leaves it out. */
function asText(row: CatalogRow): CatalogRow {
  const text = (hex: string) => Buffer.from(hex, 'hex').toString();
  return {
    ...row,
    namespace: text(row.namespace),
    name: text(row.name),
    column_name: row.column_name === null ? null : text(row.column_name),
    data_type: row.data_type === null ? null : text(row.data_type),
  };
}

function entryOf(row: CatalogRow): Omit<CatalogEntry, 'columns'> {
  return { namespace: row.namespace, name: row.name, kind: kinds[row.kind] ?? 'TABLE', readable: row.readable };
}

function columnOf(row: CatalogRow): CatalogColumn | null {
  if (row.column_name === null) return null;
  return { name: row.column_name, dataType: row.data_type ?? '', nullable: row.nullable };
}

/** The columns of one table or view; null when there is none of that name. */
export async function postgresColumns(
  session: PostgresSession,
  sql: PostgresCatalogSql,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  const rows = await session.query<Pick<CatalogRow, 'column_name' | 'data_type'>>(sql.tableColumns, [schema, table]);
  if (rows.length === 0) return null;
  return rows.flatMap((row) =>
    row.column_name === null ? [] : [{ name: row.column_name, dataType: row.data_type ?? '' }],
  );
}
