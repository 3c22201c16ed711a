import { issue } from '../../connectors/kit/config/marks.ts';
import { anyText } from '../../connectors/kit/config/text.ts';

/** In characters. */
const MAX_KEY = 256;

/** What a key has to be, for descriptions. */
export const KEY_RULE = `1 to ${MAX_KEY} characters, none of them a control character`;

/** Validation of a record's key. */
export const recordKey = anyText(MAX_KEY).refine(
  (key) => !/\p{Cc}/u.test(key) && key.isWellFormed(),
  issue('INVALID_FORMAT', 'Give it without control characters and halves of characters.'),
);
