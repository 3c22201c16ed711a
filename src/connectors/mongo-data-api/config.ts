import { z } from 'zod';
import { destination, inGroup, issue, secret } from '../kit/config/marks.ts';
import { given, leftOut, rules } from '../kit/config/rules.ts';
import { headerText, LONGEST_PASSWORD, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { clearTextRules, httpNeedsTlsDisabled, url } from '../kit/config/url.ts';
import { basicUserName, printableText } from '../kit/http/basic-auth.ts';

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
        'The key that the gateway sends as the api-key header, at most 4,096 characters. Leave empty when you sign in with a password or an access token, or when the server asks for nothing. This secret is never shown again.',
    }),
    username: inGroup('SIGN_IN', basicUserName(256)).optional().meta({
      title: 'User name',
      description:
        'The user to sign in as (HTTP Basic), at most 256 characters, without a colon. Leave empty when you sign in with an API key or an access token.',
    }),
    password: secret(printableText(LONGEST_PASSWORD)).optional().meta({
      title: 'Password',
      description:
        'The password of the user, at most 4,096 characters. Leave empty when you give no user name. This secret is never shown again.',
    }),
    accessToken: secret(headerText(16_384)).optional().meta({
      title: 'Access token',
      description:
        'A token that the gateway sends as Authorization: Bearer, at most 16,384 characters. Leave empty when you sign in with an API key or a password. This secret is never shown again.',
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
        'The name of the collection that a test reads from, at most 255 characters. Leave empty to test the sign-in alone.',
    }),
    tls: tls(),
  })
  .superRefine((value, context) => {
    httpNeedsTlsDisabled(value, context, 'apiUrl');
    const { apiKey, username, password, accessToken } = value;
    const report = (code: 'REQUIRED' | 'INVALID_COMBINATION', path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], ...issue(code, message) });
    if (username !== undefined && password === undefined)
      report('REQUIRED', 'password', 'Give the password of the user.');
    if (username === undefined && password !== undefined)
      report('REQUIRED', 'username', 'Give the user of the password.');
    const message = 'Give one of an API key, a user name with its password, and an access token.';
    if (apiKey !== undefined && username !== undefined) report('INVALID_COMBINATION', 'apiKey', message);
    if (accessToken !== undefined && (apiKey !== undefined || username !== undefined))
      report('INVALID_COMBINATION', 'accessToken', message);
  })
  .meta(
    rules(
      ...clearTextRules('apiUrl'),
      [given('username'), given('password')],
      [given('password'), given('username')],
      [given('username'), leftOut('apiKey', 'accessToken')],
      [given('apiKey'), leftOut('accessToken')],
    ),
  );

export type MongoDataApiConfig = z.output<typeof mongoDataApiConfig>;
