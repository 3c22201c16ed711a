import { isIP } from 'node:net';
import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, issue, named, secret } from '../kit/config/marks.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';

const DEFAULT_PORT = 27_017;
/** The longest name of a database, in bytes. */
const MAX_DATABASE = 63;

export const mongodbConfig = z
  .object({
    host: destination(host()).meta({
      title: 'Host',
      description:
        'Name or address of the server; with srv the name whose SRV records list the servers. Example: db.example.com',
    }),
    port: port(DEFAULT_PORT).meta({
      title: 'Port',
      description: 'TCP port, 1 to 65535. With srv the records say which, and this one is left out.',
    }),
    srv: destination(z.boolean()).default(false).meta({
      title: 'SRV record',
      description:
        'As in mongodb+srv://: the servers are those that the SRV records of the host list. They are tried in turn, and have to belong to the domain of the host. TXT records are not read.',
    }),
    username: text(256).optional().meta({
      title: 'User name',
      description: 'At most 256 characters. Left out: no sign-in, or the subject of the client certificate with X509.',
    }),
    password: secret(text(1024))
      .optional()
      .meta({ title: 'Password', description: 'At most 1,024 characters. Secret. Not with X509.' }),
    database: text(MAX_DATABASE)
      .refine(
        (name) => !/[/\\. "$]/.test(name) && Buffer.byteLength(name) <= MAX_DATABASE,
        issue(
          'INVALID_FORMAT',
          'The name of a database has at most 63 bytes, and no slash, dot, space, quote or dollar.',
        ),
      )
      .meta({ title: 'Database', description: 'Name of the database, at most 63 bytes. Upper and lower case differ.' }),
    authSource: text(MAX_DATABASE).optional().meta({
      title: 'Authentication database',
      description: 'The database that knows the user. Left out: admin, or $external with X509.',
    }),
    authMechanism: destination(named('MongodbAuthMechanism', z.enum(['SCRAM_SHA_256', 'SCRAM_SHA_1', 'X509'])))
      .optional()
      .meta({
        title: 'Authentication mechanism',
        description:
          'How the user signs in. Left out: the strongest SCRAM that the server knows for the user. X509: by tls.clientCertificate.',
      }),
    replicaSet: text(128).optional().meta({
      title: 'Replica set',
      description:
        'The name that the server’s replica set must have. The gateway talks to the one server only, whatever its set.',
    }),
    tls: tls(),
    sshTunnel: sshTunnel(),
  })
  .superRefine((value, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: path.split('.'), ...issue('INVALID_COMBINATION', message) });
    if (value.srv && isIP(value.host)) refuse('host', 'srv needs a host name: an address has no SRV records.');
    if (value.srv && value.port !== DEFAULT_PORT) refuse('port', 'The SRV records say which port: leave it out.');
    if (value.authMechanism === 'X509') {
      if (value.tls.mode === 'DISABLE') refuse('authMechanism', 'X509 signs in over TLS: choose another tls.mode.');
      else if (!value.tls.clientCertificate) refuse('tls.clientCertificate', 'X509 signs in with it: give it.');
      if (value.password !== undefined)
        refuse('password', 'X509 signs in with tls.clientCertificate: leave the password out.');
      if (value.authSource !== undefined && value.authSource !== '$external')
        refuse('authSource', 'With X509 it is $external: leave it out.');
    } else if (value.username === undefined) {
      if (value.password !== undefined) refuse('username', 'A password goes with a user name.');
      if (value.authMechanism !== undefined) refuse('username', 'SCRAM signs a user in: give the name.');
    }
  });

export type MongodbConfig = z.output<typeof mongodbConfig>;
