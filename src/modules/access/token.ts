import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const PREFIX = 'dsg_';
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** In bytes. */
const SECRET_BYTES = 32;
/** In characters: SECRET_BYTES in base62. */
const SECRET_LENGTH = 43;
/** In characters: 32 bits in base62. */
const CHECKSUM_LENGTH = 6;
/** How much of a secret is shown, in characters: 36 of its 256 bits. */
const SHOWN_LENGTH = 6;
const ANYWHERE = new RegExp(`${PREFIX}[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}`);
const SHAPE = new RegExp(`^${ANYWHERE.source}$`);

/** Makes an API token: `dsg_`, 32 random bytes in base62, and a checksum by which secret scanners recognise it. */
export function makeToken(): string {
  const secret = base62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_LENGTH);
  return PREFIX + secret + checksum(secret);
}

/** True when the text has a token's form and a right checksum. It says nothing about whether the token exists. */
export function isToken(text: string): boolean {
  if (!SHAPE.test(text)) return false;
  const secret = text.slice(PREFIX.length, PREFIX.length + SECRET_LENGTH);
  return text.endsWith(checksum(secret));
}

/** True when there is what looks like a whole token of ours anywhere in the text. */
export function holdsToken(text: string): boolean {
  return ANYWHERE.test(text);
}

/** True when the text begins like one of our tokens. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** Returns what the database keeps of a token. A fast hash is enough: nobody guesses 256 random bits. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'hex');
}

/** Returns the first characters of a token, by which people recognise it. */
export function tokenPrefix(token: string): string {
  return token.slice(0, PREFIX.length + SHOWN_LENGTH);
}

function checksum(secret: string): string {
  return base62(BigInt(crc32(secret)), CHECKSUM_LENGTH);
}

function base62(number: bigint, length: number): string {
  let text = '';
  for (let rest = number; rest > 0n; rest /= 62n) text = ALPHABET.charAt(Number(rest % 62n)) + text;
  return text.padStart(length, '0');
}
