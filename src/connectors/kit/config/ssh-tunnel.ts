import { z } from 'zod';
import { host, port } from './host.ts';
import { destination, issue, named, neededToSave, secret } from './marks.ts';
import { pem } from './pem.ts';

const MAX_PASSWORD = 1_024;
const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

const tunnelFields = named(
  'SshTunnel',
  z.object({
    // a tunnel that is switched off or on sends the secrets another way
    enabled: destination(z.boolean())
      .default(true)
      .meta({ title: 'Enabled', description: 'False keeps the settings but connects directly.' }),
    host: destination(host()).meta({ title: 'SSH host', description: 'Name or address of the bastion.' }),
    port: port(22),
    username: z
      .string()
      .min(1)
      .max(128)
      .meta({ title: 'SSH user name', description: 'Who signs in at the bastion, at most 128 characters.' }),
    password: secret(z.string().min(1).max(MAX_PASSWORD))
      .optional()
      .meta({ title: 'SSH password', description: 'Secret.' }),
    privateKey: secret(pem(/PRIVATE KEY$/, 'the private key'))
      .optional()
      .meta({ title: 'SSH private key', description: 'OpenSSH or PEM text, encrypted or not. Secret.' }),
    passphrase: secret(z.string().min(1).max(MAX_PASSWORD))
      .optional()
      .meta({ title: 'Passphrase', description: 'Of an encrypted private key. Secret.' }),
    hostKeyFingerprint: neededToSave(
      destination(
        z
          .string()
          .overwrite((text) => text.trim().replace(/=$/, ''))
          .refine(
            (text) => FINGERPRINT.test(text),
            issue('INVALID_FORMAT', 'Give it as OpenSSH prints it: SHA256: and 43 characters.'),
          ),
      ),
    )
      .optional()
      .meta({
        title: 'Host key fingerprint',
        description:
          'Needed to save. A test without it stops at tunnel/open and shows, as evidence, the one to confirm: `SHA256:…` as OpenSSH prints it.',
      }),
  }),
);

/** The shared `sshTunnel` block: a connection over a bastion. Left out: direct. */
export function sshTunnel() {
  return tunnelFields
    .superRefine((value, context) => {
      const refuse = (path: string, message: string) =>
        context.addIssue({ code: 'custom', path: [path], ...issue('INVALID_COMBINATION', message) });
      if (value.password === undefined && value.privateKey === undefined)
        refuse('password', 'Give a password or a private key.');
      if (value.passphrase !== undefined && value.privateKey === undefined)
        refuse('passphrase', 'A passphrase goes with a private key.');
    })
    .optional()
    .meta({ title: 'SSH tunnel' });
}

export type SshTunnel = z.output<typeof tunnelFields>;

/** The fields that a failure to reach the bastion points at. */
export const TUNNEL_PATHS = { hostPath: 'sshTunnel.host', portPath: 'sshTunnel.port' } as const;
