import { z } from 'zod';
import { entriesOfRows } from '../kit/checks/catalog.ts';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { identifier, literal, pagesOf, rowsOf, type TrinoContext } from './client.ts';

const COLUMN = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  z.string().nullable(),
  z.string().nullable(),
  z.string().nullable(),
]);
type ColumnRow = z.output<typeof COLUMN>;

const NAME_AND_TYPE = z.tuple([z.string(), z.string()]);

/**
 * Reads every table and view of the catalog, or of its one schema, that the user may see. The server sends the rows in
 * pages.
 */
export async function* readTrinoCatalog(context: TrinoContext): AsyncGenerator<readonly CatalogEntry[]> {
  yield* entriesOfRows(columnRows(context), entryOf, columnOf);
}

async function* columnRows(context: TrinoContext): AsyncGenerator<ColumnRow> {
  const { catalog, schema } = context.config;
  const source = `${identifier(catalog)}.information_schema`;
  const condition = schemaCondition(schema);
  const statement = `
    select t.table_schema, t.table_name, t.table_type, c.column_name, c.data_type, c.is_nullable
      from (select table_schema, table_name, table_type from ${source}.tables where ${condition}) t
      left join (select * from ${source}.columns where ${condition}) c
        on c.table_schema = t.table_schema and c.table_name = t.table_name
     order by t.table_schema, t.table_name, c.ordinal_position`;
  for await (const page of pagesOf(context, statement, COLUMN)) yield* page;
}

/** The condition for the schemas that the config is about. Trino knows names in small letters alone. */
export function schemaCondition(schema: string | undefined): string {
  return schema === undefined
    ? `table_schema <> 'information_schema'`
    : `table_schema = ${literal(schema.toLowerCase())}`;
}

function entryOf([namespace, name, type]: ColumnRow): Omit<CatalogEntry, 'columns'> {
  return { namespace, name, kind: type.includes('VIEW') ? 'VIEW' : 'TABLE' };
}

function columnOf([, , , name, dataType, nullable]: ColumnRow): CatalogColumn | null {
  if (name === null) return null;
  return { name, dataType: dataType ?? '', nullable: nullable === null ? null : nullable === 'YES' };
}

/** The columns of one table or view of the catalog; null when there is none of that name. */
export async function trinoColumns(
  context: TrinoContext,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<Pick<CatalogColumn, 'name' | 'dataType'>[] | null> {
  const rows = await rowsOf(
    context,
    `select column_name, data_type from ${identifier(context.config.catalog)}.information_schema.columns
      where table_schema = ${literal(schema.toLowerCase())} and table_name = ${literal(table.toLowerCase())}`,
    NAME_AND_TYPE,
  );
  return rows.length === 0 ? null : rows.map(([name, dataType]) => ({ name, dataType }));
}
