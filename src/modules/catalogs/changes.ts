import type { CatalogColumn, CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';

/** How many changes of each kind are shown, and how many bytes of them, whichever is less. The counts are of all. */
const MOST_SHOWN = 100;
const MOST_SHOWN_BYTES = 64 * 1024;
/** The same for a message to a webhook. */
const MOST_TOLD = 20;
const MOST_TOLD_BYTES = 8 * 1024;

export type EntryName = Pick<CatalogEntry, 'namespace' | 'name' | 'kind'>;

export const columnChangeKinds = ['ADDED', 'REMOVED', 'RETYPED'] as const;
export type ColumnChangeKind = (typeof columnChangeKinds)[number];

/** A column of an entry that both readings have. */
export interface ColumnChange extends EntryName {
  readonly column: string;
  readonly change: ColumnChangeKind;
  /** Its type before; null where it is new. */
  readonly before: string | null;
  /** Its type now; null where it is gone. */
  readonly after: string | null;
}

export interface ChangeCounts {
  readonly addedEntries: number;
  readonly removedEntries: number;
  readonly addedColumns: number;
  readonly removedColumns: number;
  readonly retypedColumns: number;
}

export interface ChangeDetails {
  readonly addedEntries: readonly EntryName[];
  readonly removedEntries: readonly EntryName[];
  readonly columns: readonly ColumnChange[];
}

/** What is otherwise in a catalog than in the reading before it. */
export interface CatalogChange {
  /** ISO 8601: when it was stored, and when the one before it was. */
  readonly at: string;
  readonly since: string;
  readonly counts: ChangeCounts;
  readonly details: ChangeDetails;
}

const countOf = { ADDED: 'addedColumns', REMOVED: 'removedColumns', RETYPED: 'retypedColumns' } as const;

/** Collects what is otherwise: it counts all, and keeps the first of each kind. */
export class ChangeCollector {
  readonly #counts = { addedEntries: 0, removedEntries: 0, addedColumns: 0, removedColumns: 0, retypedColumns: 0 };
  readonly #addedEntries = new Shown<EntryName>(MOST_SHOWN, MOST_SHOWN_BYTES);
  readonly #removedEntries = new Shown<EntryName>(MOST_SHOWN, MOST_SHOWN_BYTES);
  readonly #columns = new Shown<ColumnChange>(MOST_SHOWN, MOST_SHOWN_BYTES);

  added(entry: EntryName): void {
    this.#counts.addedEntries += 1;
    this.#addedEntries.add(entry);
  }

  removed(entry: EntryName): void {
    this.#counts.removedEntries += 1;
    this.#removedEntries.add(entry);
  }

  /** An entry that both readings have, with its columns in each. */
  kept(entry: EntryName, before: readonly CatalogColumn[], after: readonly CatalogColumn[]): void {
    for (const change of columnChanges(entry, before, after)) {
      this.#counts[countOf[change.change]] += 1;
      this.#columns.add(change);
    }
  }

  get counts(): ChangeCounts {
    return this.#counts;
  }

  get details(): ChangeDetails {
    return {
      addedEntries: this.#addedEntries.items,
      removedEntries: this.#removedEntries.items,
      columns: this.#columns.items,
    };
  }

  get isEmpty(): boolean {
    return Object.values(this.#counts).every((count) => count === 0);
  }
}

/** The part of the details that a message to a webhook holds. */
export function toldDetails({ addedEntries, removedEntries, columns }: ChangeDetails): ChangeDetails {
  return { addedEntries: first(addedEntries), removedEntries: first(removedEntries), columns: first(columns) };
}

function first<T>(items: readonly T[]): readonly T[] {
  const told = new Shown<T>(MOST_TOLD, MOST_TOLD_BYTES);
  for (const item of items) told.add(item);
  return told.items;
}

/** The first items, as far as there is room for them. */
class Shown<T> {
  readonly items: T[] = [];
  #left: number;
  readonly #most: number;

  constructor(most: number, bytes: number) {
    this.#most = most;
    this.#left = bytes;
  }

  add(item: T): void {
    if (this.items.length === this.#most || this.#left <= 0) return;
    this.#left -= Buffer.byteLength(JSON.stringify(item));
    if (this.#left >= 0) this.items.push(item);
  }
}

function columnChanges(
  entry: EntryName,
  before: readonly CatalogColumn[],
  after: readonly CatalogColumn[],
): ColumnChange[] {
  const typesBefore = new Map(before.map(({ name, dataType }) => [name, dataType]));
  const typesAfter = new Map(after.map(({ name, dataType }) => [name, dataType]));
  const changes: ColumnChange[] = [];
  for (const [column, type] of typesAfter) {
    const was = typesBefore.get(column);
    if (was === type) continue;
    const change = was === undefined ? 'ADDED' : 'RETYPED';
    changes.push({ ...entry, column, change, before: was ?? null, after: type });
  }
  for (const [column, type] of typesBefore)
    if (!typesAfter.has(column)) changes.push({ ...entry, column, change: 'REMOVED', before: type, after: null });
  return changes;
}
