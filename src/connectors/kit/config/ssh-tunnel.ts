import { z } from 'zod';
import { KEY_LABELS } from '../keys/key-block.ts';
import { host, port } from './host.ts';
import { destination, issue, named, neededToSave, secret } from './marks.ts';
import { passphraseFault, privateKey } from './pem.ts';
import { anyText, passphrase, trimmedText } from './text.ts';

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
    username: anyText(128).meta({
      title: 'SSH user name',
      description: 'Who signs in at the bastion, at most 128 characters.',
    }),
    password: secret(anyText(1_024)).optional().meta({ title: 'SSH password', description: 'Secret.' }),
    privateKey: secret(privateKey(KEY_LABELS))
      .optional()
      .meta({ title: 'SSH private key', description: 'OpenSSH or PEM text, encrypted or not. Secret.' }),
    passphrase: secret(passphrase())
      .optional()
      .meta({ title: 'Passphrase', description: 'Of an encrypted private key. Secret.' }),
    hostKeyFingerprint: neededToSave(
      destination(
        trimmedText(64)
          .overwrite((text) => text.replace(/=$/, ''))
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
      const refuse = (path: string, fault: ReturnType<typeof issue>) =>
        context.addIssue({ code: 'custom', path: [path], ...fault });
      if (value.password === undefined && value.privateKey === undefined)
        refuse('password', issue('INVALID_COMBINATION', 'Give a password or a private key.'));
      const fault = passphraseFault(value.privateKey, value.passphrase);
      if (fault) refuse('passphrase', fault);
    })
    .optional()
    .meta({ title: 'SSH tunnel' });
}

export type SshTunnel = z.output<typeof tunnelFields>;

/** The fields that a failure to reach the bastion points at. */
export const TUNNEL_PATHS = { hostPath: 'sshTunnel.host', portPath: 'sshTunnel.port' } as const;
