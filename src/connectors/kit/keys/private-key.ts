import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Failure } from '../contract/failure.ts';
import { MAX_BCRYPT_ROUNDS, type OpenSshFault, OpenSshKeyError, openOpenSshKey } from './openssh-key.ts';

/** Bits of an RSA key at most: signing with a longer one holds up everything else. */
const MAX_RSA_BITS = 8_192;
/** Iterations of PBKDF2, or scrypt's N × r × p × key length, that a PKCS#8 key may take: half a second of a processor. */
const MAX_COST = 2 ** 26;
const MAX_COUNT = 2 ** 20;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

const TYPE_HINT = 'Give an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key; DSA and hardware keys are not taken.';
const FORMAT_HINT =
  'Give the whole text of the private key, from -----BEGIN to -----END, as OpenSSH or OpenSSL wrote it.';
const SIZE_HINT = `Give an RSA key of at most ${MAX_RSA_BITS} bits.`;
const ROUNDS_HINT = `Opening the key takes too much work. Write it anew with fewer rounds: ssh-keygen -p -a ${MAX_BCRYPT_ROUNDS} -f FILE, or openssl pkcs8 -iter 600000.`;
const CIPHER_HINT = 'The key is encrypted in an unusual way. Write it anew with ssh-keygen -p -f FILE.';
const HINTS: Readonly<Partial<Record<OpenSshFault, string>>> = {
  damaged: FORMAT_HINT,
  type: TYPE_HINT,
  cipher: CIPHER_HINT,
  rounds: ROUNDS_HINT,
};

export interface PrivateKeyOptions {
  readonly passphrase?: string | undefined;
  /** Config paths that a failure points at. */
  readonly keyPath: string;
  readonly passphrasePath: string;
  readonly signal: AbortSignal;
}

/**
 * Opens a private key: RSA up to 8,192 bits, ECDSA or Ed25519; in OpenSSH's format, PKCS#8, PKCS#1 or SEC 1; encrypted or not. What would
 * take too long to open is refused before it is begun. Fails with KEY_UNUSABLE, PASSPHRASE_REQUIRED or PASSPHRASE_REFUSED, all INVALID_CONFIG.
 */
export async function openPrivateKey(pem: string, options: PrivateKeyOptions): Promise<KeyObject> {
  const { keyPath } = options;
  const { label, headers, bytes } = readPem(pem, keyPath);
  const key =
    label === 'OPENSSH PRIVATE KEY'
      ? await openOpenSsh(bytes, options)
      : openPem(pem, { label, headers, bytes }, options);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const known =
    type === 'rsa' ||
    type === 'ed25519' ||
    (type === 'ec' && ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? ''));
  if (!known) throw unusable(keyPath, TYPE_HINT);
  if ((details?.modulusLength ?? 0) > MAX_RSA_BITS) throw unusable(keyPath, SIZE_HINT);
  return key;
}

interface Pem {
  readonly label: string;
  readonly headers: string;
  readonly bytes: Buffer;
}

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----\s*((?:[A-Za-z0-9-]+:[^\n]*\n)*)([A-Za-z0-9+/=\s]+)-----END \1-----/;

function readPem(text: string, keyPath: string): Pem {
  const [, label, headers = '', body = ''] = PEM.exec(text) ?? [];
  if (label === undefined) throw unusable(keyPath, FORMAT_HINT);
  return { label, headers, bytes: Buffer.from(body, 'base64') };
}

async function openOpenSsh(bytes: Buffer, options: PrivateKeyOptions): Promise<KeyObject> {
  const { keyPath, passphrasePath, passphrase, signal } = options;
  try {
    return await openOpenSshKey(bytes, passphrase, signal);
  } catch (error) {
    if (!(error instanceof OpenSshKeyError)) throw error;
    if (error.fault === 'passphrase-missing') throw new Failure('PASSPHRASE_REQUIRED', { configPath: passphrasePath });
    if (error.fault === 'passphrase-wrong') throw new Failure('PASSPHRASE_REFUSED', { configPath: passphrasePath });
    throw unusable(keyPath, HINTS[error.fault] ?? FORMAT_HINT, error);
  }
}

function openPem(text: string, { label, headers, bytes }: Pem, options: PrivateKeyOptions): KeyObject {
  const { keyPath, passphrasePath, passphrase } = options;
  const encrypted = label === 'ENCRYPTED PRIVATE KEY' || /^DEK-Info:/m.test(headers);
  if (encrypted && passphrase === undefined) throw new Failure('PASSPHRASE_REQUIRED', { configPath: passphrasePath });
  if (label === 'ENCRYPTED PRIVATE KEY' && isCostly(bytes)) throw unusable(keyPath, ROUNDS_HINT);
  try {
    return createPrivateKey({ key: text, format: 'pem', ...(encrypted ? { passphrase } : {}) });
  } catch (error) {
    // OpenSSL does not tell a wrong passphrase from damage: both end in nonsense
    if (encrypted) throw new Failure('PASSPHRASE_REFUSED', { configPath: passphrasePath, error });
    throw unusable(keyPath, FORMAT_HINT, error);
  }
}

/** Whether an encrypted PKCS#8 key asks for more work than is done: told by the numbers in its algorithm, before the work is begun. */
function isCostly(der: Buffer): boolean {
  const counts = integersOf(firstValue(firstValue(der)));
  const cost = counts.reduce((product, count) => product * Math.max(1, count), 1);
  return counts.some((count) => count > MAX_COUNT) || cost > MAX_COST;
}

/** The content of the first element. */
function firstValue(der: Buffer): Buffer {
  return elementsOf(der)[0]?.value ?? Buffer.alloc(0);
}

/** Every INTEGER within nested sequences. */
function integersOf(der: Buffer): number[] {
  return elementsOf(der).flatMap(({ tag, value }) => {
    if (tag === INTEGER) return [Number(`0x${value.toString('hex') || '0'}`)];
    return tag === SEQUENCE ? integersOf(value) : [];
  });
}

interface Element {
  readonly tag: number;
  readonly value: Buffer;
}

/** The elements of a DER value one after the other; ends where it is damaged. */
function elementsOf(der: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 0; at + 2 <= der.length; ) {
    const [tag = 0, short = 0] = der.subarray(at, at + 2);
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    const start = at + 2 + lengthBytes;
    const length = lengthBytes === 0 ? short : Number(`0x${der.toString('hex', at + 2, start) || '0'}`);
    elements.push({ tag, value: der.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

function unusable(configPath: string, hint: string, error?: unknown): Failure {
  return new Failure('KEY_UNUSABLE', { configPath, hint, error });
}
