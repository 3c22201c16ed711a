/** A word about a datastore, by which it can be found: `team` is `payments`. */
export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** What people say about a datastore; nothing of it decides how the datastore is reached. */
export interface Details {
  readonly description: string | null;
  readonly ownerName: string | null;
  /** By key, each key once. */
  readonly tags: readonly Tag[];
}

/** Details as a caller gives them: what is left out stays as it is, null takes it away. */
export interface GivenDetails {
  readonly description?: string | null | undefined;
  readonly ownerName?: string | null | undefined;
  readonly tags?: readonly Tag[] | null | undefined;
}

const none: Details = { description: null, ownerName: null, tags: [] };

/** Puts what a caller gives over what there is. */
export function detailsOver(before: Details | null, given: GivenDetails): Details {
  const { description, ownerName, tags } = before ?? none;
  return {
    description: given.description === undefined ? description : given.description,
    ownerName: given.ownerName === undefined ? ownerName : given.ownerName,
    tags: given.tags === undefined ? tags : (given.tags ?? []).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  };
}
