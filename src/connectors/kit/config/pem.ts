import { z } from 'zod';
import { readCertificates } from '../keys/certificates.ts';
import { isEncryptedKey, KEY_LABELS, type KeyLabel, readKeyBlock } from '../keys/key-block.ts';
import { UnreadablePem, writePem } from '../keys/pem.ts';
import { issue } from './marks.ts';

const MAX_PEM = 65_536;
/**
 * The longest bundle of CAs, in characters. It has room for the largest that a cloud hands out: Amazon's for its
 * databases has 108 certificates in 165 KB.
 */
export const MAX_CA_BUNDLE = 262_144;

/**
 * PEM text of one certificate or more. The certificates that were read are kept, in normal form. A private key that
 * stands among them comes after them, for the block's own rules to judge by misplacedKeys() and to leave out by
 * withoutKeys().
 */
export function certificates(maxLength: number = MAX_PEM): z.ZodString {
  return normalPem(maxLength, (text) => {
    const { certificates, privateKeys } = readCertificates(text);
    return writePem([...certificates, ...privateKeys]);
  });
}

/** PEM text of one private key, in one of these formats. The key that was read is kept, in normal form. */
export function privateKey(labels: readonly KeyLabel[]): z.ZodString {
  return normalPem(MAX_PEM, (text) => writePem([readKeyBlock(text, labels)]));
}

/** The private keys that stand in the text of a certificates() field, in normal form. */
export function misplacedKeys(text: string): string[] {
  return readCertificates(text).privateKeys.map((key) => writePem([key]));
}

/** The text of a certificates() field without the private keys in it. */
export function withoutKeys(text: string): string {
  return writePem(readCertificates(text).certificates);
}

/**
 * Tells what is wrong with a passphrase that goes with no key, or with an encrypted key that goes with no passphrase.
 * `key` is the value of a privateKey() field.
 */
export function passphraseFault(
  key: string | undefined,
  passphrase: string | undefined,
): ReturnType<typeof issue> | undefined {
  if (key === undefined) {
    return passphrase === undefined ? undefined : issue('INVALID_COMBINATION', 'A passphrase goes with a private key.');
  }
  const isMissing = passphrase === undefined && isEncryptedKey(readKeyBlock(key, KEY_LABELS));
  return isMissing ? issue('REQUIRED', 'The private key is encrypted: give its passphrase.') : undefined;
}

/**
 * Text that `read` brings into normal form, which may be longer than what was given, but no longer than `maxLength`: it
 * is taken again in its turn.
 */
function normalPem(maxLength: number, read: (text: string) => string): z.ZodString {
  return z
    .string()
    .max(maxLength, { abort: true })
    .min(1, { abort: true })
    .check((payload) => {
      try {
        payload.value = read(payload.value);
      } catch (error) {
        if (!(error instanceof UnreadablePem)) throw error;
        payload.issues.push({ code: 'custom', input: payload.value, ...issue('INVALID_FORMAT', error.message) });
      }
    })
    .max(maxLength)
    .meta({ contentMediaType: 'application/x-pem-file', pattern: '-----BEGIN [A-Z0-9 ]+-----' });
}
