import { z } from 'zod';
import { issue } from '../connectors/kit/config/marks.ts';
import { isOpenText, misplacedKey } from '../connectors/kit/config/open-fields.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Validation of an id argument, which resolvers get in lower case, as ids are stored. Without `.nullish()` of its own:
 * GraphQL says whether it may be left out.
 */
export const uuid = z
  .string()
  .refine((value) => UUID.test(value), issue('INVALID_ID', 'Give a UUID.'))
  .toLowerCase();

const MAX_LABEL_LENGTH = 128;

/** For people: at most 128 characters, on one line. */
export const label = z
  .string()
  .trim()
  .min(1)
  .max(MAX_LABEL_LENGTH)
  .refine(
    (text) => !/\p{Cc}/u.test(text),
    issue('INVALID_FORMAT', 'Give it without line breaks and control characters.'),
  )
  .refine(isOpenText, misplacedKey);

/** What somebody looks for: any text that a database takes. */
export const searchText = z
  .string()
  .refine((text) => !text.includes('\0'), issue('INVALID_FORMAT', 'Give it without zero bytes.'));
