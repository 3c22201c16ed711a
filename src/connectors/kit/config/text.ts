import { z } from 'zod';
import { issue } from './marks.ts';

/** The longest password, in characters: tokens of cloud providers stand in the place of one, and have some 2,000. */
export const LONGEST_PASSWORD = 4_096;
/** The longest user name of a database, in characters: poolers and proxies take more than a name, `user@tenant`. */
export const LONGEST_USER = 128;

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
  return anyText(maxLength).regex(/^[^\0]*$/);
}

/** A key or token that travels in an HTTP header: visible ASCII without spaces, `maxLength` characters at most. */
export function headerText(maxLength: number): z.ZodString {
  return trimmedText(maxLength).refine(
    (value) => /^[\x21-\x7e]*$/.test(value),
    issue('INVALID_FORMAT', 'Give it without spaces, line breaks and letters beyond ASCII.'),
  );
}

/** A passphrase of an encrypted private key, of at most 1,024 characters. */
export function passphrase(): z.ZodString {
  return anyText(1_024);
}
