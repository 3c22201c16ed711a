import type { CatalogColumn, CatalogEntry } from '../contract/catalog-entry.ts';
import type { Check, CheckContext } from '../contract/connector.ts';
import { Failure } from '../contract/failure.ts';

/**
 * The most that the gateway stores of one datastore, in characters of names and types: far more than any real catalog
 * has.
 */
const MOST_CHARACTERS = 128 * 1024 * 1024;
/** What an entry and a column count for besides their names and types, in characters. */
const ENTRY_OVERHEAD = 200;
const COLUMN_OVERHEAD = 40;
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
    description: 'Namespaces, tables, collections and their columns can be read.',
    runsByDefault: false,
    async run(context) {
      let entries = 0;
      let columns = 0;
      let left = MOST_CHARACTERS;
      for await (const some of read(context)) {
        // a peer can send entries for ever, and the gateway's disk would fill up
        for (const entry of some) left -= charactersOf(entry);
        if (left < 0) throw new Failure('TOO_MUCH_DATA');
        await context.emitCatalog(some);
        entries += some.length;
        for (const entry of some) columns += entry.columns.length;
      }
      return { evidence: { entries, columns } };
    },
  };
}

/** How much an entry takes, in characters of names and types, with what the rest of it takes. */
export function charactersOf({ namespace, name, columns }: CatalogEntry): number {
  let count = ENTRY_OVERHEAD + (namespace?.length ?? 0) + name.length;
  for (const column of columns) count += COLUMN_OVERHEAD + column.name.length + column.dataType.length;
  return count;
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
