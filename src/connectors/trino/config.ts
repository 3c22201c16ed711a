import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, inGroup, issue, secret } from '../kit/config/marks.ts';
import { given, has, leftOut, rules } from '../kit/config/rules.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { headerText, LONGEST_PASSWORD } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { basicUserName, printableText } from '../kit/http/basic-auth.ts';

export const trinoConfig = z
  .object({
    host: destination(host()).meta({
      title: 'Host',
      description: 'The name or address of the coordinator. Example: trino.example.com',
    }),
    port: port(8443),
    username: inGroup('SIGN_IN', basicUserName(256)).meta({
      title: 'User name',
      description: 'The user to run queries as, at most 256 characters, without a colon.',
    }),
    password: secret(printableText(LONGEST_PASSWORD)).optional().meta({
      title: 'Password',
      description:
        'The password of the user, at most 4,096 characters, which needs TLS. Leave empty when you give an access token, or when the coordinator asks for none, as on a private network. This secret is never shown again.',
    }),
    accessToken: secret(headerText(16_384)).optional().meta({
      title: 'Access token',
      description:
        'A JSON Web Token or an OAuth 2.0 access token that takes the place of the password, at most 16,384 characters, which needs TLS. Leave empty when you sign in with a password. This secret is never shown again.',
    }),
    catalog: printableText(255).meta({
      title: 'Catalog',
      description: 'The name of the catalog as Trino knows it, at most 255 characters. Example: hive',
    }),
    schema: printableText(255).optional().meta({
      title: 'Schema',
      description:
        'The schema that holds the tables, at most 255 characters. Leave empty for every schema of the catalog.',
    }),
    tls: tls(),
    sshTunnel: sshTunnel(),
  })
  .superRefine(({ password, accessToken, tls }, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], ...issue('INVALID_COMBINATION', message) });
    if (password !== undefined && accessToken !== undefined)
      refuse('accessToken', 'Give either a password or an access token, not both.');
    if (tls?.mode !== 'DISABLE') return;
    // Trino refuses both, but only after they have travelled in clear text
    if (password !== undefined)
      refuse('password', 'Trino takes no password over clear text: use TLS, or leave the password out.');
    else if (accessToken !== undefined)
      refuse('accessToken', 'Trino takes no token over clear text: use TLS, or leave the token out.');
  })
  .meta(
    rules(
      [given('password'), leftOut('accessToken')],
      [has('tls', has('mode', { const: 'DISABLE' })), leftOut('password', 'accessToken')],
    ),
  );

export type TrinoConfig = z.output<typeof trinoConfig>;
