import { z } from 'zod';
import { destination, inGroup, secret } from '../kit/config/marks.ts';
import { headerText, LONGEST_PASSWORD, matching, trimmedText } from '../kit/config/text.ts';
import { printableText } from '../kit/http/basic-auth.ts';

export const fireboltConfig = z.object({
  clientId: inGroup('SIGN_IN', headerText(256)).meta({
    title: 'Client id',
    description: 'The id of the service account.',
  }),
  clientSecret: secret(headerText(LONGEST_PASSWORD)).meta({
    title: 'Client secret',
    description: 'The secret of the service account, at most 4,096 characters. It is never shown again.',
  }),
  account: destination(
    matching(
      trimmedText(128),
      /^[A-Za-z0-9][A-Za-z0-9_-]*$/,
      'An account’s name has letters, digits, hyphens and underscores.',
      { blanks: true },
    ),
  ).meta({ title: 'Account', description: 'The name of the account within the organisation. Example: my-account' }),
  database: printableText(255).optional().meta({
    title: 'Database',
    description:
      'The name of the database. Upper and lower case differ. The list of tables, the catalog and tenancy need it.',
  }),
  engine: printableText(255).optional().meta({
    title: 'Engine',
    description:
      'The engine that runs queries, which start it when it sleeps. Leave empty for the system engine, which always runs.',
  }),
});

export type FireboltConfig = z.output<typeof fireboltConfig>;
