import { DER, readDer, readDerSequence } from './der.ts';
import { notWhatIsWanted } from './foreign-formats.ts';
import { type PemBlock, pemBlock, pemSections, UnreadablePem } from './pem.ts';

/** What a text of certificates holds. */
export interface ReadCertificates {
  /** At least one, in their order, none twice. */
  readonly certificates: readonly PemBlock[];
  /** Private keys that stand among them, which do not belong there. */
  readonly privateKeys: readonly PemBlock[];
}

const CERTIFICATE = /^(?:X509 |TRUSTED )?CERTIFICATE$/;
const PRIVATE_KEY = /PRIVATE KEY$/;

/**
 * The certificates of a text, wherever they stand in it, and the private keys beside them; all else is passed over.
 * Only their structure is read, in a time that grows as the text does. @throws UnreadablePem when there is none, or
 * when one is damaged
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

/** OpenSSL's trusted form is the certificate, and behind it what it is trusted for, which the field says already. */
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

/** Each block once, where it stands first. */
export function withoutTwins(blocks: readonly PemBlock[]): PemBlock[] {
  const seen = new Set<string>();
  return blocks.filter(({ bytes }) => seen.size < seen.add(bytes.toString('latin1')).size);
}
