import { z } from 'zod';
import { KEY_LABELS } from '../keys/key-block.ts';
import { host, port } from './host.ts';
import { destination, inGroup, issue, named, neededToSave, secret } from './marks.ts';
import { passphraseFault, privateKey } from './pem.ts';
import { given, missing, rules } from './rules.ts';
import { anyText, LONGEST_PASSWORD, matching, passphrase, trimmedText } from './text.ts';

const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/;

const tunnelFields = named(
  'SshTunnel',
  z.object({
    // a tunnel that is switched off or on sends the secrets another way
    enabled: destination(z.boolean()).default(true).meta({
      title: 'Enabled',
      description:
        'Whether the gateway goes through the bastion. Turn it off to keep the settings but connect directly.',
    }),
    host: destination(host()).meta({
      title: 'SSH host',
      description: 'The name or address of the bastion. Example: bastion.example.com',
    }),
    port: port(22),
    username: anyText(128).meta({
      title: 'SSH user name',
      description: 'The user who signs in at the bastion, at most 128 characters.',
    }),
    password: secret(anyText(LONGEST_PASSWORD)).optional().meta({
      title: 'SSH password',
      description:
        'The password of that user, at most 4,096 characters. Leave empty when you sign in with a private key. This secret is never shown again.',
    }),
    privateKey: secret(privateKey(KEY_LABELS)).optional().meta({
      title: 'SSH private key',
      description:
        'The private key of that user, as OpenSSH or PEM text, encrypted or not. Leave empty when you sign in with a password. This secret is never shown again.',
    }),
    passphrase: secret(passphrase()).optional().meta({
      title: 'Passphrase',
      description:
        'The passphrase of the private key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again.',
    }),
    hostKeyFingerprint: neededToSave(
      destination(
        matching(
          trimmedText(64).overwrite((text) => text.replace(/=$/, '')),
          FINGERPRINT,
          'Give it as OpenSSH prints it: SHA256: and 43 characters.',
          { blanks: true },
        ).meta({ pattern: '^\\s*SHA256:[A-Za-z0-9+/]{43}=?\\s*$' }),
      ),
    )
      .optional()
      .meta({
        title: 'Host key fingerprint',
        description:
          'The fingerprint of the bastion’s host key, `SHA256:…` as OpenSSH prints it. You need it to save: a test without it stops at tunnel/open and shows, as evidence, the fingerprint to confirm.',
      }),
  }),
);

/** The shared `sshTunnel` block, which leads a connection over a bastion. Left out: the connection is direct. */
export function sshTunnel() {
  return inGroup('SSH_TUNNEL', tunnelFields)
    .superRefine((value, context) => {
      const refuse = (path: string, fault: ReturnType<typeof issue>) =>
        context.addIssue({ code: 'custom', path: [path], ...fault });
      if (value.password === undefined && value.privateKey === undefined)
        refuse('password', issue('REQUIRED', 'Give a password or a private key.'));
      const fault = passphraseFault(value.privateKey, value.passphrase);
      if (fault) refuse('passphrase', fault);
    })
    .meta(rules([missing('privateKey'), given('password')], [given('passphrase'), given('privateKey')]))
    .optional()
    .meta({
      title: 'SSH tunnel',
      description: 'The bastion that the gateway goes through. Leave empty to connect directly.',
    });
}

export type SshTunnel = z.output<typeof tunnelFields>;

/** The fields that a failure to reach the bastion points at. */
export const TUNNEL_PATHS = { hostPath: 'sshTunnel.host', portPath: 'sshTunnel.port' } as const;
