import type { CatalogColumn, CatalogEntry } from '../contract/catalog-entry.ts';
import type { Check, CheckContext } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';

/** What the gateway stores of one datastore at most, in characters of names and types: far more than any real catalog has. */
const MOST_CHARACTERS = 128 * 1024 * 1024;
const ENTRY_OVERHEAD = 200;
const COLUMN_OVERHEAD = 40;

/** Reads a datastore's catalog, some entries at a time: at most a few hundred, so that a large one never stands in memory as a whole. */
export type CatalogReader<Config, State> = (
  context: CheckContext<Config, State>,
) => AsyncIterable<readonly CatalogEntry[]>;

/** The check that a catalog refresh runs after the base checks; it hands the entries on as they come. */
export function catalogCheck<Config, State>(read: CatalogReader<Config, State>): Check<Config, State> {
  return {
    name: 'catalog/read',
    title: 'Read the catalog',
    description: 'Namespaces, tables, collections and their columns can be read.',
    runsByDefault: false,
    async run(context) {
      let entries = 0;
      let columns = 0;
      let left = MOST_CHARACTERS;
      for await (const some of read(context)) {
        // a peer may go on for ever, and the gateway's disk would not
        left -= charactersOf(some);
        if (left < 0) throw new Failure('TOO_MUCH_DATA');
        await context.emitCatalog(some);
        entries += some.length;
        for (const entry of some) columns += entry.columns.length;
      }
      return { evidence: { entries, columns } };
    },
  };
}

function charactersOf(entries: readonly CatalogEntry[]): number {
  let count = 0;
  for (const { namespace, name, columns } of entries) {
    count += ENTRY_OVERHEAD + (namespace?.length ?? 0) + name.length;
    for (const column of columns) count += COLUMN_OVERHEAD + column.name.length + column.dataType.length;
  }
  return count;
}

/** Groups rows of columns, sorted by their table, into entries of up to `size` at a time. */
export async function* entriesOfRows<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  entryOf: (row: Row) => Omit<CatalogEntry, 'columns'>,
  columnOf: (row: Row) => CatalogColumn | null,
  size = 200,
): AsyncGenerator<readonly CatalogEntry[]> {
  let batch: CatalogEntry[] = [];
  let current: { entry: Omit<CatalogEntry, 'columns'>; columns: CatalogColumn[] } | undefined;
  for await (const row of rows) {
    const entry = entryOf(row);
    if (
      !current ||
      current.entry.name !== entry.name ||
      current.entry.namespace !== entry.namespace ||
      current.entry.kind !== entry.kind
    ) {
      if (current) batch.push({ ...current.entry, columns: current.columns });
      current = { entry, columns: [] };
      if (batch.length >= size) {
        yield batch;
        batch = [];
      }
    }
    const column = columnOf(row);
    if (column) current.columns.push(column);
  }
  if (current) batch.push({ ...current.entry, columns: current.columns });
  if (batch.length > 0) yield batch;
}
