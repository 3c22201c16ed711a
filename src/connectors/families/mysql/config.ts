import type { z } from 'zod';
import { host, port } from '../../kit/config/host.ts';
import { destination, inGroup, secret } from '../../kit/config/marks.ts';
import { sshTunnel } from '../../kit/config/ssh-tunnel.ts';
import { LONGEST_PASSWORD, LONGEST_USER, text } from '../../kit/config/text.ts';
import { tls } from '../../kit/config/tls.ts';

const LONGEST_DATABASE = 64;

/**
 * The config fields of a server that speaks MySQL's protocol. `without` says when else the password may be left out,
 * after "Leave empty when the account has none".
 */
export function mysqlFields(defaultPort: number, without = 'or when you sign in with a client certificate') {
  return {
    host: destination(host()).meta({
      title: 'Host',
      description: 'The name or address of the server. Example: db.example.com',
    }),
    port: port(defaultPort),
    username: inGroup('SIGN_IN', text(LONGEST_USER)).meta({
      title: 'User name',
      description: `The account to sign in as, without its host part, at most ${LONGEST_USER} characters.`,
    }),
    password: secret(text(LONGEST_PASSWORD))
      .optional()
      .meta({
        title: 'Password',
        description: `The password of the account, or a token that takes its place, at most 4,096 characters. Leave empty when the account has none, ${without}. This secret is never shown again.`,
      }),
    database: text(LONGEST_DATABASE).meta({
      title: 'Database',
      description: `The name of the database, at most ${LONGEST_DATABASE} characters. It depends on the server whether upper and lower case differ.`,
    }),
    tls: tls(),
    sshTunnel: sshTunnel(),
  };
}

/** What all configs of the family have. */
export type MysqlFamilyConfig = z.output<z.ZodObject<ReturnType<typeof mysqlFields>>>;
