import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Failure } from '../contract/failure.ts';
import { isEncryptedKey, KEY_LABELS, readKeyBlock } from './key-block.ts';
import { MAX_ROUNDS, roundsOf } from './key-cost.ts';
import { MAX_BCRYPT_ROUNDS, type OpenSshFault, OpenSshKeyError, openOpenSshKey } from './openssh-key.ts';
import { type PemBlock, UnreadablePem, writePem } from './pem.ts';

/** The most bits of an RSA key: signing with a longer one holds up everything else. */
const MAX_RSA_BITS = 8_192;

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
  /** The config paths that a failure points at. */
  readonly keyPath: string;
  readonly passphrasePath: string;
  readonly signal: AbortSignal;
  /** True to take keys of every type that OpenSSL knows, not only of the types that sign-ins know by name. */
  readonly takesAnyType?: boolean;
}

/**
 * Opens a private key: RSA up to 8,192 bits, ECDSA or Ed25519; in OpenSSH's format, PKCS#8, PKCS#1 or SEC 1; encrypted
 * or not. A key that would take too long to open is refused before it is begun with. Fails with KEY_UNUSABLE,
 * PASSPHRASE_REQUIRED or PASSPHRASE_REFUSED, all INVALID_CONFIG.
 */
export async function openPrivateKey(text: string, options: PrivateKeyOptions): Promise<KeyObject> {
  const { keyPath } = options;
  const block = read(text, keyPath);
  const key = block.label === 'OPENSSH PRIVATE KEY' ? await openOpenSsh(block.bytes, options) : openPem(block, options);
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const known =
    type === 'rsa' ||
    type === 'ed25519' ||
    (type === 'ec' && ['prime256v1', 'secp384r1', 'secp521r1'].includes(details?.namedCurve ?? ''));
  if (!known && !options.takesAnyType) throw unusable(keyPath, TYPE_HINT);
  if ((details?.modulusLength ?? 0) > MAX_RSA_BITS) throw unusable(keyPath, SIZE_HINT);
  return key;
}

function read(text: string, keyPath: string): PemBlock {
  try {
    return readKeyBlock(text, KEY_LABELS);
  } catch (error) {
    throw error instanceof UnreadablePem ? unusable(keyPath, error.message, error) : error;
  }
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

function openPem(block: PemBlock, options: PrivateKeyOptions): KeyObject {
  const { keyPath, passphrasePath, passphrase } = options;
  const isEncrypted = isEncryptedKey(block);
  if (isEncrypted && passphrase === undefined) throw new Failure('PASSPHRASE_REQUIRED', { configPath: passphrasePath });
  if (block.label === 'ENCRYPTED PRIVATE KEY' && (roundsOf(block.bytes) ?? Number.POSITIVE_INFINITY) > MAX_ROUNDS)
    throw unusable(keyPath, ROUNDS_HINT);
  try {
    return createPrivateKey({ key: writePem([block]), format: 'pem', ...(isEncrypted ? { passphrase } : {}) });
  } catch (error) {
    if (!isEncrypted) throw unusable(keyPath, FORMAT_HINT, error);
    // OpenSSL does not tell a wrong passphrase from damage, since both end in nonsense
    throw new Failure('PASSPHRASE_REFUSED', { configPath: passphrasePath, error });
  }
}

function unusable(configPath: string, hint: string, error?: unknown): Failure {
  return new Failure('KEY_UNUSABLE', { configPath, hint, error });
}
