import { z } from 'zod';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { type ClickHouseContext, literal, query } from './client.ts';

const TABLES_AT_ONCE = 200;
/** The longest page of columns that is read, in bytes: it has room for some 800 columns a table. */
const MAX_PAGE = 16 * 1024 * 1024;

/**
 * The condition that leaves out tables named .inner…: they hold the rows of a materialized view, which is listed
 * itself.
 */
export const NOT_INNER = "name not like '.inner%'";

const TABLE = z.tuple([z.string(), z.string()]);
const COLUMN = z.tuple([z.string(), z.string(), z.string()]);

/** Reads every table and view of the database that the user may see, some at a time. */
export async function* readClickHouseCatalog(context: ClickHouseContext): AsyncGenerator<readonly CatalogEntry[]> {
  const { database } = context.config;
  for (let after: string | undefined = ''; after !== undefined; ) {
    const tables: z.output<typeof TABLE>[] = await query(
      context,
      `select name, engine from system.tables
        where database = ${literal(database)} and name > ${literal(after)} and ${NOT_INNER}
        order by name limit ${TABLES_AT_ONCE}`,
      TABLE,
      { maxBytes: MAX_PAGE },
    );
    if (tables.length > 0) yield await withColumns(context, tables);
    after = tables.at(-1)?.[0];
  }
}

async function withColumns(
  context: ClickHouseContext,
  tables: readonly z.output<typeof TABLE>[],
): Promise<CatalogEntry[]> {
  const { database } = context.config;
  const columns = new Map<string, CatalogColumn[]>(tables.map(([name]) => [name, []]));
  // the columns of a table come in its own order; asking for an order could lose that, since old servers do not tell
  // the position
  const rows = await query(
    context,
    `select table, name, type from system.columns
      where database = ${literal(database)} and table in (${[...columns.keys()].map(literal).join(', ')})`,
    COLUMN,
    { maxBytes: MAX_PAGE },
  );
  for (const [table, name, dataType] of rows) {
    columns.get(table)?.push({ name, dataType, nullable: /^(LowCardinality\()?Nullable\(/.test(dataType) });
  }
  return tables.map(([name, engine]) => ({
    namespace: database,
    name,
    kind: engine.endsWith('View') ? 'VIEW' : 'TABLE',
    columns: columns.get(name) ?? [],
  }));
}

/** The columns of one table or view; null when there is none of that name. `schema` names its database. */
export async function clickhouseColumns(
  context: ClickHouseContext,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  const rows = await query(
    context,
    `select name, type from system.columns where database = ${literal(schema)} and table = ${literal(table)}`,
    TABLE,
    { maxBytes: MAX_PAGE },
  );
  return rows.length === 0 ? null : rows.map(([name, dataType]) => ({ name, dataType }));
}
