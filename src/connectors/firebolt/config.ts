import { z } from 'zod';
import { destination, issue, secret } from '../kit/config/marks.ts';
import { headerText, trimmedText } from '../kit/config/text.ts';
import { printableText } from '../kit/http/basic-auth.ts';

export const fireboltConfig = z.object({
  clientId: headerText(256).meta({ title: 'Client id', description: 'Id of the service account.' }),
  clientSecret: secret(headerText(1024))
    .optional()
    .meta({ title: 'Client secret', description: 'Belongs to the service account. Secret.' }),
  account: destination(
    trimmedText(128).refine(
      (name) => /^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(name),
      issue('INVALID_FORMAT', 'An account’s name has letters, digits, hyphens and underscores.'),
    ),
  ).meta({ title: 'Account', description: 'Name of the account within the organisation. Example: my-account' }),
  database: printableText(255).optional().meta({
    title: 'Database',
    description: 'Name of the database. Upper and lower case differ. Listing tables and tenancy need it.',
  }),
  engine: printableText(255).optional().meta({
    title: 'Engine',
    description:
      'The engine that runs queries; one that sleeps is started by them. Left out: the system engine, which always runs.',
  }),
});

export type FireboltConfig = z.output<typeof fireboltConfig>;
