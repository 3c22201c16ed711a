import type { z } from 'zod';
import { issue } from './marks.ts';
import { type ConfigValues, leavesOf, valueAt } from './shape.ts';

/**
 * A private key within any text, whatever the rest of the text is. Its repetitions are bounded, so that it looks at a
 * text only once.
 */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY|PuTTY-User-Key-File-/;

/** Tells whether a text may stand where it can be read back. */
export function isOpenText(text: string): boolean {
  return !PRIVATE_KEY.test(text);
}

export const misplacedKey = issue(
  'SECRET_IN_OPEN_FIELD',
  'A private key stands here, where it could be read back. Leave it out, and give it in the field that is for it.',
);

/** The config with one more rule: no field that is read back holds a private key. */
export function withoutKeysInTheOpen<Schema extends z.ZodObject>(config: Schema): Schema {
  const open = leavesOf(config).filter(({ mark }) => !mark.secret);
  return config.superRefine((values, context) => {
    for (const { path } of open) {
      const value = valueAt(values as ConfigValues, path);
      if (typeof value !== 'string' || isOpenText(value)) continue;
      context.addIssue({ code: 'custom', path: path.split('.'), ...misplacedKey });
    }
  });
}
