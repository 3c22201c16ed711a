import { z } from 'zod';
import { host, port } from '../kit/config/host.ts';
import { destination, inGroup, issue, secret } from '../kit/config/marks.ts';
import { has, leftOut, rules } from '../kit/config/rules.ts';
import { sshTunnel } from '../kit/config/ssh-tunnel.ts';
import { LONGEST_PASSWORD } from '../kit/config/text.ts';
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
        'The password of the user, at most 4,096 characters, which needs TLS. Leave empty when the coordinator asks for none, as on a private network. This secret is never shown again.',
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
  .superRefine((value, context) => {
    if (value.password === undefined || value.tls?.mode !== 'DISABLE') return;
    // Trino refuses the password, but only after it has travelled in clear text
    const message = 'Trino takes no password over clear text: use TLS, or leave the password out.';
    context.addIssue({ code: 'custom', path: ['password'], ...issue('INVALID_COMBINATION', message) });
  })
  .meta(rules([has('tls', has('mode', { const: 'DISABLE' })), leftOut('password')]));

export type TrinoConfig = z.output<typeof trinoConfig>;
