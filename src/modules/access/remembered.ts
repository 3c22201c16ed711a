import type { Access } from './access.ts';

/** How long an answer is remembered, and so how long a revoked token may still be taken, in milliseconds. */
const REMEMBERED_MS = 2_000;
/** How many tokens are remembered, wrong ones included, before all of them are forgotten. */
const MAX_REMEMBERED = 10_000;

/** A token that there is, though it may be good no more. */
export interface KnownToken {
  readonly access: Access;
  readonly isRevoked: boolean;
}

/** Tells whether a token allows anything at a moment. */
export function isGood({ access: { expiresAt }, isRevoked }: KnownToken, now: number): boolean {
  return !isRevoked && (expiresAt === null || Date.parse(expiresAt) > now);
}

/** What tokens have been found to be a moment ago, by hash, so that a burst of requests asks once. */
export class RememberedTokens {
  readonly #seen = new Map<string, { readonly at: number; readonly token: KnownToken | null }>();

  /** The token as remembered or as `read` finds it; null where there is none. */
  async of(hash: string, now: number, read: () => Promise<KnownToken | null>): Promise<KnownToken | null> {
    const seen = this.#seen.get(hash);
    return seen && now - seen.at < REMEMBERED_MS ? seen.token : await this.#ask(hash, now, read);
  }

  forget(): void {
    this.#seen.clear();
  }

  async #ask(hash: string, at: number, read: () => Promise<KnownToken | null>): Promise<KnownToken | null> {
    const token = await read();
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.clear();
    this.#seen.set(hash, { at, token });
    return token;
  }
}
