import { z } from 'zod';
import { port } from '../kit/config/host.ts';
import { destination, issue, secret } from '../kit/config/marks.ts';
import { anyText, headerText } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { httpNeedsTlsDisabled, targetOfUrl, url } from '../kit/config/url.ts';

export const qdrantConfig = z
  .object({
    baseUrl: destination(url()).meta({
      title: 'Base URL',
      description:
        'Where the REST API answers, with a path where it has one. Example: https://xyz.eu-central.aws.cloud.qdrant.io',
    }),
    port: port(6333).meta({
      title: 'Port',
      description: 'TCP port of the REST API, 1 to 65535. A port in the base URL has to be the same.',
    }),
    apiKey: secret(headerText(4096))
      .optional()
      .meta({ title: 'API key', description: 'An API key or a token (JWT). Secret. Left out: none.' }),
    collection: anyText(255)
      .regex(/^(?!\.{1,2}$)[^/\\\p{Cc}]+$/u)
      .meta({
        title: 'Collection',
        description: 'Name of the collection, at most 255 characters. Upper and lower case differ.',
      }),
    tls: tls(),
  })
  .superRefine((value, context) => {
    httpNeedsTlsDisabled(value, context, 'baseUrl');
    // a base URL that is no URL has an issue of its own
    if (!URL.canParse(value.baseUrl)) return;
    const target = targetOfUrl(value.baseUrl, value.tls, { hostPath: 'baseUrl', defaultPort: value.port });
    if (target.port !== value.port) {
      context.addIssue({
        code: 'custom',
        path: ['port'],
        ...issue('INVALID_COMBINATION', 'The port differs from the one in baseUrl: give it once, or the same.'),
      });
    }
  });

export type QdrantConfig = z.output<typeof qdrantConfig>;
