import { type CatalogColumn, type CatalogEntry, catalogLimits } from '../contract/catalog-entry.ts';
import type { CheckOutcome } from '../contract/connector.ts';

/** How many entries, and how many bytes of them, are handed on at once: the gateway stores so many in one step. */
const PART_ENTRIES = 200;
const PART_SIZE = 256 * 1024;
/** What JSON adds to an entry and to a column at most, besides their texts. */
const ENTRY_OVERHEAD = 64;
const COLUMN_OVERHEAD = 48;
/** How many of the names that are left out are told, and how many characters of each. */
const NAMES_TOLD = 5;
const LONGEST_TOLD = 80;

/** Keeps one catalog within the limits, counts what it lets through, and tells what it has left out. */
export class CatalogBounds {
  #entries = 0;
  #columns = 0;
  #size = 0;
  #entriesLeftOut = 0;
  #columnsLeftOut = 0;
  #typesCut = 0;
  readonly #unfit: string[] = [];
  #reached: string | undefined;

  /** True once the catalog can take no further entry. */
  get isFull(): boolean {
    return this.#reached !== undefined;
  }

  /** Gives what may be stored of the entries, in parts that are small enough for one step of the gateway. */
  *take(entries: readonly CatalogEntry[]): Generator<readonly CatalogEntry[]> {
    let part: CatalogEntry[] = [];
    let partSize = 0;
    for (const given of entries) {
      if (isUnfit(given.name) || isUnfit(given.namespace ?? '')) {
        this.#entriesLeftOut += 1;
        this.#tell(given.namespace, given.name);
        continue;
      }
      const { entry, size } = this.#fit(given);
      if (this.#entries === catalogLimits.entries) this.#reached ??= `${catalogLimits.entries} entries`;
      if (this.#size + size > catalogLimits.size) this.#reached ??= `${catalogLimits.size} bytes`;
      if (this.isFull) break;
      if (part.length === PART_ENTRIES || (part.length > 0 && partSize + size > PART_SIZE)) {
        yield part;
        [part, partSize] = [[], 0];
      }
      part.push(entry);
      partSize += size;
      this.#size += size;
      this.#entries += 1;
      this.#columns += entry.columns.length;
    }
    if (part.length > 0) yield part;
  }

  /** What the check that read the catalog has found out: a warning when something was left out. */
  outcome(): CheckOutcome {
    const some = (count: number) => (count > 0 ? count : undefined);
    const evidence = {
      entries: this.#entries,
      columns: this.#columns,
      entriesLeftOut: some(this.#entriesLeftOut),
      columnsLeftOut: some(this.#columnsLeftOut),
      typesShortened: some(this.#typesCut),
      unfitNames: this.#unfit.join(', ') || undefined,
      leftOutAfter: this.#reached,
    };
    const left = this.#entriesLeftOut + this.#columnsLeftOut + this.#typesCut;
    return { evidence, warning: left > 0 || this.isFull };
  }

  /** Remembers a name that cannot be kept, as far as it can be told. */
  #tell(...names: readonly (string | null)[]): void {
    if (this.#unfit.length === NAMES_TOLD) return;
    const path = names.filter((name) => name !== null).join('.');
    const told = path.slice(0, LONGEST_TOLD).replace(/\p{C}/gu, '\ufffd');
    this.#unfit.push(told.length < path.length ? `${told}…` : told);
  }

  /** The entry with as many of its columns as fit, and its size. */
  #fit({ columns, ...entry }: CatalogEntry): { entry: CatalogEntry; size: number } {
    const kept: CatalogColumn[] = [];
    let size = ENTRY_OVERHEAD + bytesOf(entry.namespace ?? '') + bytesOf(entry.name);
    for (const [index, column] of columns.entries()) {
      const dataType = cut(column.dataType);
      if (isUnfit(column.name)) {
        this.#columnsLeftOut += 1;
        this.#tell(entry.namespace, entry.name, column.name);
        continue;
      }
      const columnSize = COLUMN_OVERHEAD + bytesOf(column.name) + bytesOf(dataType);
      if (kept.length === catalogLimits.columns || size + columnSize > catalogLimits.entrySize) {
        this.#columnsLeftOut += columns.length - index;
        break;
      }
      if (dataType !== column.dataType) this.#typesCut += 1;
      size += columnSize;
      kept.push({ ...column, dataType });
    }
    return { entry: { ...entry, columns: kept }, size };
  }
}

function isTooLong(text: string): boolean {
  return text.length > catalogLimits.name;
}

/**
 * Whether a name cannot be kept as it is: Postgres stores no NUL, and U+FFFD stands for bytes that are no text, so that
 * nothing has the name that is shown.
 */
function isUnfit(name: string): boolean {
  return isTooLong(name) || name.includes('\0') || name.includes('\ufffd');
}

/** A type as it is shown: its beginning says enough, where a name would become another one. */
function cut(type: string): string {
  if (!isTooLong(type)) return type;
  return `${type.slice(0, catalogLimits.name - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** The bytes of a text in JSON, its quotes not counted. */
function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
