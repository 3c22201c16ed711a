import { withoutTwins } from './certificates.ts';
import { DER, readDerSequence } from './der.ts';
import { notWhatIsWanted } from './foreign-formats.ts';
import { roundsOf } from './key-cost.ts';
import { isEncryptedOpenSsh } from './openssh-key.ts';
import { type PemBlock, pemBlock, pemSections, UnreadablePem } from './pem.ts';

const PKCS8 = 'PRIVATE KEY';
const ENCRYPTED_PKCS8 = 'ENCRYPTED PRIVATE KEY';
const PKCS1 = 'RSA PRIVATE KEY';
const SEC1 = 'EC PRIVATE KEY';
const OPENSSH = 'OPENSSH PRIVATE KEY';

/** The formats of private keys, as PEM labels them. */
export type KeyLabel = typeof PKCS8 | typeof ENCRYPTED_PKCS8 | typeof PKCS1 | typeof SEC1 | typeof OPENSSH;

/** Every format of private keys. */
export const KEY_LABELS: readonly KeyLabel[] = [PKCS8, ENCRYPTED_PKCS8, PKCS1, SEC1, OPENSSH];

const RSA_INTEGERS = 9;
/** The block of a cipher, in bytes: every cipher of the traditional form works on as many, or on twice as many. */
const CIPHER_BLOCK = 8;

const DAMAGED = 'The private key is damaged or was cut off: give its whole text, from -----BEGIN to -----END.';
const ENCRYPTED =
  'The private key is encrypted. Write it without a passphrase: openssl pkcs8 -topk8 -nocrypt -in FILE.';
const UNUSUAL = 'The key is encrypted in an unusual way. Write it anew: openssl pkcs8 -topk8 -in FILE.';
const OPENSSH_NOT_TAKEN =
  'OpenSSH’s own format is not taken here. Write it anew, over a copy: ssh-keygen -p -m PKCS8 -f FILE.';

/**
 * Reads the one private key of a text, wherever it stands in it; certificates, parameters of curves and all else are
 * passed over. Encrypted keys are taken when ENCRYPTED PRIVATE KEY is among the labels. Only the structure is read, in
 * a time that grows as the text does. @throws UnreadablePem saying what is wrong
 */
export function readKeyBlock(text: string, labels: readonly KeyLabel[]): PemBlock {
  const sections = pemSections(text);
  const [key, other] = withoutTwins(sections.filter(({ label }) => label.endsWith('PRIVATE KEY')).map(pemBlock));
  if (!key) throw notWhatIsWanted('private key', text, sections);
  if (other) throw new UnreadablePem('There are several private keys: give one.');
  if (!isOneOf(key.label, labels)) throw new UnreadablePem(notTaken(key.label, labels));
  if (!isSound(key)) throw new UnreadablePem(DAMAGED);
  if (key.label === ENCRYPTED_PKCS8 && roundsOf(key.bytes) === undefined) throw new UnreadablePem(UNUSUAL);
  if (isEncryptedKey(key) && !isOneOf(ENCRYPTED_PKCS8, labels)) throw new UnreadablePem(ENCRYPTED);
  return key;
}

/** Tells whether it takes a passphrase to open the key. */
export function isEncryptedKey({ label, bytes, dekInfo }: PemBlock): boolean {
  if (label === OPENSSH) return isEncryptedOpenSsh(bytes) === true;
  return label === ENCRYPTED_PKCS8 || dekInfo !== undefined;
}

function isOneOf(label: string, labels: readonly string[]): boolean {
  return labels.includes(label);
}

function notTaken(label: string, labels: readonly KeyLabel[]): string {
  if (label === OPENSSH) return OPENSSH_NOT_TAKEN;
  if (label === ENCRYPTED_PKCS8) return ENCRYPTED;
  return `This kind of private key is not taken: give one that begins with -----BEGIN ${labels.join('-----, or -----BEGIN ')}-----.`;
}

/** Tells whether the structure is that of its format, whole and with nothing behind it. */
function isSound({ label, bytes, dekInfo }: PemBlock): boolean {
  if (label === OPENSSH) return isEncryptedOpenSsh(bytes) !== undefined;
  // what is encrypted as a whole has no structure
  if (dekInfo !== undefined) return bytes.length > 0 && bytes.length % CIPHER_BLOCK === 0;
  const tags = (readDerSequence(bytes) ?? []).map(({ tag }) => tag);
  const begins = (...expected: number[]) => expected.every((tag, index) => tags[index] === tag);
  if (label === PKCS8) return begins(DER.INTEGER, DER.SEQUENCE, DER.OCTET_STRING);
  if (label === ENCRYPTED_PKCS8) return begins(DER.SEQUENCE, DER.OCTET_STRING);
  if (label === PKCS1) return begins(...Array<number>(RSA_INTEGERS).fill(DER.INTEGER));
  return begins(DER.INTEGER, DER.OCTET_STRING);
}
