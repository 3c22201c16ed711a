import type { z } from 'zod';
import { issue } from './marks.ts';
import { type ConfigValues, leavesOf, valueAt } from './shape.ts';

/**
 * A private key within any text, whatever the rest of the text is. Its repetitions are bounded, so that it looks at a
 * text only once.
 */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY|PuTTY-User-Key-File-/;

/** A URL's user name with its password. Neither part of it has a slash, so that it looks at a text only once. */
const PASSWORD_IN_URL = /:\/\/[^\s/?#@:]*:[^\s/?#@]+@/;

const misplacedPassword = issue(
  'SECRET_IN_OPEN_FIELD',
  'Leave user name and password out of the URL, where they could be read back, and give them in their own fields, if there are any.',
);

const misplacedKey = issue(
  'SECRET_IN_OPEN_FIELD',
  'A private key stands here, where it could be read back. Leave it out, and give it in the field that is for it.',
);

/** What is wrong with a text in a field that is read back; undefined when it holds nothing that is told as a secret. */
export function misplacedSecret(text: string): ReturnType<typeof issue> | undefined {
  if (PRIVATE_KEY.test(text)) return misplacedKey;
  return PASSWORD_IN_URL.test(text) ? misplacedPassword : undefined;
}

/** Lets a text through that may be read back. */
export function refuseSecret(text: string, context: z.core.$RefinementCtx<string>): void {
  const misplaced = misplacedSecret(text);
  if (misplaced) context.addIssue({ code: 'custom', ...misplaced });
}

/** The config with one more rule: no field that is read back holds a private key, or a password in a URL. */
export function withoutSecretsInTheOpen<Schema extends z.ZodObject>(config: Schema): Schema {
  const open = leavesOf(config).filter(({ mark }) => !mark.secret);
  return config.superRefine((values, context) => {
    const refused = new Set(context.issues.map(({ path = [] }) => path.join('.')));
    for (const { path } of open) {
      const value = valueAt(values as ConfigValues, path);
      const misplaced = typeof value === 'string' && !refused.has(path) ? misplacedSecret(value) : undefined;
      if (misplaced) context.addIssue({ code: 'custom', path: path.split('.'), ...misplaced });
    }
  });
}
