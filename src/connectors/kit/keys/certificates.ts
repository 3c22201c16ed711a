import { DER, readDer, readDerSequence } from './der.ts';
import { notWhatIsWanted } from './foreign-formats.ts';
import { type PemBlock, pemBlock, pemSections, UnreadablePem } from './pem.ts';

/** The blocks that a text of certificates holds. */
export interface ReadCertificates {
  /** The certificates in their order: there is at least one, and none twice. */
  readonly certificates: readonly PemBlock[];
  /** The private keys that stand among them and do not belong there. */
  readonly privateKeys: readonly PemBlock[];
}

const CERTIFICATE = /^(?:X509 |TRUSTED )?CERTIFICATE$/;
const PRIVATE_KEY = /PRIVATE KEY$/;

/**
 * Reads the certificates of a text, wherever they stand in it, and the private keys beside them; all else is passed
 * over. Only their structure is read, in a time that grows as the text does. @throws UnreadablePem when there is none,
 * or when one is damaged
 */
export function readCertificates(text: string): ReadCertificates {
  const sections = pemSections(text);
  const certificates = sections
    .filter(({ label }) => CERTIFICATE.test(label))
    .map((section) => certificate(pemBlock(section)));
  if (certificates.length === 0) throw notWhatIsWanted('certificate', text, sections);
  const privateKeys = sections.filter(({ label }) => PRIVATE_KEY.test(label)).map(pemBlock);
  return { certificates: withoutTwins(certificates), privateKeys: withoutTwins(privateKeys) };
}

/**
 * The certificate of a block. In OpenSSL's trusted form there stands behind it what it is trusted for, which the field
 * says already.
 */
function certificate({ label, bytes }: PemBlock): PemBlock {
  const whole = label.startsWith('TRUSTED') ? bytes.subarray(0, readDer(bytes)?.size) : bytes;
  const [content, algorithm, signature] = readDerSequence(whole) ?? [];
  const isCertificate =
    content?.tag === DER.SEQUENCE && algorithm?.tag === DER.SEQUENCE && signature?.tag === DER.BIT_STRING;
  if (!isCertificate) {
    throw new UnreadablePem(
      'A certificate is damaged or was cut off: give its whole text, from -----BEGIN to -----END.',
    );
  }
  return { label: 'CERTIFICATE', bytes: whole };
}

/** The blocks, each of them once, where it stands first. */
export function withoutTwins(blocks: readonly PemBlock[]): PemBlock[] {
  const seen = new Set<string>();
  return blocks.filter(({ bytes }) => seen.size < seen.add(bytes.toString('latin1')).size);
}
