import { z } from 'zod';
import type { KeyLabel } from '../keys/key-block.ts';
import { host } from './host.ts';
import { destination, inGroup, issue, labelled, named, secret } from './marks.ts';
import { certificates, MAX_CA_BUNDLE, misplacedKeys, passphraseFault, privateKey, withoutKeys } from './pem.ts';
import { given, rules } from './rules.ts';
import { passphrase } from './text.ts';

const TLS_STRENGTH = ['DISABLE', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const;
export type TlsMode = (typeof TLS_STRENGTH)[number];

/** The formats of client keys. */
const CLIENT_KEYS: readonly KeyLabel[] = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];

const tlsMode = destination(
  labelled(named('TlsMode', z.enum(TLS_STRENGTH)), {
    DISABLE: 'No TLS: clear text',
    REQUIRE: 'TLS, any certificate',
    VERIFY_CA: 'TLS, certificate of a trusted CA',
    VERIFY_FULL: 'TLS, certificate of a trusted CA for this host',
  }),
  (before, after) => TLS_STRENGTH.indexOf(after) < TLS_STRENGTH.indexOf(before),
);

const tlsFields = named(
  'Tls',
  z.object({
    mode: tlsMode.default('VERIFY_FULL').meta({
      title: 'TLS mode',
      description:
        'How the connection is protected. DISABLE sends everything in clear text. REQUIRE encrypts, but takes any certificate. ' +
        'VERIFY_CA also asks that a trusted CA has signed the certificate, VERIFY_FULL that it is for this host as well.',
    }),
    caCertificate: destination(certificates(MAX_CA_BUNDLE)).optional().meta({
      title: 'CA certificate',
      description:
        'The certificates of one CA or of several, as PEM of at most 262,144 characters. They are trusted instead of the public CAs: leave empty to trust those.',
    }),
    clientCertificate: certificates().optional().meta({
      title: 'Client certificate',
      description:
        'The certificate that the gateway shows to the server, as PEM with its chain in any order. Leave empty when the server asks for none.',
    }),
    clientKey: secret(privateKey(CLIENT_KEYS)).optional().meta({
      title: 'Client key',
      description:
        'The private key that belongs to the client certificate, as PEM, encrypted or not. Leave empty without a client certificate. This secret is never shown again.',
    }),
    clientKeyPassphrase: secret(passphrase()).optional().meta({
      title: 'Passphrase of the client key',
      description:
        'The passphrase of the client key, at most 1,024 characters. Leave empty when the key is not encrypted. This secret is never shown again.',
    }),
    serverName: destination(host())
      .optional()
      .meta({
        title: 'Server name',
        examples: ['db.internal.example.com'],
        description: 'The host name that the certificate is for. Leave empty when that is the host itself.',
      }),
  }),
);

/** The shared `tls` block. Left out: it is VERIFY_FULL with the public CAs. */
export function tls() {
  return inGroup('TLS', tlsFields)
    .superRefine((value, context) => {
      const refuse = (path: keyof Tls, fault: ReturnType<typeof issue>) =>
        context.addIssue({ code: 'custom', path: [path], ...fault });
      const misplaced = (['caCertificate', 'clientCertificate'] as const).filter((field) => {
        const text = value[field];
        return text !== undefined && misplacedKeys(text).some((key) => key !== value.clientKey);
      });
      for (const field of misplaced) refuse(field, issue('SECRET_IN_OPEN_FIELD', MISPLACED_KEY[field]));
      if (misplaced.length === 0 && Boolean(value.clientCertificate) !== Boolean(value.clientKey)) {
        const missing = value.clientKey ? 'clientCertificate' : 'clientKey';
        const message = 'clientCertificate and clientKey go together: give both or none.';
        refuse(missing, issue('INVALID_COMBINATION', message));
      }
      const fault = passphraseFault(value.clientKey, value.clientKeyPassphrase);
      if (fault) refuse('clientKeyPassphrase', fault);
    })
    .overwrite((value) => ({
      ...value,
      ...(value.caCertificate && { caCertificate: withoutKeys(value.caCertificate) }),
      ...(value.clientCertificate && { clientCertificate: withoutKeys(value.clientCertificate) }),
    }))
    .meta(
      rules(
        [given('clientCertificate'), given('clientKey')],
        [given('clientKey'), given('clientCertificate')],
        [given('clientKeyPassphrase'), given('clientKey')],
      ),
    )
    .prefault({})
    .meta({
      title: 'TLS',
      description:
        'How the connection is encrypted, and how server and gateway prove who they are. Leave empty to encrypt it and to check the certificate in full.',
    });
}

const MISPLACED_KEY = {
  caCertificate:
    'A private key stands among the certificates. The key belongs in clientKey; that of a CA belongs nowhere here: leave it out.',
  clientCertificate: 'A private key stands among the certificates. The key belongs in clientKey.',
} as const;

export type Tls = z.output<typeof tlsFields>;
