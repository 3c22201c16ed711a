import { z } from 'zod';
import { destination, secret } from '../kit/config/marks.ts';
import { headerText, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { httpNeedsTlsDisabled, url } from '../kit/config/url.ts';

export const mongoDataApiConfig = z
  .object({
    apiUrl: destination(url()).meta({
      title: 'API URL',
      description:
        'Base URL of the Data API; /action/… is put after it. Example: https://data.example.com/app/data-abcde/endpoint/data/v1',
    }),
    apiKey: secret(headerText(1024))
      .optional()
      .meta({ title: 'API key', description: 'Sent as the api-key header. Secret. Left out: none.' }),
    dataSource: text(128).meta({
      title: 'Data source',
      description: 'Name of the cluster that is linked to the API. Example: mongodb-atlas',
    }),
    database: text(63).meta({
      title: 'Database',
      description: 'Name of the database, at most 63 characters. Upper and lower case differ.',
    }),
    collection: text(255).optional().meta({
      title: 'Collection',
      description: 'Name of the collection that the test reads from, at most 255 characters.',
    }),
    tls: tls(),
  })
  .superRefine((value, context) => httpNeedsTlsDisabled(value, context, 'apiUrl'));

export type MongoDataApiConfig = z.output<typeof mongoDataApiConfig>;
