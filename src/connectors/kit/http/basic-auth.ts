import type { z } from 'zod';
import { anyText, matching } from '../config/text.ts';

const LATIN_1 = /^[\0-\xff]*$/;

/** The Authorization header of HTTP's Basic sign-in, which sends both parts as UTF-8. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The same for a server that reads ISO-8859-1; what has other characters goes out as UTF-8. */
export function latin1BasicAuthorization(username: string, password: string): string {
  const both = latin1HeaderBytes(`${username}:${password}`);
  return `Basic ${Buffer.from(both, 'latin1').toString('base64')}`;
}

/** A header's value whose characters go out as UTF-8. */
export function headerBytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** A header's value for a server that reads ISO-8859-1; what has other characters goes out as UTF-8. */
export function latin1HeaderBytes(text: string): string {
  return LATIN_1.test(text) ? text : headerBytes(text);
}

/** A user name for Basic sign-in, of at most `maxLength` characters. A colon would end it, so it has none. */
export function basicUserName(maxLength: number): z.ZodString {
  return matching(printableText(maxLength), /^[^:]*$/, 'Give it without a colon.', { told: '^[^:\\p{Cc}]*$' });
}

/** Text of at most `maxLength` characters, without line breaks and other control characters. */
export function printableText(maxLength: number): z.ZodString {
  return matching(anyText(maxLength), /^\P{Cc}*$/u, 'Give it without control characters.');
}
