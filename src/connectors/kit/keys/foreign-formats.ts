import { type PemSection, UnreadablePem } from './pem.ts';

export type Wanted = 'certificate' | 'private key';

/** How much of a text's beginning and end is looked at, in characters: whatever is wrong with it shows there. */
const SHOWN = 200;

/** What a user is told of blocks that hold something else. The first entry that fits counts. */
const LABELS: readonly (readonly [label: RegExp, says: Readonly<Record<Wanted, string>>])[] = [
  [
    /PRIVATE KEY/,
    {
      certificate: 'This is a private key. The key belongs in clientKey; give the certificate here.',
      'private key': 'This kind of private key is not taken.',
    },
  ],
  [
    /CERTIFICATE REQUEST$/,
    {
      certificate: 'This is a certificate signing request: give the certificate that the CA made from it.',
      'private key': 'This is a certificate signing request: give the private key that was made with it.',
    },
  ],
  [
    /^(PKCS7|CMS|PKCS #7 SIGNED DATA)$/,
    {
      certificate: 'This is PKCS#7. Write it anew: openssl pkcs7 -print_certs -in FILE.',
      'private key': 'This is PKCS#7, which holds no private key: give the private key.',
    },
  ],
  [
    /CERTIFICATE/,
    {
      certificate: 'This kind of certificate is not taken: give one of X.509.',
      'private key': 'This is a certificate: give its private key here.',
    },
  ],
  [
    /PUBLIC KEY$/,
    {
      certificate: 'This is a public key: give the certificate.',
      'private key': 'This is a public key: give the private key that belongs to it.',
    },
  ],
  [
    /CRL$/,
    {
      certificate: 'This is a list of revoked certificates: give the certificate.',
      'private key': 'This is a list of revoked certificates: give the private key.',
    },
  ],
  [
    /PARAMETERS$/,
    {
      certificate: 'These are parameters of a key: give the certificate.',
      'private key': 'These are parameters of a key: give the private key that was written after them.',
    },
  ],
];

/** What a user is told of formats without PEM's lines. The first entry that fits counts. */
const FORMATS: readonly (readonly [is: RegExp, says: string])[] = [
  [
    /^PuTTY-User-Key-File-\d/m,
    'This is PuTTY’s format. In PuTTYgen, choose Conversions, Export OpenSSH key, and give what that writes.',
  ],
  [/---- BEGIN SSH2 PUBLIC KEY/, 'This is a public key: give the private key that belongs to it.'],
  [/---- BEGIN SSH2 /, 'This is the format of SSH.com. Write it anew: ssh-keygen -i -f FILE.'],
  [/^\s*(ssh-(rsa|dss|ed25519)|ecdsa-sha2-\S{1,20}|sk-\S{1,40}) AAAA/, 'This is a public key: give the private key.'],
  [
    /BEGIN [A-Z0-9 ]{1,62}[-–—_]/,
    'The dashes around BEGIN are not five hyphens each: copy the text anew, without a word processor.',
  ],
  [/-----END /, 'The line -----BEGIN …----- is missing: give all of the text, from -----BEGIN to -----END.'],
  [/^\s*LS0tLS1CRUdJT/, 'This is PEM that was put into base64 once more: decode it first, with base64 -d.'],
  [
    /^\s*["']?M[CDGHI][A-Za-z0-9+/]{2}[A-Za-z0-9+/=\s]{20}/,
    'The lines -----BEGIN …----- and -----END …----- are missing: give them too.',
  ],
  // the first byte of DER is 0, and what follows is no text
  [
    /^0[^\x20-\x7e\s]|[\0\ufffd]/,
    'This is DER, which is no text. Write it as PEM: openssl x509 or openssl pkey, with -inform DER.',
  ],
  [
    /^\s*(\.{0,2}[/\\~]|[A-Za-z]:\\|file:)\S*\s*$|\.(pem|crt|cer|key|der|p12|pfx|ppk)\s*$/i,
    'This is the name of a file: give the text that the file holds.',
  ],
];

/** Tells why no block of the wanted kind was found in a text. */
export function notWhatIsWanted(wanted: Wanted, text: string, sections: readonly PemSection[]): UnreadablePem {
  const [, instead] = LABELS.find(([label]) => sections.some((section) => label.test(section.label))) ?? [];
  if (instead) return new UnreadablePem(instead[wanted]);
  const shown = text.length > 2 * SHOWN ? `${text.slice(0, SHOWN)}\n${text.slice(-SHOWN)}` : text;
  const [, format] = FORMATS.find(([is]) => is.test(shown)) ?? [];
  return new UnreadablePem(format ?? `Give the whole text of the ${wanted}: PEM, from -----BEGIN to -----END.`);
}
