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
   * each column: namespace, name, kind (pg_class.relkind), column_name, data_type, nullable. A table without columns
   * has one row, whose column_name is null.
   */
  readonly tablesPage: string;
  /**
   * Gives the columns of the table or view $2 in the schema $1: column_name, data_type. There is no row when there is
   * no such table, and one row of nulls when the table has no columns.
   */
  readonly tableColumns: string;
}

/** PostgresDialectSql.selectDatabase by PostgreSQL's own catalog. */
export const postgresSelectDatabase = `
  select pg_catalog.current_database()::text as database, n.oid is not null as found,
         coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) as usable
    from (select 1) as one left join pg_catalog.pg_namespace n on n.nspname = $1`;

/** PostgresDialectSql.countTables by PostgreSQL's own catalog. It counts ordinary, partitioned and foreign tables. */
export const postgresCountTables = `
  select count(*)::text as tables,
         (count(*) filter (where pg_catalog.has_table_privilege(c.oid, 'SELECT')))::text as readable
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relkind in ('r', 'p', 'f')`;

/**
 * PostgresCatalogSql.tablesPage by PostgreSQL's own catalog, without the system's schemas. `columnIsHidden` is a
 * condition on `a`, which is pg_attribute.
 */
export function postgresTablesPageSql({ columnIsHidden = 'false' } = {}): string {
  return `
  select r.nspname as namespace, r.relname as name, r.relkind as kind, a.attname::text as column_name,
         pg_catalog.format_type(a.atttypid, a.atttypmod) as data_type, not a.attnotnull as nullable
    from (select c.oid, n.nspname::text as nspname, c.relname::text as relname, c.relkind::text as relkind
            from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p', 'f', 'v', 'm')
             and n.nspname not in ('pg_catalog', 'information_schema', 'crdb_internal', 'pg_extension')
             and n.nspname not like 'pg\\_toast%' and n.nspname not like 'pg\\_temp%'
             and (n.nspname::text, c.relname::text) > ($1::text, $2::text)
           order by n.nspname::text, c.relname::text
           limit ${TABLES_AT_ONCE}) r
    left join pg_catalog.pg_attribute a
      on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and not (${columnIsHidden})
   order by r.nspname, r.relname, a.attnum`;
}

export const postgresTablesPage = postgresTablesPageSql();

export const postgresTableColumns = `
  select a.attname::text as column_name, pg_catalog.format_type(a.atttypid, a.atttypmod) as data_type
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
   where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'f', 'v', 'm')`;

interface CatalogRow {
  readonly namespace: string;
  readonly name: string;
  readonly kind: string;
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
  for (let last: CatalogRow | undefined, isFirst = true; isFirst || last; isFirst = false) {
    session.allow(PAGE_LIMIT);
    const place = [last?.namespace ?? '', last?.name ?? ''];
    const rows: CatalogRow[] = await session.query<CatalogRow>(sql.tablesPage, place);
    yield* entriesOfRows(rows, entryOf, columnOf);
    last = rows.at(-1);
    // a server that does not go forward would be asked for ever
    if (last && last.namespace === place[0] && last.name === place[1]) return;
  }
}

function entryOf(row: CatalogRow): Omit<CatalogEntry, 'columns'> {
  return { namespace: row.namespace, name: row.name, kind: kinds[row.kind] ?? 'TABLE' };
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
