import { z } from 'zod';
import { destination, secret } from '../kit/config/marks.ts';
import { rules } from '../kit/config/rules.ts';
import { headerText, LONGEST_PASSWORD, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, url } from '../kit/config/url.ts';

export const mongoDataApiConfig = z
  .object({
    apiUrl: destination(url()).meta({
      title: 'API URL',
      description:
        'The base URL of the Data API. The gateway appends /action/… to it. Example: https://data.example.com/app/data-abcde/endpoint/data/v1',
    }),
    apiKey: secret(headerText(LONGEST_PASSWORD)).optional().meta({
      title: 'API key',
      description:
        'The key that the gateway sends as the api-key header, at most 4,096 characters. Leave empty when the server asks for none. This secret is never shown again.',
    }),
    dataSource: text(128).meta({
      title: 'Data source',
      description: 'The name of the cluster that is linked to the API, at most 128 characters. Example: mongodb-atlas',
    }),
    database: text(63).meta({
      title: 'Database',
      description: 'The name of the database, at most 63 characters. Upper and lower case differ.',
    }),
    collection: text(255).optional().meta({
      title: 'Collection',
      description:
        'The name of the collection that a test reads from, at most 255 characters. Leave empty to test the API key alone.',
    }),
    tls: tls(),
  })
  .superRefine((value, context) => httpNeedsTlsDisabled(value, context, 'apiUrl'))
  .meta(rules(...clearTextRules('apiUrl')));

export type MongoDataApiConfig = z.output<typeof mongoDataApiConfig>;
