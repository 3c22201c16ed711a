import { columnKind } from '../config/tenancy.ts';
import type { CatalogColumn } from '../contract/catalog-entry.ts';
import type { Check, CheckContext } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';

/** Reads the columns of a table; null when there is no such table. `schema` names what holds the table in this type. */
export type ColumnsReader<Config, State> = (
  context: CheckContext<Config, State>,
  table: { readonly schema: string; readonly table: string },
) => Promise<readonly Pick<CatalogColumn, 'name' | 'dataType'>[] | null>;

/**
 * The check of every connector that knows tenancy in tables: the mapping table and its two columns exist, and the key
 * column has the stated type.
 */
export function tenancyCheck<Config, State>(columnsOf: ColumnsReader<Config, State>): Check<Config, State> {
  return {
    name: 'tenancy/mapping',
    title: 'Check the tenancy mapping',
    description: 'The mapping table and its two columns exist, and the key column has the stated type.',
    appliesTo: (_config, tenancy) => tenancy?.level === 'TABLE',
    async run(context) {
      const { tenancy } = context;
      if (tenancy?.level !== 'TABLE') throw new Error('tenancy/mapping was run without a mapping.');
      const { schemaName = '', tableName = '', tableClientNameColumn = '', tablePrimaryKeyColumn = '' } = tenancy;
      const columns = await columnsOf(context, { schema: schemaName, table: tableName });
      if (!columns) throw new Failure('TENANCY_TABLE_NOT_FOUND');
      const found = new Map(columns.map((column) => [column.name, column.dataType]));
      const missing = [tableClientNameColumn, tablePrimaryKeyColumn].filter((column) => !found.has(column));
      if (missing.length > 0) throw new Failure('TENANCY_COLUMN_NOT_FOUND');
      const keyType = found.get(tablePrimaryKeyColumn) ?? '';
      const kind = columnKind(keyType);
      if (kind !== tenancy.clientColumnType) throw new Failure('TENANCY_COLUMN_TYPE');
      return { evidence: { columns: columns.length, keyType } };
    },
  };
}
