import type { z } from 'zod';
import { anyText, matching } from '../config/text.ts';

/** The Authorization header of HTTP's Basic sign-in, which sends both parts as UTF-8. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** A header's value whose characters go out as UTF-8. */
export function headerBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** A user name for Basic sign-in, of at most `maxLength` characters. A colon would end it, so it has none. */
export function basicUserName(maxLength: number): z.ZodString {
  return matching(printableText(maxLength), /^[^:]*$/, 'Give it without a colon.', { told: '^[^:\\p{Cc}]*$' });
}

/** Text of at most `maxLength` characters, without line breaks and other control characters. */
export function printableText(maxLength: number): z.ZodString {
  return matching(anyText(maxLength), /^\P{Cc}*$/u, 'Give it without control characters.');
}
