import { issue } from './marks.ts';
import { refuseSecret } from './open-fields.ts';
import { trimmedText } from './text.ts';

const MAX_LABEL_LENGTH = 128;

/** What an emoji is put together from, with its colour, its joiners and the letters of a flag. */
const EMOJI =
  /\u{1f3f4}[\u{e0030}-\u{e007a}]{1,8}\u{e007f}|\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|\p{Emoji_Modifier})?(?:\u200d\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?)*|[\d#*]\ufe0f\u20e3/gu;
/** Joiners between letters that are written otherwise with them, as those of Persian and of India's languages are. */
const JOINED =
  /(?<=[\p{L}\p{M}])(?<!\p{Script=Latin}|\p{Script=Greek}|\p{Script=Cyrillic})[\u200c\u200d](?=[\p{L}\p{M}])/gu;
/** Variants of a character that look otherwise, as in names of Japan. */
const VARIANT = /(?<=\p{Script=Han}|\p{Script=Mongolian})[\p{Variation_Selector}]/gu;
/** What shows nothing of itself, or puts what stands around it into another order. */
const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}\u2800]/u;

/** Whether a text is not what it looks like: two of them may look alike, or end where they seem to begin. */
export function hidesCharacters(text: string): boolean {
  return (
    HIDDEN.test(text) && HIDDEN.test([EMOJI, JOINED, VARIANT].reduce((rest, seen) => rest.replace(seen, ''), text))
  );
}

/** Finds labels, however old they are: at most 128 characters, on one line. */
export const labelSought = trimmedText(MAX_LABEL_LENGTH)
  .refine(
    (text) => !/\p{Cc}/u.test(text),
    issue('INVALID_FORMAT', 'Give it without line breaks and control characters.'),
  )
  .superRefine(refuseSecret);

/** What is said of a text that hides characters. */
export const HIDDEN_CHARACTERS =
  'Give it without characters that nobody sees, as zero-width spaces and marks of the direction of writing are: with them it looks like another name. Typing it anew leaves them out.';

/** For people: at most 128 characters, on one line, each of which can be seen. */
export const label = labelSought.refine((text) => !hidesCharacters(text), issue('INVALID_FORMAT', HIDDEN_CHARACTERS));
