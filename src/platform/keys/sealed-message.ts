import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { UnsealError } from './sealed-box.ts';

/*
 * HPKE (RFC 9180) in its base mode, for a single message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Who has
 * the recipient's public key seals to it; nothing but its private key opens.
 */

const [KEM_ID, KDF_ID, AEAD_ID, BASE_MODE] = [0x0020, 0x0001, 0x0002, 0x00];
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONE = Buffer.alloc(0);
/** A raw X25519 key of 32 bytes, in base64url. */
const RAW_KEY = /^[A-Za-z0-9_-]{43}$/;
const KEM_SUITE = Buffer.concat([Buffer.from('KEM'), twoBytes(KEM_ID)]);
const SUITE = Buffer.concat([Buffer.from('HPKE'), ...[KEM_ID, KDF_ID, AEAD_ID].map(twoBytes)]);

/** What somebody sends sealed messages to. The private key has no other form than that in memory. */
export interface RecipientKey {
  /** 32 bytes, in base64url. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export function newRecipientKey(): RecipientKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawOf(publicKey).toString('base64url'), privateKey };
}

/** Whether a text is a public key that can be sealed to: one that leads to no secret in common is none. */
export function isRecipientKey(text: string): boolean {
  if (!RAW_KEY.test(text)) return false;
  try {
    diffieHellman({ privateKey: generateKeyPairSync('x25519').privateKey, publicKey: publicKeyOf(text) });
    return true;
  } catch {
    return false;
  }
}

/**
 * Seals a message to a public key, as the base64url of the encapsulated key and the ciphertext. It opens with the same
 * `info` and `place` alone.
 */
export function sealMessage(recipient: string, info: string, place: readonly string[], content: Buffer): string {
  const publicKey = publicKeyOf(recipient);
  const ephemeral = generateKeyPairSync('x25519');
  const encapsulated = rawOf(ephemeral.publicKey);
  const pair = { privateKey: ephemeral.privateKey, publicKey };
  const shared = sharedSecret(pair, encapsulated, rawOf(publicKey));
  const { key, nonce } = schedule(shared, info);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(place));
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  return Buffer.concat([encapsulated, ciphertext, cipher.getAuthTag()]).toString('base64url');
}

/** @throws UnsealError for what was altered, is another key's, or of another `info` or `place` */
export function openMessage(
  { publicKey, privateKey }: RecipientKey,
  info: string,
  place: readonly string[],
  sealed: string,
): Buffer {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < KEY_BYTES + TAG_BYTES) throw new UnsealError();
  try {
    const encapsulated = bytes.subarray(0, KEY_BYTES);
    const sender = publicKeyOf(encapsulated.toString('base64url'));
    const own = Buffer.from(publicKey, 'base64url');
    const { key, nonce } = schedule(sharedSecret({ privateKey, publicKey: sender }, encapsulated, own), info);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(additionalData(place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(KEY_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new UnsealError({ cause: error });
  }
}

/** It is the JSON of an array, so that no two lists of texts give the same bytes. */
function additionalData(place: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(place));
}

/** RFC 9180, section 4.1: what both sides get of their keys, bound to the two public ones. */
function sharedSecret(
  pair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  encapsulated: Buffer,
  recipient: Buffer,
): Buffer {
  const extracted = labeledExtract(KEM_SUITE, NONE, 'eae_prk', diffieHellman(pair));
  const context = Buffer.concat([encapsulated, recipient]);
  return labeledExpand(KEM_SUITE, extracted, 'shared_secret', context, KEY_BYTES);
}

/** RFC 9180, section 5.1, without a pre-shared key. */
function schedule(shared: Buffer, info: string): { key: Buffer; nonce: Buffer } {
  const context = Buffer.concat([
    Buffer.of(BASE_MODE),
    labeledExtract(SUITE, NONE, 'psk_id_hash', NONE),
    labeledExtract(SUITE, NONE, 'info_hash', Buffer.from(info)),
  ]);
  const secret = labeledExtract(SUITE, shared, 'secret', NONE);
  return {
    key: labeledExpand(SUITE, secret, 'key', context, KEY_BYTES),
    nonce: labeledExpand(SUITE, secret, 'base_nonce', context, NONCE_BYTES),
  };
}

function labeledExtract(suite: Buffer, salt: Buffer, label: string, material: Buffer): Buffer {
  return hmac(salt, Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), material]));
}

/** One block of HKDF-Expand: nothing here is longer than a hash. */
function labeledExpand(suite: Buffer, key: Buffer, label: string, info: Buffer, length: number): Buffer {
  const labeled = Buffer.concat([twoBytes(length), Buffer.from('HPKE-v1'), suite, Buffer.from(label), info]);
  return hmac(key, Buffer.concat([labeled, Buffer.of(1)])).subarray(0, length);
}

function hmac(key: Buffer, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function twoBytes(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function publicKeyOf(raw: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw }, format: 'jwk' });
}

function rawOf(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
}
