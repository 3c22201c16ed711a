import type { CatalogColumn, CatalogEntry, CatalogEntryKind } from '../../kit/contract/catalog-entry.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { isMysqlError, numberOf } from './failures.ts';
import { CATALOG_LIMIT, type MysqlRow, type MysqlSession } from './wire.ts';

const TABLES_AT_ONCE = 200;
/** The longest type that is stored, in characters: that of an enum lists all its values. */
const LONGEST_TYPE = 255;
/** The server's errors for a database or a table that is not there, or whose name none can have. */
const NOT_THERE: readonly number[] = [1049, 1146, 1059, 1102, 1103];
/** The server's errors for a user who has no right to the database, or to the table. */
const NOT_ALLOWED: readonly number[] = [1044, 1142];

/** Names are compared by their bytes: in some servers' own order two that differ in case are the same. */
const BY_NAME = 'cast(table_name as binary)';

/**
 * Reads every table and view of the session's database that the user may see, with its columns; some tables at a time,
 * so that neither side holds a large catalog as a whole.
 */
export async function* readMysqlCatalog(
  session: MysqlSession,
  database: string,
): AsyncGenerator<readonly CatalogEntry[]> {
  for (let last = ''; ; ) {
    const tables = await session.query(
      `select table_name, table_type from information_schema.tables
        where table_schema = database() and ${BY_NAME} > ${bytes(last)} order by ${BY_NAME} limit ${TABLES_AT_ONCE}`,
      CATALOG_LIMIT,
    );
    const names = tables.map(([name]) => name ?? '');
    const end = names.at(-1);
    if (end === undefined) return;
    // a server that does not go forward would be asked for ever
    if (Buffer.compare(Buffer.from(end), Buffer.from(last)) <= 0) throw new Failure('UNEXPECTED_ANSWER');
    const columns = Map.groupBy(await readColumns(session, names[0] ?? '', end), ([table]) => table ?? '');
    yield tables.map(([name, type]) => {
      const [kind, rows] = [kindOf(type ?? ''), columns.get(name ?? '') ?? []];
      return {
        namespace: database,
        name: name ?? '',
        kind,
        readable: isReadable(kind, rows),
        columns: rows.map(columnOf),
      };
    });
    if (tables.length < TABLES_AT_ONCE) return;
    last = end;
  }
}

function readColumns(session: MysqlSession, first: string, last: string): Promise<readonly MysqlRow[]> {
  return session.query(
    `select table_name, column_name, left(column_type, ${LONGEST_TYPE}), is_nullable, privileges
       from information_schema.columns
      where table_schema = database() and ${BY_NAME} between ${bytes(first)} and ${bytes(last)}
      order by ${BY_NAME}, ordinal_position`,
    CATALOG_LIMIT,
  );
}

function columnOf([, name, dataType, nullable]: MysqlRow): CatalogColumn {
  return { name: name ?? '', dataType: dataType ?? '', nullable: nullable === 'YES' };
}

/**
 * Whether the user may select a column. A server lists those columns alone to which the user has a right: a table of
 * which none is listed can at most be written to. SingleStore says nothing of rights.
 */
function isReadable(kind: CatalogEntryKind, columns: readonly MysqlRow[]): boolean | null {
  if (columns.length === 0) return kind === 'TABLE' ? false : null;
  const rights = columns.map(([, , , , privileges]) => privileges ?? '');
  if (rights.every((each) => each === '')) return null;
  return rights.some((each) => /\bselect\b/i.test(each));
}

/**
 * The kind behind information_schema's: `VIEW` and `SYSTEM VIEW` are views; MariaDB lists its sequences with the
 * tables.
 */
function kindOf(tableType: string): CatalogEntryKind {
  if (tableType.endsWith('VIEW')) return 'VIEW';
  return tableType === 'SEQUENCE' ? 'OBJECT' : 'TABLE';
}

/**
 * The columns of one table or view; null when there is none of that name. `schema` names a database. Fails with
 * PERMISSION_DENIED when the user may not see them.
 */
export async function mysqlColumns(
  session: MysqlSession,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  try {
    const rows = await session.query(`show columns from ${quotedName(schema)}.${quotedName(table)}`, CATALOG_LIMIT);
    return rows.map(([name, dataType]) => ({ name: name ?? '', dataType: dataType ?? '' }));
  } catch (error) {
    if (!isMysqlError(error)) throw error;
    if (NOT_THERE.includes(numberOf(error))) return null;
    if (!NOT_ALLOWED.includes(numberOf(error))) throw error;
    throw new Failure('PERMISSION_DENIED', { error, evidence: { serverError: error.errno } });
  }
}

/** A name as it is written in a statement, whatever the SQL mode. */
export function quotedName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A text as its bytes in a statement: no SQL mode and no character set changes what they mean. */
function bytes(text: string): string {
  return `unhex('${Buffer.from(text).toString('hex')}')`;
}
