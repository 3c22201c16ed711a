import { z } from 'zod';
import { host } from './host.ts';
import { destination, issue, named, secret } from './marks.ts';
import { pem } from './pem.ts';

const TLS_STRENGTH = ['DISABLE', 'REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const;
export type TlsMode = (typeof TLS_STRENGTH)[number];

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
    caCertificate: destination(pem(/CERTIFICATE$/, 'the CA certificate'))
      .optional()
      .meta({ title: 'CA certificate', description: 'PEM. Trusted instead of the public CAs.' }),
    clientCertificate: pem(/CERTIFICATE$/, 'the client certificate')
      .optional()
      .meta({ title: 'Client certificate', description: 'PEM, with its chain.' }),
    clientKey: secret(pem(/PRIVATE KEY$/, 'the client key'))
      .optional()
      .meta({ title: 'Client key', description: 'PEM, not encrypted. Secret.' }),
    serverName: destination(host())
      .optional()
      .meta({ title: 'Server name', description: 'The name in the certificate, where it is not the host.' }),
  }),
);

/** The shared `tls` block. Left out: VERIFY_FULL with the public CAs. */
export function tls() {
  return tlsFields
    .superRefine((value, context) => {
      if (Boolean(value.clientCertificate) !== Boolean(value.clientKey)) {
        const missing = value.clientKey ? 'clientCertificate' : 'clientKey';
        context.addIssue({
          code: 'custom',
          path: [missing],
          ...issue('INVALID_COMBINATION', 'clientCertificate and clientKey go together: give both or none.'),
        });
      }
    })
    .prefault({})
    .meta({ title: 'TLS' });
}

export type Tls = z.output<typeof tlsFields>;
