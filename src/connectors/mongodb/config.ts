import { isIP } from 'node:net';
import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, inGroup, issue, labelled, named, secret } from '../kit/config/marks.ts';
import { given, has, leftOut, mayHave, rules } from '../kit/config/rules.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { LONGEST_PASSWORD, text } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';

const DEFAULT_PORT = 27_017;
const isX509 = has('authMechanism', { const: 'X509' });
/** The longest name of a database, in bytes. */
const MAX_DATABASE = 63;

export const mongodbConfig = z
  .object({
    host: destination(host()).meta({
      title: 'Host',
      description:
        'The name or address of the server. With srv it is the name whose SRV records list the servers. Example: db.example.com',
    }),
    port: port(DEFAULT_PORT).meta({
      title: 'Port',
      description: 'The TCP port, 1 to 65535. Leave empty with srv: the records tell the ports.',
    }),
    srv: destination(z.boolean()).default(false).meta({
      title: 'SRV record',
      description:
        'Whether the host is the name of a cluster, as in mongodb+srv://. Its SRV records then list the servers, which are tried in turn and have to belong to the domain of the host. TXT records are not read.',
    }),
    username: inGroup('SIGN_IN', text(256)).optional().meta({
      title: 'User name',
      description:
        'The user to sign in as, at most 256 characters. Leave empty when the server asks for no sign-in, or when X509 takes the name from the client certificate.',
    }),
    password: secret(text(LONGEST_PASSWORD)).optional().meta({
      title: 'Password',
      description:
        'The password of the user, at most 4,096 characters. Leave empty with X509, or when the server asks for no sign-in. This secret is never shown again.',
    }),
    database: text(MAX_DATABASE)
      .refine(
        (name) => !/[/\\. "$]/.test(name) && Buffer.byteLength(name) <= MAX_DATABASE,
        issue(
          'INVALID_FORMAT',
          'The name of a database has at most 63 bytes, and no slash, dot, space, quote or dollar.',
        ),
      )
      .meta({
        title: 'Database',
        description: 'The name of the database, at most 63 bytes. Upper and lower case differ.',
        pattern: '^[^/\\\\. "$\\u0000]*$',
      }),
    authSource: inGroup('SIGN_IN', text(MAX_DATABASE)).optional().meta({
      title: 'Authentication database',
      description:
        'The database that knows the user, at most 63 characters. Leave empty for admin, or for $external with X509.',
    }),
    authMechanism: inGroup(
      'SIGN_IN',
      destination(
        labelled(named('MongodbAuthMechanism', z.enum(['SCRAM_SHA_256', 'SCRAM_SHA_1', 'X509'])), {
          SCRAM_SHA_256: 'SCRAM-SHA-256',
          SCRAM_SHA_1: 'SCRAM-SHA-1',
          X509: 'X.509: the client certificate',
        }),
      ),
    )
      .optional()
      .meta({
        title: 'Authentication mechanism',
        description:
          'How the user signs in. X509 signs in with tls.clientCertificate. Leave empty for the strongest SCRAM that the server offers the user.',
      }),
    replicaSet: inGroup('ADVANCED', text(128)).optional().meta({
      title: 'Replica set',
      description:
        'The name that the server’s replica set must have, at most 128 characters. Leave empty when any will do. The gateway talks to this one server only, whatever its set.',
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
    } else if (value.password === undefined) {
      const missing = issue('REQUIRED', 'SCRAM signs a user in by the password: give it.');
      context.addIssue({ code: 'custom', path: ['password'], ...missing });
    }
  })
  .meta(
    rules(
      [has('srv', { const: true }), mayHave('port', { minimum: DEFAULT_PORT, maximum: DEFAULT_PORT })],
      [has('srv', { const: true }), mayHave('host', { pattern: '^(?!\\d+\\.\\d+\\.\\d+\\.\\d+/?$)[^:]*$' })],
      [isX509, has('tls', given('clientCertificate'))],
      [isX509, mayHave('tls', mayHave('mode', { pattern: '^(?!DISABLE$)' }))],
      [isX509, leftOut('password')],
      [isX509, mayHave('authSource', { pattern: '^\\$external$' })],
      [given('password'), given('username')],
      [has('authMechanism', { pattern: '^SCRAM' }), given('username')],
      [{ ...given('username'), not: isX509 }, given('password')],
    ),
  );

export type MongodbConfig = z.output<typeof mongodbConfig>;
