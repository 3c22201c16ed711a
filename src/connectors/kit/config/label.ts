import { issue } from './marks.ts';
import { refuseSecret } from './open-fields.ts';
import { trimmedText } from './text.ts';

const MAX_LABEL_LENGTH = 128;

/** For people: at most 128 characters, on one line. */
export const label = trimmedText(MAX_LABEL_LENGTH)
  .refine(
    (text) => !/\p{Cc}/u.test(text),
    issue('INVALID_FORMAT', 'Give it without line breaks and control characters.'),
  )
  .superRefine(refuseSecret);
