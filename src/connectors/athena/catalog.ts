import { z } from 'zod';
import type { CatalogColumn, CatalogEntry } from '../kit/contract/catalog-entry.ts';
import { Failure } from '../kit/contract/failure.ts';
import { listOf } from '../kit/http/answers.ts';
import { PollPace } from '../kit/http/poll.ts';
import { type AthenaContext, askAthena } from './client.ts';

/** How many databases or tables are asked for at once: Athena gives no more. */
const PAGE = 50;

const TOKEN = z.string().max(8192).optional();
const DATABASES = z.object({ DatabaseList: listOf(z.object({ Name: z.string() })), NextToken: TOKEN });
const COLUMNS = listOf(z.object({ Name: z.string(), Type: z.string().optional() })).optional();
const TABLE = z.object({
  Name: z.string(),
  TableType: z.string().optional(),
  Columns: COLUMNS,
  PartitionKeys: COLUMNS,
});
const TABLES = z.object({ TableMetadataList: listOf(TABLE), NextToken: TOKEN });
type Table = z.output<typeof TABLE>;

export function missingDatabase(): Failure {
  const hint = 'Check `database`: there is none of that name in the catalog, or the key may not know of it.';
  return new Failure('DATABASE_NOT_FOUND', { configPath: 'database', hint });
}

/** Reads every table and view of the database, or of all databases in the catalog. */
export async function* readAthenaCatalog(context: AthenaContext): AsyncGenerator<readonly CatalogEntry[]> {
  for await (const database of databasesOf(context)) {
    const pace = new PollPace(context.signal);
    for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
      const input = { CatalogName: context.config.catalog, DatabaseName: database, MaxResults: PAGE, NextToken: next };
      const answer = await askAthena(context, 'ListTableMetadata', input, TABLES, missingDatabase);
      yield answer.TableMetadataList.map((table) => entryOf(table, database));
      next = answer.NextToken;
      if (answer.TableMetadataList.length > 0) pace.goOn();
      else if (next !== undefined) await pace.wait();
    }
  }
}

async function* databasesOf(context: AthenaContext): AsyncGenerator<string> {
  const { catalog, database } = context.config;
  if (database !== undefined) return yield database;
  const pace = new PollPace(context.signal);
  for (let next: string | undefined, first = true; first || next !== undefined; first = false) {
    const input = { CatalogName: catalog, MaxResults: PAGE, NextToken: next };
    const answer = await askAthena(context, 'ListDatabases', input, DATABASES);
    for (const { Name } of answer.DatabaseList) yield Name;
    next = answer.NextToken;
    if (answer.DatabaseList.length > 0) pace.goOn();
    else if (next !== undefined) await pace.wait();
  }
}

function entryOf(table: Table, database: string): CatalogEntry {
  const kind = table.TableType?.includes('VIEW') ? 'VIEW' : 'TABLE';
  return { namespace: database, name: table.Name, kind, columns: columnsOf(table) };
}

/** The columns of the files, then those that the folders around the files stand for. */
function columnsOf({ Columns = [], PartitionKeys = [] }: Table): CatalogColumn[] {
  return [...Columns, ...PartitionKeys].map(({ Name, Type = '' }) => ({ name: Name, dataType: Type, nullable: null }));
}

/** The columns of one table; null when there is none of that name. `schema` names its database. */
export async function tableColumns(
  context: AthenaContext,
  { schema, table }: { readonly schema: string; readonly table: string },
): Promise<readonly CatalogColumn[] | null> {
  const input = { CatalogName: context.config.catalog, DatabaseName: schema, TableName: table };
  try {
    const answer = await askAthena(
      context,
      'GetTableMetadata',
      input,
      z.object({ TableMetadata: TABLE }),
      () => new Failure('RESOURCE_NOT_FOUND'),
    );
    return columnsOf(answer.TableMetadata);
  } catch (error) {
    if (error instanceof Failure && error.report.code === 'RESOURCE_NOT_FOUND') return null;
    throw error;
  }
}
