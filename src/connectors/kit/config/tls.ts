import { z } from 'zod';
import type { KeyLabel } from '../keys/key-block.ts';
import { host } from './host.ts';
import { destination, issue, named, secret } from './marks.ts';
import { certificates, MAX_CA_BUNDLE, misplacedKeys, passphraseFault, privateKey, withoutKeys } from './pem.ts';
import { passphrase } from './text.ts';

const TLS_STRENGTH = ['DISABLE', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const;
export type TlsMode = (typeof TLS_STRENGTH)[number];

/** The formats of client keys. */
const CLIENT_KEYS: readonly KeyLabel[] = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY'];

const tlsMode = destination(
  named('TlsMode', z.enum(TLS_STRENGTH)),
  (before, after) => TLS_STRENGTH.indexOf(after) < TLS_STRENGTH.indexOf(before),
);

const tlsFields = named(
  'Tls',
  z.object({
    mode: tlsMode.default('VERIFY_FULL').meta({
      title: 'TLS mode',
      description:
        'DISABLE: clear text. REQUIRE: encrypted, any certificate. VERIFY_CA: signed by a trusted CA. VERIFY_FULL: and for this host.',
    }),
    caCertificate: destination(certificates(MAX_CA_BUNDLE)).optional().meta({
      title: 'CA certificate',
      description: 'PEM of one CA or of several, at most 262,144 characters. Trusted instead of the public CAs.',
    }),
    clientCertificate: certificates()
      .optional()
      .meta({ title: 'Client certificate', description: 'PEM, with its chain, in any order.' }),
    clientKey: secret(privateKey(CLIENT_KEYS)).optional().meta({
      title: 'Client key',
      description: 'PEM of the key that belongs to clientCertificate, encrypted or not. Secret.',
    }),
    clientKeyPassphrase: secret(passphrase())
      .optional()
      .meta({ title: 'Passphrase of the client key', description: 'Opens clientKey where that is encrypted. Secret.' }),
    serverName: destination(host())
      .optional()
      .meta({ title: 'Server name', description: 'The name in the certificate, where it is not the host.' }),
  }),
);

/** The shared `tls` block. Left out: VERIFY_FULL with the public CAs. */
export function tls() {
  return tlsFields
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
    .prefault({})
    .meta({ title: 'TLS' });
}

const MISPLACED_KEY = {
  caCertificate:
    'A private key stands among the certificates. The key belongs in clientKey; that of a CA belongs nowhere here: leave it out.',
  clientCertificate: 'A private key stands among the certificates. The key belongs in clientKey.',
} as const;

export type Tls = z.output<typeof tlsFields>;
