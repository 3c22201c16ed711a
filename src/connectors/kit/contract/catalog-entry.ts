export const catalogEntryKinds = ['TABLE', 'VIEW', 'COLLECTION', 'INDEX', 'OBJECT'] as const;
export type CatalogEntryKind = (typeof catalogEntryKinds)[number];

export interface CatalogColumn {
  readonly name: string;
  /** The type as the server names it. */
  readonly dataType: string;
  /** Whether the column takes nulls; null when the server does not say. */
  readonly nullable: boolean | null;
}

/** A table, view, collection, index or object of a datastore. */
export interface CatalogEntry {
  readonly namespace: string | null;
  readonly name: string;
  readonly kind: CatalogEntryKind;
  /** Whether the user may read rows of it, of one column at least; null, or left out, when the server does not say. */
  readonly readable?: boolean | null | undefined;
  readonly columns: readonly CatalogColumn[];
}

/** What the gateway stores of a datastore's catalog at most; a refresh leaves out what goes beyond, and says so. */
export const catalogLimits = {
  entries: 100_000,
  /** The size of all entries as JSON in UTF-8, in bytes. */
  size: 64 * 1024 * 1024,
  /** The columns of one entry. */
  columns: 10_000,
  /** The size of one entry, in bytes. */
  entrySize: 1024 * 1024,
  /** The length of a namespace, a name or a type, in UTF-16 units. */
  name: 1_024,
} as const;
