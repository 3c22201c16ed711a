import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, secret } from '../kit/config/marks.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';

/** The longest name and the longest password that SQL Server has, in characters. */
const LONGEST_NAME = 128;

export const mssqlConfig = z.object({
  host: destination(host()).meta({
    title: 'Host',
    description:
      'Name or address of the server, without the name of an instance: give its port. Example: db.example.com',
  }),
  port: port(1433),
  username: text(LONGEST_NAME).meta({
    title: 'User name',
    description: 'The login, at most 128 characters. With a domain: without it.',
  }),
  password: secret(text(LONGEST_NAME))
    .optional()
    .meta({ title: 'Password', description: 'At most 128 characters. Secret.' }),
  database: text(LONGEST_NAME).meta({
    title: 'Database',
    description: 'Name of the database, at most 128 characters.',
  }),
  schema: text(LONGEST_NAME)
    .default('dbo')
    .meta({ title: 'Schema', description: 'The schema that holds the tables, at most 128 characters.' }),
  // without a domain the password itself is sent, with one only a proof of it
  domain: destination(
    z
      .string()
      .min(1)
      .max(253)
      .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/),
    (before, after) => (before === undefined) !== (after === undefined),
  )
    .optional()
    .meta({
      title: 'Windows domain',
      description:
        'Signs in with a Windows account of this domain, by NTLM. Left out: a login of SQL Server’s own. Example: CORP',
    }),
  tls: tls().meta({
    title: 'TLS',
    description:
      'REQUIRE and stronger encrypt the whole connection, as SQL Server 2019 (TDS 7.4) or, where the server takes only that, as 2022 with strict encryption (TDS 8.0) does it. ' +
      'DISABLE sends all in clear text, the password too, and fails where the server demands encryption.',
  }),
  sshTunnel: sshTunnel(),
});

export type MssqlConfig = z.output<typeof mssqlConfig>;
