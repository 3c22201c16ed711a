import { entriesOfRows } from '../kit/checks/catalog.ts';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import type { MssqlSession, MssqlValue } from './session.ts';

const TABLES_AT_ONCE = 100;
/** How much a server may send for one page of tables, in bytes: it has room for the widest tables that there can be. */
const PAGE_LIMIT = 32 * 1024 * 1024;
/**
 * Compares names by the numbers of their letters, whatever the database's own order: two names that differ are never
 * equal then.
 */
const BINARY = 'collate Latin1_General_BIN2';

/** The columns of a row after schema, name, kind and readable: column, type, bytes, precision, scale and nullable. */
const columnsWith = (type: string) => `c.name, ${type}, c.max_length, c.precision, c.scale, c.is_nullable`;
/** The type that an alias stands for; types of the CLR, whose system type is 240, stand for themselves. */
const BASE_TYPE = 'coalesce(type_name(nullif(c.system_type_id, 240)), type_name(c.user_type_id))';
/** 1 when the user may select a column of the table: a right to some columns alone is none to the table. */
const READABLE = `
    max(has_perms_by_name(quotename(t.namespace) + '.' + quotename(t.name), 'OBJECT', 'SELECT', c.name, 'COLUMN'))
      over (partition by t.object_id)`;
const TABLES_PAGE = `
  select t.namespace, t.name, t.type, ${READABLE}, ${columnsWith('type_name(c.user_type_id)')}
    from (select top (${TABLES_AT_ONCE}) o.object_id, s.name ${BINARY} as namespace, o.name ${BINARY} as name, rtrim(o.type) as type
            from sys.objects o join sys.schemas s on s.schema_id = o.schema_id
           where o.type in ('U', 'V') and o.is_ms_shipped = 0
             and (s.name ${BINARY} > @p1 or (s.name ${BINARY} = @p1 and o.name ${BINARY} > @p2))
           order by s.name ${BINARY}, o.name ${BINARY}) t
    left join sys.columns c on c.object_id = t.object_id
   order by t.namespace, t.name, c.column_id`;
const TABLE_COLUMNS = `
  select s.name, o.name, rtrim(o.type), null, ${columnsWith(BASE_TYPE)}
    from sys.objects o join sys.schemas s on s.schema_id = o.schema_id
    left join sys.columns c on c.object_id = o.object_id
   where s.name = @p1 and o.name = @p2 and o.type in ('U', 'V')
   order by c.column_id`;

type Row = readonly MssqlValue[];

/**
 * Reads every table and view of the database that the user may see, with its columns; some tables at a time, so that a
 * large catalog never stands in memory.
 */
export async function* readMssqlCatalog(session: MssqlSession): AsyncGenerator<readonly CatalogEntry[]> {
  for (let after = ['', '']; ; ) {
    const rows = await session.query(TABLES_PAGE, after, PAGE_LIMIT);
    yield* entriesOfRows(rows, entryOf, columnOf);
    const last = rows.at(-1);
    const place = [String(last?.[0] ?? ''), String(last?.[1] ?? '')];
    // a server that does not go forward would be asked for ever
    if (!last || place.join('\0') === after.join('\0')) return;
    after = place;
  }
}

/** The columns of one table or view, with their base types; null when there is none of that name. */
export async function mssqlColumns(
  session: MssqlSession,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<CatalogColumn[] | null> {
  const rows = await session.query(TABLE_COLUMNS, [schema, table], PAGE_LIMIT);
  if (rows.length === 0) return null;
  return rows.flatMap((row) => columnOf(row) ?? []);
}

function entryOf([namespace, name, type, readable]: Row): Omit<CatalogEntry, 'columns'> {
  const kind = type === 'V' ? 'VIEW' : 'TABLE';
  return {
    namespace: String(namespace),
    name: String(name),
    kind,
    readable: typeof readable === 'number' ? readable === 1 : null,
  };
}

function columnOf([, , , , name, type, bytes, precision, scale, nullable]: Row): CatalogColumn | null {
  if (typeof name !== 'string') return null;
  const dataType = typeName(String(type ?? ''), Number(bytes), Number(precision), Number(scale));
  return { name, dataType, nullable: typeof nullable === 'boolean' ? nullable : null };
}

/** The type as it is written in a statement: `nvarchar(50)`, `varbinary(max)`, `decimal(10,2)`, `datetime2(7)`. */
function typeName(type: string, bytes: number, precision: number, scale: number): string {
  if (/^(var)?(char|binary)$/.test(type)) return `${type}(${bytes === -1 ? 'max' : bytes})`;
  if (/^n(var)?char$/.test(type)) return `${type}(${bytes === -1 ? 'max' : bytes / 2})`;
  if (type === 'decimal' || type === 'numeric') return `${type}(${precision},${scale})`;
  if (/^(datetime2|datetimeoffset|time)$/.test(type)) return `${type}(${scale})`;
  return type;
}
