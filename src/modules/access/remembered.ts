import type { Access } from './access.ts';

/** How long an answer is remembered, and so how long a revoked token may still be taken, in milliseconds. */
const REMEMBERED_MS = 2_000;
/** How many tokens are remembered, wrong ones included, before all of them are forgotten. */
const MAX_REMEMBERED = 10_000;

/** What tokens have been found to allow a moment ago, by hash, so that a burst of requests asks once. */
export class RememberedAccess {
  readonly #seen = new Map<string, { readonly at: number; readonly access: Access | null }>();

  /** What the token allows, as remembered or as `read` finds it; null for none that is good at this moment. */
  async of(hash: string, now: number, read: () => Promise<Access | null>): Promise<Access | null> {
    const seen = this.#seen.get(hash);
    const access = seen && now - seen.at < REMEMBERED_MS ? seen.access : await this.#ask(hash, now, read);
    return access !== null && access.expiresAt !== null && Date.parse(access.expiresAt) <= now ? null : access;
  }

  forget(): void {
    this.#seen.clear();
  }

  async #ask(hash: string, at: number, read: () => Promise<Access | null>): Promise<Access | null> {
    const access = await read();
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.clear();
    this.#seen.set(hash, { at, access });
    return access;
  }
}
