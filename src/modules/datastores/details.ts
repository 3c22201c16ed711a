import { z } from 'zod';
import { issue } from '../../connectors/kit/config/marks.ts';
import { refuseSecret } from '../../connectors/kit/config/open-fields.ts';
import { anyText, matching, trimmedText } from '../../connectors/kit/config/text.ts';

/** In characters. */
const MAX_DESCRIPTION = 2_000;
const MAX_KEY = 63;
/** How many tags a datastore may have, and how many a filter may ask for. */
export const MAX_TAGS = 20;
/** In minutes: at most once a day, so that somebody hears of a loss. */
const MOST_MINUTES = 1_440;

export const tagKey = matching(
  anyText(MAX_KEY),
  /^[A-Za-z0-9][A-Za-z0-9._/-]*$/,
  'Give letters, digits, ".", "_", "/" and "-", beginning with a letter or digit.',
);
export const description = trimmedText(MAX_DESCRIPTION)
  .refine(
    (text) => !/[^\P{Cc}\t\n\r]/u.test(text),
    issue('INVALID_FORMAT', 'Give it without control characters but line breaks and tabs.'),
  )
  .superRefine(refuseSecret);
export const checkEveryMinutes = z.int().min(1).max(MOST_MINUTES);

/** A word about a datastore, by which it can be found: `team` is `payments`. */
export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** What people say about a datastore, and how often it is checked; none of it decides how the datastore is reached. */
export interface Details {
  readonly description: string | null;
  readonly ownerName: string | null;
  /** By key, each key once. */
  readonly tags: readonly Tag[];
  /** How often its health is checked; null when it is not. */
  readonly checkEveryMinutes: number | null;
}

/** Details as a caller gives them: what is left out stays as it is, null takes it away. */
export interface GivenDetails {
  readonly description?: string | null | undefined;
  readonly ownerName?: string | null | undefined;
  readonly tags?: readonly Tag[] | null | undefined;
  readonly checkEveryMinutes?: number | null | undefined;
}

const none: Details = { description: null, ownerName: null, tags: [], checkEveryMinutes: null };

/** Puts what a caller gives over what there is. */
export function detailsOver(before: Details | null, given: GivenDetails): Details {
  const { description, ownerName, tags, checkEveryMinutes } = before ?? none;
  return {
    description: given.description === undefined ? description : given.description,
    ownerName: given.ownerName === undefined ? ownerName : given.ownerName,
    checkEveryMinutes: given.checkEveryMinutes === undefined ? checkEveryMinutes : given.checkEveryMinutes,
    tags: given.tags === undefined ? tags : (given.tags ?? []).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
  };
}
