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
  readonly columns: readonly CatalogColumn[];
}
