import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { type Database, isOneOf } from '../../platform/database/database.ts';
import type { Access } from '../access/access.ts';
import { isGood, RememberedTokens } from '../access/remembered.ts';
import { type AuthorizationCode, looksLikeJwt, type OpenIdProvider } from './provider.ts';
import { type PeopleRule, ruleFor } from './rules.ts';

/** In characters: the longest token, and the longest name of an actor. */
const MAX_TOKEN = 8_192;
const MAX_NAME = 128;
/** The claims that may hold a person's name, the best first. */
const NAME_CLAIMS = ['name', 'preferred_username', 'email'];
const UUID_PARTS = [8, 12, 16, 20, 32];

export interface PeopleServiceOptions {
  readonly database: Database;
  readonly provider: OpenIdProvider;
  readonly rules: readonly PeopleRule[];
}

/** Tells from a token of an OpenID provider who asks, and by the operator's rules what that person may do. */
export class PeopleService {
  readonly #options: PeopleServiceOptions;
  readonly #remembered = new RememberedTokens();

  constructor(options: PeopleServiceOptions) {
    this.#options = options;
  }

  get provider(): OpenIdProvider {
    return this.#options.provider;
  }

  /** Whether a bearer token is for authenticate(), and not one of the gateway's own. */
  isFor(token: string): boolean {
    return looksLikeJwt(token);
  }

  /** What the bearer may do; null for a token that is not good. Rejects while the provider's keys cannot be had. */
  async authenticate(token: string): Promise<Access | null> {
    if (token.length > MAX_TOKEN) return null;
    const hash = createHash('sha256').update(token).digest('base64url');
    const now = this.#options.database.clock.now();
    const known = await this.#remembered.of(hash, now, async () => {
      const claims = await this.#options.provider.verify(token);
      return claims && { access: await this.#accessOf(claims), isRevoked: false };
    });
    return known && isGood(known, now) ? known.access : null;
  }

  /** Exchanges what a browser brings back from the provider for a token; null where it is not good. */
  async signIn(code: AuthorizationCode): Promise<{ token: string; expiresAt: string } | null> {
    const token = await this.#options.provider.exchange(code);
    const access = token === null ? null : await this.authenticate(token);
    return token === null || !access?.expiresAt ? null : { token, expiresAt: access.expiresAt };
  }

  async #accessOf(claims: JWTPayload): Promise<Access> {
    const rule = ruleFor(this.#options.rules, claims);
    const { sub = '', iat = 0, exp = 0 } = claims;
    return {
      tokenId: idOf(this.#options.provider.issuer, sub),
      actor: { name: nameOf(claims), onBehalfOf: null },
      isSession: false,
      person: { since: dateOf(iat) },
      scopes: new Set(rule?.scopes ?? []),
      environmentIds: await this.#environmentIds(rule?.environments ?? []),
      expiresAt: dateOf(exp),
    };
  }

  async #environmentIds(names: 'all' | readonly string[]): Promise<Access['environmentIds']> {
    if (names === 'all') return 'all';
    const rows = await this.#options.database.query
      .selectFrom('environments')
      .select('id')
      .where(isOneOf('environments.name', names))
      .execute();
    return new Set(rows.map(({ id }) => id));
  }
}

const dateOf = (seconds: number) => new Date(seconds * 1_000).toISOString();

/** Always the same for a person, and nobody else's: by issuer and subject (OpenID Connect Core, section 2). */
function idOf(issuer: string, sub: string): string {
  const hex = createHash('sha256')
    .update(JSON.stringify([issuer, sub]))
    .digest('hex');
  return UUID_PARTS.map((end, index) => hex.slice(UUID_PARTS[index - 1] ?? 0, end)).join('-');
}

/** `Ann Example (248289761001)`: people choose their names, so the subject that they do not choose stands behind it. */
function nameOf(claims: JWTPayload): string {
  const { sub = '' } = claims;
  const found = NAME_CLAIMS.map((claim) => claims[claim]).find(
    (value) => typeof value === 'string' && value.trim() !== '',
  );
  const name = printable(typeof found === 'string' ? found : 'OpenID');
  const subject = cut(printable(sub), MAX_NAME / 2);
  return `${cut(name, MAX_NAME - subject.length - 3)} (${subject})`;
}

/** Half a character is none: a database would keep another text than the journal's MAC is over. */
function cut(text: string, length: number): string {
  return text.slice(0, length).toWellFormed();
}

function printable(text: string): string {
  return text.toWellFormed().replaceAll(/\p{C}/gu, ' ').trim();
}
