import { columnKind } from '../config/tenancy.ts';
import type { CatalogColumn } from '../contract/catalog-entry.ts';
import type { Check, CheckContext } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';

const DENIED = 'Grant the user or key the right to read the mapping table, and check its name.';

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
      const { schemaName = '', tableName = '', tablePrimaryKeyColumn = '' } = tenancy;
      const columns = await ofMapping(() => columnsOf(context, { schema: schemaName, table: tableName }));
      if (!columns) throw new Failure('TENANCY_TABLE_NOT_FOUND', { configPath: 'tenancy.tableName' });
      const found = new Map(columns.map((column) => [column.name, column.dataType]));
      const missing = (['tableClientNameColumn', 'tablePrimaryKeyColumn'] as const).find(
        (field) => !found.has(tenancy[field] ?? ''),
      );
      if (missing) throw new Failure('TENANCY_COLUMN_NOT_FOUND', { configPath: `tenancy.${missing}` });
      const keyType = found.get(tablePrimaryKeyColumn) ?? '';
      const kind = columnKind(keyType);
      if (kind !== tenancy.clientColumnType) {
        // where it can be a key at all, the stated type is what is easily mended
        const field = kind === 'OTHER' ? 'tablePrimaryKeyColumn' : 'clientColumnType';
        throw new Failure('TENANCY_COLUMN_TYPE', { configPath: `tenancy.${field}`, evidence: { keyType } });
      }
      return { evidence: { columns: columns.length, keyType } };
    },
  };
}

/** What the work gives. That a right is missing is about the mapping here, not about what the config names. */
async function ofMapping<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || error.report.cause !== 'AUTHORIZATION') throw error;
    const { evidence, cause } = error;
    throw new Failure('PERMISSION_DENIED', { configPath: 'tenancy.tableName', hint: DENIED, evidence, error: cause });
  }
}
