import { z } from 'zod';
import { issue } from './marks.ts';

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s:,-]+-----END \1-----/;

/** PEM text of a certificate or a key, never a path. */
export function pem(label: RegExp, what: string): z.ZodString {
  return (
    z
      .string()
      .min(1)
      .max(65_536)
      // a PEM copied out of a JSON file has its line breaks written as \\n
      .overwrite((text) => text.replaceAll('\\n', '\n'))
      .refine(
        (text) => label.test(PEM_BLOCK.exec(text)?.[1] ?? ''),
        issue('INVALID_FORMAT', `Give ${what} as PEM text, from -----BEGIN to -----END.`),
      )
  );
}
