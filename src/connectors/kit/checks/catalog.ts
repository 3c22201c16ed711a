import type { CatalogColumn, CatalogEntry } from '../contract/catalog-entry.ts';
import type { Check, CheckContext } from '../contract/connector.ts';
import { CatalogBounds } from './catalog-bounds.ts';

const ENTRIES_AT_ONCE = 200;

/**
 * Reads a datastore's catalog, a few hundred entries at a time, so that a large one never stands in memory as a whole.
 */
export type CatalogReader<Config, State> = (
  context: CheckContext<Config, State>,
) => AsyncIterable<readonly CatalogEntry[]>;

/** The check that a catalog refresh runs after the base checks. It hands the entries on as they come. */
export function catalogCheck<Config, State>(read: CatalogReader<Config, State>): Check<Config, State> {
  return {
    name: 'catalog/read',
    title: 'Read the catalog',
    description:
      'Namespaces, tables, collections and their columns can be read. Warns when some were left out, because the catalog ' +
      'is larger than what the gateway stores.',
    runsByDefault: false,
    async run(context) {
      const bounds = new CatalogBounds();
      for await (const some of read(context)) {
        for (const part of bounds.take(some)) await context.emitCatalog(part);
        if (bounds.isFull) break;
      }
      return bounds.outcome();
    },
  };
}

/** Groups rows of columns, which come sorted by their table, into entries. It gives 200 of them at a time. */
export async function* entriesOfRows<Row>(
  rows: AsyncIterable<Row> | Iterable<Row>,
  entryOf: (row: Row) => Omit<CatalogEntry, 'columns'>,
  columnOf: (row: Row) => CatalogColumn | null,
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
      if (batch.length >= ENTRIES_AT_ONCE) {
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
