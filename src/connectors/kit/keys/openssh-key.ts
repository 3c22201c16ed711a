import { createDecipheriv, createHash, createPrivateKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';

/**
 * The most rounds that are done, which take a processor two to three seconds: ssh-keygen's default is 24 at most,
 * asyncssh's 128.
 */
export const MAX_BCRYPT_ROUNDS = 128;

const MAGIC = 'openssh-key-v1\0';
const HASH_SIZE = 32;
const CIPHER = /^aes(128|192|256)-(ctr|cbc|gcm@openssh\.com)$/;
const TAG_LENGTH = 16;
const CURVES: Readonly<Record<string, string>> = { nistp256: 'P-256', nistp384: 'P-384', nistp521: 'P-521' };

/** The reasons why a key is not opened. */
export type OpenSshFault = 'damaged' | 'type' | 'cipher' | 'rounds' | 'passphrase-missing' | 'passphrase-wrong';

/** The error that openOpenSshKey throws. */
export class OpenSshKeyError extends Error {
  override readonly name = 'OpenSshKeyError';
  readonly fault: OpenSshFault;
  constructor(fault: OpenSshFault) {
    super(`The OpenSSH key cannot be opened: ${fault}.`);
    this.fault = fault;
  }
}

/**
 * Opens a key in OpenSSH's own format: RSA, ECDSA or Ed25519. The event loop goes on turning meanwhile. A key that
 * takes more than MAX_BCRYPT_ROUNDS is not even begun with. Rejects with an OpenSshKeyError, or with the signal's
 * reason.
 */
export async function openOpenSshKey(
  bytes: Buffer,
  passphrase: string | undefined,
  signal: AbortSignal,
): Promise<KeyObject> {
  const envelope = readEnvelope(bytes);
  const content =
    envelope.kdf === 'none' ? envelope.content : await decrypt(envelope, readKdf(envelope), passphrase, signal);
  const fields = new Fields(content);
  const [check, same] = [fields.uint32(), fields.uint32()];
  if (check !== same) {
    throw new OpenSshKeyError(envelope.kdf === 'none' ? 'damaged' : 'passphrase-wrong');
  }
  try {
    return createPrivateKey({ format: 'jwk', key: readKey(fields) });
  } catch (error) {
    throw error instanceof OpenSshKeyError ? error : new OpenSshKeyError('damaged');
  }
}

/**
 * Tells whether a key in OpenSSH's own format is encrypted. Undefined when the bytes are no such key, or not all of it.
 */
export function isEncryptedOpenSsh(bytes: Buffer): boolean | undefined {
  try {
    return readEnvelope(bytes).cipher !== 'none';
  } catch (error) {
    if (error instanceof OpenSshKeyError) return undefined;
    throw error;
  }
}

/** Writes an Ed25519 key in OpenSSH's own format, not encrypted: ssh2 reads no other. */
export function openSshText(key: KeyObject): string {
  const { x = '', d = '' } = key.export({ format: 'jwk' });
  const [publicPart, seed] = [Buffer.from(x, 'base64url'), Buffer.from(d, 'base64url')];
  const type = Buffer.from('ssh-ed25519');
  const shown = Buffer.concat([field(type), field(publicPart)]);
  const comment = field(Buffer.alloc(0));
  const content = [Buffer.alloc(8), shown, field(Buffer.concat([seed, publicPart])), comment];
  const none = field(Buffer.from('none'));
  const bytes = Buffer.concat([
    Buffer.from(MAGIC),
    ...[none, none, field(Buffer.alloc(0)), uint32(1), field(shown), field(padded(Buffer.concat(content)))],
  ]);
  const lines = bytes.toString('base64').replace(/.{70}/g, '$&\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

interface Envelope {
  readonly cipher: string;
  readonly kdf: string;
  readonly kdfOptions: Buffer;
  /** The keys themselves, encrypted unless the kdf is `none`. */
  readonly content: Buffer;
  /** The authentication tag, which follows the content. */
  readonly tag: Buffer;
}

function readEnvelope(bytes: Buffer): Envelope {
  if (bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) throw new OpenSshKeyError('damaged');
  const fields = new Fields(bytes.subarray(MAGIC.length));
  const [cipher, kdf, kdfOptions] = [fields.text(), fields.text(), fields.bytes()];
  if (fields.uint32() !== 1) throw new OpenSshKeyError('damaged');
  fields.bytes();
  const content = fields.bytes();
  if ((kdf === 'none') !== (cipher === 'none')) throw new OpenSshKeyError('damaged');
  return { cipher, kdf, kdfOptions, content, tag: fields.rest() };
}

interface Kdf {
  readonly salt: Buffer;
  readonly rounds: number;
}

function readKdf({ kdf, kdfOptions }: Envelope): Kdf {
  if (kdf !== 'bcrypt') throw new OpenSshKeyError('cipher');
  const fields = new Fields(kdfOptions);
  const [salt, rounds] = [fields.bytes(), fields.uint32()];
  if (rounds > MAX_BCRYPT_ROUNDS) throw new OpenSshKeyError('rounds');
  if (rounds < 1 || salt.length === 0) throw new OpenSshKeyError('damaged');
  return { salt, rounds };
}

async function decrypt(
  envelope: Envelope,
  kdf: Kdf,
  passphrase: string | undefined,
  signal: AbortSignal,
): Promise<Buffer> {
  const [, bits, mode] = CIPHER.exec(envelope.cipher) ?? [];
  if (!bits || !mode) throw new OpenSshKeyError('cipher');
  if (passphrase === undefined) throw new OpenSshKeyError('passphrase-missing');
  const keyLength = Number(bits) / 8;
  const ivLength = mode === 'ctr' || mode === 'cbc' ? 16 : 12;
  const derived = await bcryptPbkdf(Buffer.from(passphrase), kdf, keyLength + ivLength, signal);
  const key = derived.subarray(0, keyLength);
  const iv = derived.subarray(keyLength);
  try {
    if (mode === 'ctr' || mode === 'cbc') {
      const decipher = createDecipheriv(`aes-${bits}-${mode}`, key, iv).setAutoPadding(false);
      return Buffer.concat([decipher.update(envelope.content), decipher.final()]);
    }
    const decipher = createDecipheriv(`aes-${bits as '128' | '192' | '256'}-gcm`, key, iv, {
      authTagLength: TAG_LENGTH,
    }).setAuthTag(envelope.tag);
    return Buffer.concat([decipher.update(envelope.content), decipher.final()]);
  } catch {
    // OpenSSL says no more than that the decryption failed
    throw new OpenSshKeyError('passphrase-wrong');
  }
}

/**
 * OpenSSH's bcrypt_pbkdf. It does one hash a turn of the event loop: a hash takes about 10 ms, and there are up to 200.
 */
async function bcryptPbkdf(
  passphrase: Buffer,
  { salt, rounds }: Kdf,
  length: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const { hash } = await import('bcrypt-pbkdf');
  const secret = sha512(passphrase);
  const blocks = Math.ceil(length / HASH_SIZE);
  const derived = Buffer.alloc(length);
  for (let block = 0; block < blocks; block += 1) {
    let input = Buffer.concat([salt, uint32(block + 1)]);
    const sum = Buffer.alloc(HASH_SIZE);
    for (let round = 0; round < rounds; round += 1) {
      await setImmediate();
      signal.throwIfAborted();
      const output = Buffer.alloc(HASH_SIZE);
      hash(secret, sha512(input), output);
      for (let i = 0; i < HASH_SIZE; i += 1) sum[i] = (sum[i] ?? 0) ^ (output[i] ?? 0);
      input = output;
    }
    // the blocks' bytes are interleaved
    for (let i = 0; i * blocks + block < length; i += 1) derived[i * blocks + block] = sum[i] ?? 0;
  }
  return derived;
}

function readKey(fields: Fields): JsonWebKey {
  const type = fields.text();
  if (type === 'ssh-rsa') return readRsa(fields);
  if (type === 'ssh-ed25519') {
    const [publicPart, both] = [fields.bytes(), fields.bytes()];
    return { kty: 'OKP', crv: 'Ed25519', x: base64url(publicPart), d: base64url(both.subarray(0, 32)) };
  }
  if (type.startsWith('ecdsa-sha2-')) return readEc(fields);
  // what is left are DSA keys, and keys that live in hardware
  throw new OpenSshKeyError('type');
}

function readRsa(fields: Fields): JsonWebKey {
  const [n, e, d, qi, p, q] = Array.from({ length: 6 }, () => fields.integer()) as [
    ...[Buffer, Buffer, Buffer, Buffer, Buffer, Buffer],
  ];
  const reduced = (prime: Buffer) => {
    const hex = (toBigInt(d) % (toBigInt(prime) - 1n)).toString(16);
    return base64url(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex'));
  };
  const [dp, dq] = [reduced(p), reduced(q)];
  const plain = { n: base64url(n), e: base64url(e), d: base64url(d), p: base64url(p), q: base64url(q) };
  return { kty: 'RSA', ...plain, dp, dq, qi: base64url(qi) };
}

function readEc(fields: Fields): JsonWebKey {
  const curve = CURVES[fields.text()];
  const [point, d] = [fields.bytes(), fields.integer()];
  if (!curve) throw new OpenSshKeyError('type');
  const size = (point.length - 1) / 2;
  if (point[0] !== 4 || !Number.isInteger(size)) throw new OpenSshKeyError('damaged');
  const padding = Buffer.alloc(Math.max(0, size - d.length));
  const [x, y] = [point.subarray(1, 1 + size), point.subarray(1 + size)];
  return { kty: 'EC', crv: curve, x: base64url(x), y: base64url(y), d: base64url(Buffer.concat([padding, d])) };
}

/** Reads SSH's own encoding, field by field. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint32(): number {
    return this.#next(4).readUInt32BE();
  }

  bytes(): Buffer {
    return this.#next(this.uint32());
  }

  text(): string {
    return this.bytes().toString('latin1');
  }

  /** Reads a number, without the zeros before it. */
  integer(): Buffer {
    const bytes = this.bytes();
    return bytes.subarray(bytes.findIndex((byte) => byte !== 0));
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  #next(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new OpenSshKeyError('damaged');
    const next = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return next;
  }
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The bytes filled up to whole blocks of 8, with 1, 2, 3 and so on. */
function padded(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8;
  return Buffer.concat([bytes, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))]);
}

function sha512(bytes: Buffer): Buffer {
  return createHash('sha512').update(bytes).digest();
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex') || '0'}`);
}

function base64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}
