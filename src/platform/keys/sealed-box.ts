import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** A key's length in bytes. */
export const keyBytes = 32;
const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Thrown when something does not open: altered, moved, or under another key. It holds nothing of the content. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError';

  constructor(options?: ErrorOptions) {
    super('The sealed value does not open', options);
  }
}

/** Whether a key id can stand in a sealed value. */
export function isKeyId(id: string): boolean {
  return KEY_ID.test(id);
}

/**
 * Seals with AES-256-GCM: `v1.<keyId>.<iv>.<ciphertext>.<tag>`, in base64url. It opens only with the same key and the
 * same place, for the texts of `place`, the version and the key id are bound into it.
 */
export function sealBox(key: Buffer, keyId: string, place: readonly string[], content: Buffer): string {
  const iv = randomBytes(IV_BYTES);
  // Node looks at a key of bytes by an error that it throws and catches, which takes longer than the rest
  const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(keyId, place));
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  const parts = [iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  return [VERSION, keyId, ...parts].join('.');
}

/** @throws UnsealError */
export function openBox(key: Buffer, place: readonly string[], sealed: string): Buffer {
  const { keyId, iv, ciphertext, tag } = readBox(sealed);
  try {
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), iv, { authTagLength: TAG_BYTES });
    decipher.setAAD(additionalData(keyId, place));
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch (error) {
    throw new UnsealError({ cause: error });
  }
}

/** The id of the key that opens it. @throws UnsealError */
export function keyIdOf(sealed: string): string {
  return readBox(sealed).keyId;
}

function readBox(sealed: string): { keyId: string; iv: Buffer; ciphertext: Buffer; tag: Buffer } {
  const [version, keyId, ...rest] = sealed.split('.');
  const [iv, ciphertext, tag] = rest.map((part) => Buffer.from(part, 'base64url'));
  if (version !== VERSION || !keyId || !isKeyId(keyId) || rest.length !== 3 || !iv || !ciphertext || !tag)
    throw new UnsealError();
  if (iv.length !== IV_BYTES || tag.length !== TAG_BYTES) throw new UnsealError();
  return { keyId, iv, ciphertext, tag };
}

/** It is the JSON of an array, so that no two lists of texts give the same bytes. */
function additionalData(keyId: string, place: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([VERSION, keyId, ...place]));
}
