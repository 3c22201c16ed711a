import { z } from 'zod';
import { destination, issue, secret } from '../kit/config/marks.ts';
import { rules } from '../kit/config/rules.ts';
import { anyText, headerText, matching } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, url, writtenPort } from '../kit/config/url.ts';

/** The port at which the REST API answers: the base URL's own wins. */
export function restPort(baseUrl: string, port = 6333): number {
  return writtenPort(baseUrl) ?? port;
}

export const qdrantConfig = z
  .object({
    baseUrl: destination(url()).meta({
      title: 'Base URL',
      description:
        'The URL at which the REST API answers, with its path if it has one. Example: https://xyz.eu-central.aws.cloud.qdrant.io',
    }),
    port: destination(z.int().min(1).max(65_535)).optional().meta({
      title: 'Port',
      description:
        'The TCP port of the REST API, 1 to 65535. Left out, it is the one in the base URL, or 6333. One in the base URL has to be the same.',
    }),
    apiKey: secret(headerText(4096)).optional().meta({
      title: 'API key',
      description:
        'An API key or a token (JWT), at most 4,096 characters. Leave empty when the server asks for none. This secret is never shown again.',
    }),
    collection: matching(
      anyText(255),
      /^(?!\.{1,2}$)[^/\\\p{Cc}]+$/u,
      'Give it without slashes and control characters.',
    ).meta({
      title: 'Collection',
      description: 'The name of the collection, at most 255 characters. Upper and lower case differ.',
    }),
    tls: tls(),
  })
  // a base URL that is no URL has an issue of its own
  .overwrite((value) =>
    URL.canParse(value.baseUrl) ? { ...value, port: value.port ?? restPort(value.baseUrl) } : value,
  )
  .superRefine((value, context) => {
    httpNeedsTlsDisabled(value, context, 'baseUrl');
    if (URL.canParse(value.baseUrl) && restPort(value.baseUrl, value.port) !== value.port) {
      context.addIssue({
        code: 'custom',
        path: ['port'],
        ...issue('INVALID_COMBINATION', 'The port differs from the one in baseUrl: give it once, or the same.'),
      });
    }
  })
  .meta(rules(...clearTextRules('baseUrl')));

export type QdrantConfig = z.output<typeof qdrantConfig>;
