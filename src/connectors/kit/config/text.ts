import { z } from 'zod';
import { issue } from './marks.ts';

/** The longest password, in characters: tokens of cloud providers stand in the place of one, and have some 2,000. */
export const LONGEST_PASSWORD = 4_096;
/** The longest user name of a database, in characters: poolers and proxies take more than a name, `user@tenant`. */
export const LONGEST_USER = 128;

/**
 * A text with a pattern, which forms are told of as well: `told` where it says more than the rule that is added here,
 * and with blanks around it where they are taken off before it is judged.
 */
export function matching(
  schema: z.ZodString,
  pattern: RegExp,
  message: string,
  options: { readonly blanks?: boolean; readonly told?: string } = {},
): z.ZodString {
  const told = options.told ?? pattern.source;
  return schema
    .refine((value) => pattern.test(value), issue('INVALID_FORMAT', message))
    .meta({ pattern: options.blanks ? withBlanks(told) : told });
}

/** The source of a pattern with blanks around it. */
export function withBlanks(source: string): string {
  return `^\\s*(?:${source.replace(/^\^/, '').replace(/\$$/, '')})\\s*$`;
}

/** The source of a pattern for small letters as one for capital letters too. */
export function anyCase(source: string): string {
  return source.replace(/\[[^\]]*\]|\\.|[a-z]/g, (part) => {
    if (part.startsWith('[')) return part.replace('a-z', 'A-Za-z');
    return part.length > 1 ? part : `[${part.toUpperCase()}${part}]`;
  });
}

/* Every text of a config is made of these: its length is judged first and ends the judging, so that no rule ever
   sees an endless one. */

/** Any text of 1 to `maxLength` characters. */
export function anyText(maxLength: number): z.ZodString {
  return z.string().max(maxLength, { abort: true }).min(1, { abort: true });
}

/** Text of 1 to `maxLength` characters. Blanks around it, which copying often brings along, are taken off. */
export function trimmedText(maxLength: number): z.ZodString {
  return z.string().trim().max(maxLength, { abort: true }).min(1, { abort: true });
}

/** A name or a password as a wire protocol carries it: without the zero byte that ends it there. */
export function text(maxLength: number): z.ZodString {
  return matching(anyText(maxLength), /^[^\0]*$/, 'Give it without zero bytes.');
}

/** A key or token that travels in an HTTP header: visible ASCII without spaces, `maxLength` characters at most. */
export function headerText(maxLength: number): z.ZodString {
  const message = 'Give it without spaces, line breaks and letters beyond ASCII.';
  return matching(trimmedText(maxLength), /^[\x21-\x7e]*$/, message, { blanks: true });
}

/** A passphrase of an encrypted private key, of at most 1,024 characters. */
export function passphrase(): z.ZodString {
  return anyText(1_024);
}
