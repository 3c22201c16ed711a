import { z } from 'zod';
import { host, port } from '../../kit/config/host.ts';
import { destination, inGroup, secret } from '../../kit/config/marks.ts';
import { sshTunnel } from '../../kit/config/ssh-tunnel.ts';
import { LONGEST_PASSWORD, LONGEST_USER, text } from '../../kit/config/text.ts';
import { tls } from '../../kit/config/tls.ts';

/**
 * The config fields of a server that speaks PostgreSQL's protocol. `longestName` is the longest name that it takes, in
 * characters; `withoutPassword` says when the password may be left out, after "Leave empty".
 */
export function postgresFields(defaultPort: number, longestName: number, withoutPassword: string) {
  const name = () => text(longestName);
  const atMost = `at most ${longestName} characters`;
  // a pooler takes more than a role's name: `role@tenant`
  const longestUser = Math.max(longestName, LONGEST_USER);
  return {
    host: destination(host()).meta({
      title: 'Host',
      description: 'The name or address of the server. Example: db.example.com',
    }),
    port: port(defaultPort),
    username: inGroup('SIGN_IN', text(longestUser)).meta({
      title: 'User name',
      description: `The role to sign in as, at most ${longestUser} characters.`,
    }),
    password: secret(text(LONGEST_PASSWORD))
      .optional()
      .meta({
        title: 'Password',
        description: `The password of the role, or a token that takes its place, at most 4,096 characters. Leave empty ${withoutPassword}. This secret is never shown again.`,
      }),
    database: name().meta({
      title: 'Database',
      description: `The name of the database, ${atMost}. Upper and lower case differ.`,
    }),
    schema: name()
      .default('public')
      .meta({ title: 'Schema', description: `The schema that holds the tables, ${atMost}.` }),
    // allowing it sends the password in a less safe way
    allowCleartextPassword: inGroup(
      'ADVANCED',
      destination(z.boolean(), (before, after) => after === true && before !== true),
    )
      .optional()
      .meta({
        title: 'Allow the password in clear text',
        description:
          'With tls.mode DISABLE, a server may ask for the password itself instead of a proof of it, and everybody on the way could read it. True to send it all the same, on a network that you trust. Over TLS and to a server on the same machine it is sent without this.',
      }),
    tls: tls(),
    sshTunnel: sshTunnel(),
  };
}

/** What all configs of the family have. */
export type PostgresFamilyConfig = z.output<z.ZodObject<ReturnType<typeof postgresFields>>>;
