import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Failure } from '../kit/contract/failure.ts';

const deriveKey = promisify(pbkdf2);

/**
 * The rounds of hashing that a server may ask for. MongoDB's defaults are 10,000 and 15,000; a billion would keep a
 * core busy for minutes.
 */
const MIN_ITERATIONS = 4_096;
const MAX_ITERATIONS = 100_000;
const NONCE_BYTES = 24;
const DIGEST_BYTES = { sha256: 32, sha1: 20 };
const CLIENT_KEY = 'Client Key';
const SERVER_KEY = 'Server Key';
/** The header that asks for no channel binding and no other identity. */
const GS2_HEADER = 'n,,';

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-1';

/**
 * Spaces beyond ASCII, which become spaces (RFC 4013, table C.1.2), and characters without a meaning of their own,
 * which are left out (table B.1).
 */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g;

/**
 * The client's side of one sign-in by SCRAM (RFC 5802 and 7677). It says nothing about the password but to a server
 * that knows it already.
 */
export class ScramClient {
  readonly mechanism: ScramMechanism;
  readonly #hash: 'sha256' | 'sha1';
  readonly #secret: string;
  readonly #nonce = randomBytes(NONCE_BYTES).toString('base64');
  readonly #firstBare: string;
  #serverSignature: Buffer | undefined;

  constructor(mechanism: ScramMechanism, username: string, password: string) {
    this.mechanism = mechanism;
    this.#hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha1';
    this.#secret = mechanism === 'SCRAM-SHA-256' ? prepare(password) : legacyDigest(username, password);
    const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#firstBare = `n=${name},r=${this.#nonce}`;
  }

  /** The message that begins the conversation. */
  first(): Buffer {
    return Buffer.from(GS2_HEADER + this.#firstBare);
  }

  /**
   * The proof that the client knows the password. Fails with PROTOCOL_MISMATCH when the server asks for what no MongoDB
   * server asks for.
   */
  async proof(serverFirst: Uint8Array): Promise<Buffer> {
    const challenge = Buffer.from(serverFirst).toString();
    const { r: nonce = '', s: salt = '', i: rounds = '' } = attributes(challenge);
    const iterations = /^\d{1,9}$/.test(rounds) ? Number(rounds) : 0;
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce || salt === '') throw new Failure('PROTOCOL_MISMATCH');
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS) {
      throw new Failure('PROTOCOL_MISMATCH', {
        hint: `The server asks for another number of password hashing rounds than the ${MIN_ITERATIONS} to ${MAX_ITERATIONS} that the gateway goes along with: set the number at the server, and the password anew.`,
      });
    }
    const salted = await deriveKey(
      this.#secret,
      Buffer.from(salt, 'base64'),
      iterations,
      DIGEST_BYTES[this.#hash],
      this.#hash,
    );
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`;
    const conversation = `${this.#firstBare},${challenge},${withoutProof}`;
    const clientKey = this.#hmac(salted, CLIENT_KEY);
    const signature = this.#hmac(createHash(this.#hash).update(clientKey).digest(), conversation);
    this.#serverSignature = this.#hmac(this.#hmac(salted, SERVER_KEY), conversation);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    return Buffer.from(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`);
  }

  /** Checks the server's proof that it knows the password too. Fails with PROTOCOL_MISMATCH. */
  verify(serverFinal: Uint8Array): void {
    const { v = '' } = attributes(Buffer.from(serverFinal).toString());
    const given = Buffer.from(v, 'base64');
    const expected = this.#serverSignature;
    if (!expected || given.length !== expected.length || !timingSafeEqual(given, expected)) {
      throw new Failure('PROTOCOL_MISMATCH', {
        hint: 'The server could not prove that it knows the password: something else may answer there. Check the host and the port.',
      });
    }
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest();
  }
}

/** SASLprep as far as it changes a password. It refuses some texts too, but no server has stored those. */
function prepare(password: string): string {
  return password.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
}

/** The digest that stands for the password under SCRAM-SHA-1. */
function legacyDigest(username: string, password: string): string {
  return createHash('md5').update(`${username}:mongo:${password}`).digest('hex');
}

/** Reads the attributes of a message, `r=…,s=…,i=…`. */
function attributes(message: string): Partial<Record<string, string>> {
  return Object.fromEntries(
    message
      .split(',')
      .filter((part) => part[1] === '=')
      .map((part) => [part.charAt(0), part.slice(2)]),
  );
}
