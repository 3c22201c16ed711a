import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, inGroup, secret } from '../kit/config/marks.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { anyText, matching, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';

/** The longest name and the longest password that SQL Server has, in characters. */
const LONGEST_NAME = 128;

export const mssqlConfig = z.object({
  host: destination(host()).meta({
    title: 'Host',
    description:
      'The name or address of the server, without the name of an instance: enter the port of the instance instead. Example: db.example.com',
  }),
  port: port(1433),
  username: inGroup('SIGN_IN', text(LONGEST_NAME)).meta({
    title: 'User name',
    description: 'The login to sign in as, at most 128 characters. A Windows domain has a field of its own.',
  }),
  password: secret(text(LONGEST_NAME)).meta({
    title: 'Password',
    description: 'The password of the login, at most 128 characters. This secret is never shown again.',
  }),
  database: text(LONGEST_NAME).meta({
    title: 'Database',
    description: 'The name of the database, at most 128 characters.',
  }),
  schema: text(LONGEST_NAME)
    .default('dbo')
    .meta({ title: 'Schema', description: 'The schema that holds the tables, at most 128 characters.' }),
  // without a domain the password itself is sent, with one only a proof of it
  domain: inGroup(
    'SIGN_IN',
    destination(
      matching(anyText(253), /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'Give letters, digits, ".", "-" and "_", as CORP.'),
      (before, after) => (before === undefined) !== (after === undefined),
    ),
  )
    .optional()
    .meta({
      title: 'Windows domain',
      description:
        'The domain of a Windows account, which signs in by NTLM. Leave empty for a login of SQL Server’s own. Example: CORP',
    }),
  tls: tls().meta({
    title: 'TLS',
    description:
      'How the connection is encrypted. REQUIRE and stronger encrypt all of it, as SQL Server 2019 does (TDS 7.4) or, where the server takes nothing else, ' +
      'as SQL Server 2022 does with strict encryption (TDS 8.0). DISABLE sends everything in clear text, the password too, and fails where the server demands encryption.',
  }),
  sshTunnel: sshTunnel(),
});

export type MssqlConfig = z.output<typeof mssqlConfig>;
