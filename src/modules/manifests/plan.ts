import type { RevisionChange } from '../revisions/changes.ts';

/** What applying a manifest does to a datastore or a data structure. */
export const plannedActions = ['CREATE', 'UPDATE', 'DELETE', 'UNCHANGED'] as const;
export type PlannedAction = (typeof plannedActions)[number];

export const plannedKinds = ['DATA_STRUCTURE', 'DATASTORE'] as const;
export type PlannedKind = (typeof plannedKinds)[number];

/** What a manifest does to one thing of the environment. */
export interface PlannedItem {
  readonly kind: PlannedKind;
  readonly name: string;
  readonly action: PlannedAction;
  /** Null for what is not stored. */
  readonly id: string | null;
  /** What changes at which paths; of what is deleted, nothing is told. */
  readonly changes: readonly RevisionChange[];
  /** The secrets that were not given, as the manifest writes them, and stay as they are stored. */
  readonly keptSecrets: readonly string[];
  /** Those that were not given and without which it cannot be applied. */
  readonly missingSecrets: readonly string[];
}

/** What applying a manifest does, or has done. */
export interface ManifestPlan {
  readonly environmentId: string;
  /** Data structures, then datastores, each sorted by name. */
  readonly items: readonly PlannedItem[];
}

export function hasChanges({ items }: Pick<ManifestPlan, 'items'>): boolean {
  return items.some(({ action }) => action !== 'UNCHANGED');
}

/** Sorts the items of one kind by their names. */
export function sortedItems(items: readonly PlannedItem[]): PlannedItem[] {
  return items.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}
