import { z } from 'zod';
import { issue } from './marks.ts';

/** A name or a password as a wire protocol carries it: without the zero byte that ends it there. */
export function text(maxLength: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[^\0]*$/);
}

/**
 * A key or token that travels in an HTTP header: visible ASCII without spaces, `maxLength` characters at most.
 * Blanks around it, which copying often brings along, are taken off.
 */
export function headerText(maxLength: number): z.ZodString {
  return z
    .string()
    .trim()
    .min(1)
    .max(maxLength)
    .refine(
      (value) => /^[\x21-\x7e]*$/.test(value),
      issue('INVALID_FORMAT', 'Give it without spaces, line breaks and letters beyond ASCII.'),
    );
}
