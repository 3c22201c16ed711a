import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, inGroup, secret } from '../kit/config/marks.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { LONGEST_PASSWORD, matching } from '../kit/config/text.ts';
import { tls } from '../kit/config/tls.ts';
import { printableText } from '../kit/http/basic-auth.ts';

/** Text that travels as the value of a header. It has no blanks at its ends, which would be lost on the way. */
function headerValue(maxLength: number) {
  return matching(printableText(maxLength), /^(?!\s)[\s\S]*(?<!\s)$/, 'Give it without blanks at its ends.', {
    told: '^(?!\\s)\\P{Cc}*(?<!\\s)$',
  });
}

export const clickhouseConfig = z.object({
  host: destination(host()).meta({
    title: 'Host',
    description: 'The name or address of the server. Example: abc123.eu-central-1.aws.clickhouse.cloud',
  }),
  port: port(8443).meta({
    title: 'Port',
    description: 'The TCP port of the HTTP interface, 1 to 65535: usually 8443 with TLS and 8123 without.',
  }),
  username: inGroup('SIGN_IN', headerValue(256))
    .default('default')
    .meta({ title: 'User name', description: 'The user to sign in as, at most 256 characters.' }),
  password: secret(headerValue(LONGEST_PASSWORD)).optional().meta({
    title: 'Password',
    description:
      'The password of the user, at most 4,096 characters. Leave empty when the user has none. This secret is never shown again.',
  }),
  database: printableText(255).default('default').meta({
    title: 'Database',
    description: 'The database that holds the tables, at most 255 characters. Upper and lower case differ.',
  }),
  tls: tls(),
  sshTunnel: sshTunnel(),
});

export type ClickHouseConfig = z.output<typeof clickhouseConfig>;
