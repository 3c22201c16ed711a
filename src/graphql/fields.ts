import { z } from 'zod';
import { issue } from '../connectors/kit/config/marks.ts';
import { anyText } from '../connectors/kit/config/text.ts';

export { label, labelSought } from '../connectors/kit/config/label.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Validation of an id argument, which resolvers get in lower case, as ids are stored. Without `.nullish()` of its own:
 * GraphQL says whether it may be left out.
 */
export const uuid = z
  .string()
  .refine((value) => UUID.test(value), { ...issue('INVALID_ID', 'Give a UUID.'), abort: true })
  .toLowerCase();

/** The environment that an input is about, which most callers need not name. */
export const environmentIdField = {
  description: 'Leave it out when your token has one environment only.',
  validate: { schema: uuid },
} as const;

/** In characters. */
const MAX_KEY_LENGTH = 255;

/** The key by which a call that is sent again is recognised. */
export const idempotencyKeyField = {
  description:
    'A text of your own, such as a UUID, of at most 255 characters. The same call with the same key, sent again within 24 hours because its answer was lost, changes nothing more and answers with the same thing, as it is now; another input with that key is a ConflictError. It counts for your token and the environment. A call that is refused leaves nothing: mend it and send it again with the same key.',
  validate: { schema: anyText(MAX_KEY_LENGTH) },
} as const;

/** No name is longer, be it that of a table with its namespace. */
const MAX_SEARCH_LENGTH = 2_100;

/** What somebody looks for: any text that a database takes, of at most 2,100 characters. */
export const searchText = z
  .string()
  .max(MAX_SEARCH_LENGTH, { abort: true })
  .refine((text) => !text.includes('\0'), issue('INVALID_FORMAT', 'Give it without zero bytes.'));

/** An argument for a part of what somebody looks for. A pasted name often has a space before or behind it. */
export const searchField = (part: string) => ({
  description: `Give a part of ${part}. Upper and lower case do not matter, nor do spaces before or behind it.`,
  validate: { schema: searchText.transform((text) => text.trim()) },
});

/**
 * A list of `min` to `max` elements. Its length is judged before them, and judging ends at the first one that is wrong:
 * a plain z.array() would note each of some hundred thousand.
 */
export function boundedList<Element extends z.ZodType>(
  element: Element,
  { min = 0, max }: { min?: number; max: number },
) {
  return z
    .array(z.unknown())
    .max(max, { abort: true })
    .min(min, { abort: true })
    .transform((values, context): z.output<Element>[] => {
      const judged: z.output<Element>[] = [];
      for (const [index, value] of values.entries()) {
        const { data, error } = element.safeParse(value);
        const [found] = error?.issues ?? [];
        if (found) {
          context.addIssue({ ...found, input: value, path: [index, ...found.path] } as z.core.$ZodSuperRefineIssue);
          return z.NEVER;
        }
        judged.push(data as z.output<Element>);
      }
      return judged;
    });
}
