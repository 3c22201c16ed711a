import { DER, readDerList, readDerSequence } from '../../kit/keys/der.ts';

/** What the object identifiers begin with of signatures by RSA and by ECDSA, in hexadecimal digits of their DER. */
const RSA = '2a864886f70d0101';
const ECDSA = '2a8648ce3d04';
/** Signatures whose identifier names their hash: by MD5 and SHA-1, and by SHA-2 of 224, 256, 384 and 512 bits. */
const NAMES_ITS_HASH = new RegExp(`^(${RSA}(04|05|0b|0c|0d|0e)|${ECDSA}(01|030[1-4]))$`);
/** RSASSA-PSS, whose parameters name the hash, and the hashes that are known there: SHA-256, SHA-384, SHA-512. */
const PSS = `${RSA}0a`;
const PSS_HASH = /^60864801650304020[123]$/;

/**
 * Tells whether a sign-in can be bound to a certificate (tls-server-end-point, RFC 5929 §4.1), which takes the hash
 * that its signature is made with. Signatures by Ed25519 and Ed448 have none, and PostgreSQL's server fails then.
 */
export function canBindTo(certificate: Buffer): boolean {
  const algorithm = readDerSequence(certificate)?.[1];
  const [identifier, parameters] = readDerList(algorithm?.content ?? Buffer.alloc(0)) ?? [];
  if (identifier?.tag !== DER.OBJECT_IDENTIFIER) return false;
  const name = identifier.content.toString('hex');
  if (name !== PSS) return NAMES_ITS_HASH.test(name);
  const [first] = readDerList(parameters?.content ?? Buffer.alloc(0)) ?? [];
  const [hash] = readDerSequence(first?.content ?? Buffer.alloc(0)) ?? [];
  return PSS_HASH.test(hash?.content.toString('hex') ?? '');
}
