import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const CODE_BYTES = 32;
const CODE_MS = 5 * 60_000;
/** How many codes are good at once; the oldest makes room for a new one. */
const MAX_CODES = 100;

/** What a sign-in code is exchanged for. */
export interface SignInToken {
  readonly token: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** One-time codes that open GraphiQL signed in. */
export interface SignIn {
  /** Makes a new code, which is good for five minutes and one exchange. */
  issue(): string;
  /** Exchanges a code; null when it is unknown, was used, or is too old. */
  redeem(code: string): Promise<SignInToken | null>;
}

/** Makes the codes; `exchange` makes the token that a good one is exchanged for. */
export function createSignIn(exchange: () => Promise<SignInToken>): SignIn {
  // only hashes are kept, so that comparing takes the same time whatever a guess looks like
  const codes = new Map<Buffer, number>();
  return {
    issue() {
      for (const oldest of codes.keys()) {
        if (codes.size < MAX_CODES) break;
        codes.delete(oldest);
      }
      const code = randomBytes(CODE_BYTES).toString('base64url');
      codes.set(hash(code), performance.now() + CODE_MS);
      return code;
    },
    async redeem(code) {
      const given = hash(code);
      const found = [...codes].filter(([known]) => timingSafeEqual(known, given));
      for (const [known] of found) codes.delete(known);
      return found.some(([, expires]) => performance.now() < expires) ? await exchange() : null;
    },
  };
}

function hash(code: string): Buffer {
  return createHash('sha256').update(code).digest();
}
