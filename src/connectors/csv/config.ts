import { z } from 'zod';
import { destination, inGroup, issue, secret } from '../kit/config/marks.ts';
import { oneOf } from '../kit/config/one-of.ts';
import { given, has, leftOut, rules } from '../kit/config/rules.ts';
import { anyText, trimmedText } from '../kit/config/text.ts';
import { url } from '../kit/config/url.ts';

/** The longest file that is kept with the config, in bytes of UTF-8: a request holds 1 MiB. */
const MAX_CONTENT = 512 * 1024;

/** The encodings of the Encoding standard, each by the label that it is best known by. */
const ENCODINGS: readonly string[] = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'us-ascii',
  ...[1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16].map((part) => `iso-8859-${part}`),
  ...[1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258, 874].map((page) => `windows-${page}`),
  'koi8-r',
  'koi8-u',
  'macintosh',
  'ibm866',
  'shift_jis',
  'euc-jp',
  'iso-2022-jp',
  'gbk',
  'gb18030',
  'big5',
  'euc-kr',
];

export const csvConfig = z
  .object({
    source: oneOf('CsvSource', {
      url: destination(url({ protocols: ['https'], queryField: 'urlQuery' })).meta({
        title: 'URL',
        description:
          'The URL at which the file is fetched over TLS, without its query. The first 5 MiB are read; up to five redirects are followed, to https:// alone. Example: https://files.example.com/clients.csv',
      }),
      content: anyText(MAX_CONTENT)
        .refine((text) => Buffer.byteLength(text) <= MAX_CONTENT, issue('TOO_LONG', 'Give at most 512 KiB, or a URL.'))
        .meta({
          title: 'Content',
          contentMediaType: 'text/csv',
          description: 'The text of the file itself, at most 512 KiB. Nothing is fetched then.',
        }),
    }).meta({ title: 'Source', description: 'Where the file comes from: a URL, or its content. It is never a path.' }),
    urlQuery: inGroup(
      'BASICS',
      secret(
        trimmedText(8192)
          .overwrite((query) => query.replace(/^\?/, ''))
          .refine(
            (query) => /^[\x21-\x7e]+$/.test(query) && !query.includes('#'),
            issue('INVALID_FORMAT', 'Give it as it stands in the URL, without spaces, # and letters beyond ASCII.'),
          ),
      ),
    )
      .optional()
      .meta({
        title: 'Query of the URL',
        pattern: '^\\s*[!"$-~]+\\s*$',
        description:
          'The part of the URL behind its question mark. Leave empty when the URL has none. In a pre-signed URL that is the signature, so it is a secret and never shown again.',
      }),
    delimiter: inGroup('ADVANCED', anyText(1))
      .refine(
        (character) => character === '\t' || /^[^"\p{C}\p{Z}]$/u.test(character) || character === ' ',
        issue(
          'INVALID_VALUE',
          'Give one character: a comma, a semicolon, a bar, a tab. Quotes and line breaks are taken.',
        ),
      )
      .default(',')
      .meta({
        title: 'Delimiter',
        pattern: '^(?:[\\t ]|[^"\\p{C}\\p{Z}])$',
        description:
          'The one character between two values. In JSON, write a tab as \\t. A file whose first line is sep=; (or another character) is read by that one.',
      }),
    hasHeader: inGroup('ADVANCED', z.boolean())
      .default(true)
      .meta({ title: 'Header', description: 'Whether the first row holds the names of the columns.' }),
    encoding: inGroup('ADVANCED', anyText(32))
      .overwrite((label) => label.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()))
      .refine((label) => ENCODINGS.includes(label), issue('INVALID_VALUE', `Give one of ${ENCODINGS.join(', ')}.`))
      .default('utf-8')
      .meta({
        title: 'Encoding',
        description: 'The encoding of a file that is fetched. Examples: utf-8, windows-1252, shift_jis',
        enum: ENCODINGS,
      }),
  })
  .superRefine((value, context) => {
    if (value.urlQuery === undefined || value.source.content === undefined) return;
    const fault = issue('INVALID_COMBINATION', 'A query goes with a URL: leave it out, or set it to null.');
    context.addIssue({ code: 'custom', path: ['urlQuery'], ...fault });
  })
  .meta(rules([has('source', given('content')), leftOut('urlQuery')]));

export type CsvConfig = z.output<typeof csvConfig>;
