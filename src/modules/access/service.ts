import { randomUUID } from 'node:crypto';
import { NotFoundError, RequestFault } from '../../errors/api.ts';
import type { Database } from '../../platform/database.ts';
import { isForeignKeyViolation, isUniqueViolation } from '../../platform/database.ts';
import { appendJournal } from '../../platform/journal.ts';
import type { Keyring } from '../../platform/keyring.ts';
import { type Access, scopes as allScopes, type Scope } from './access.ts';
import { findToken, findTokenByHash, insertToken, removeExpiredSessions, type TokenRow, touchToken } from './store.ts';
import { hashToken, isToken, looksLikeToken, makeToken, tokenPrefix } from './token.ts';

/** How long the answer for a token is remembered, and so how long a revoked one may still be taken. */
const AUTHENTICATION_TTL_MS = 2_000;
/** How exact lastUsedAt is. */
const LAST_USED_EVERY_MS = 60_000;
const SIGN_IN_MS = 12 * 3_600_000;
/** For how long a session token that has expired is kept, for requests that began before. */
const EXPIRED_KEPT_MS = 3_600_000;
/** How many expired session tokens make room for a new one: more than one, so that they never pile up. */
const REMOVED_AT_ONCE = 100;
/** How many tokens are remembered, wrong ones included, before all of them are forgotten. */
const MAX_REMEMBERED = 10_000;
/** In characters: the longest BOOTSTRAP_TOKEN. */
const MAX_TOKEN_LENGTH = 512;
/** How many hex digits of its hash tell a bootstrap token from others in the list of names. */
const HASH_DIGITS_IN_NAME = 8;

/** What a new token may do, and for how long. */
export interface NewToken {
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Null means every environment, those made later included. */
  readonly environmentIds: readonly string[] | null;
  readonly expiresAt: string | null;
}

/** What a session token may do: never more than the token that makes it, nor for longer. */
export interface NewSession {
  readonly scopes: readonly Scope[];
  readonly environmentIds: readonly string[];
  readonly expiresAt: string;
  /** For whom it acts; null when nobody is named. */
  readonly onBehalfOf: string | null;
}

/** A new token, which is shown this once, and what the API shows of it later. */
export interface MadeToken {
  readonly token: string;
  readonly row: TokenRow;
}

/** Makes API tokens, and tells from a token what its bearer may do. */
export class AccessService {
  readonly #database: Database;
  readonly #keyring: Keyring;
  /** What the tokens of the last 2 s allow, by hash, so that a burst of requests asks the database once. */
  readonly #seen = new Map<string, { readonly at: number; readonly access: Access | null }>();
  readonly #touched = new Map<string, number>();

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /**
   * Returns what a bearer token allows, or null when it is unknown, expired or revoked. A revocation counts within 2 s.
   */
  async authenticate(token: string): Promise<Access | null> {
    // an operator's own BOOTSTRAP_TOKEN looks otherwise and has no checksum
    if (token.length > MAX_TOKEN_LENGTH || (looksLikeToken(token) && !isToken(token))) return null;
    const hash = hashToken(token);
    const now = Date.now();
    const seen = this.#seen.get(hash);
    const access = seen && now - seen.at < AUTHENTICATION_TTL_MS ? seen.access : await this.#read(hash, now);
    if (!access || (access.expiresAt !== null && Date.parse(access.expiresAt) <= now)) return null;
    return access;
  }

  async #read(hash: string, now: number): Promise<Access | null> {
    const row = await findTokenByHash(this.#database, hash);
    const access = row && !row.revoked_at ? accessOf(row) : null;
    if (this.#seen.size >= MAX_REMEMBERED) this.#seen.clear();
    this.#seen.set(hash, { at: now, access });
    if (access) await this.#touch(access.tokenId, now);
    return access;
  }

  async #touch(tokenId: string, now: number): Promise<void> {
    if (now - (this.#touched.get(tokenId) ?? 0) < LAST_USED_EVERY_MS) return;
    if (this.#touched.size >= MAX_REMEMBERED) this.#touched.clear();
    this.#touched.set(tokenId, now);
    await touchToken(this.#database, tokenId, new Date(now).toISOString());
  }

  /** Reads the caller's own token, as the API shows it. */
  viewerToken(access: Access): Promise<TokenRow> {
    return findToken(this.#database, access.tokenId);
  }

  /** Makes a token and returns it: it is never shown again. @throws RequestFault when the name is taken */
  async createToken(by: string, wanted: NewToken): Promise<string> {
    const token = makeToken();
    await this.#store(token, by, wanted);
    return token;
  }

  /**
   * Makes a short-lived token under the caller's own, with which it ends. What it may do has been judged.
   * @throws RequestFault FORBIDDEN for a caller whose token is such a one itself
   */
  async createSession(access: Access, wanted: NewSession): Promise<MadeToken> {
    requireNoSession(access);
    const token = makeToken();
    const parent = { id: access.tokenId, onBehalfOf: wanted.onBehalfOf };
    const id = await this.#store(token, access.actor.name, { ...wanted, name: access.actor.name }, parent);
    return { token, row: await findToken(this.#database, id) };
  }

  /** Makes a token for a sign-in link: it has every scope and every environment, and lasts 12 hours. */
  async createSignInToken(): Promise<{ token: string; expiresAt: string }> {
    const expiresAt = new Date(Date.now() + SIGN_IN_MS).toISOString();
    const name = `GraphiQL session ${randomUUID()}`;
    const token = await this.createToken('sign-in link', { name, scopes: allScopes, environmentIds: null, expiresAt });
    return { token, expiresAt };
  }

  /** Stores the administrator's token that an operator chose, for every environment, unless it is stored already. */
  async ensureBootstrapToken(token: string): Promise<void> {
    const known = await findTokenByHash(this.#database, hashToken(token));
    if (known) return;
    const name = `bootstrap ${hashToken(token).slice(0, HASH_DIGITS_IN_NAME)}`;
    await this.#store(token, 'bootstrap', { name, scopes: allScopes, environmentIds: null, expiresAt: null });
  }

  /** Stores a token and tells its id; with a parent it is a session token of that one's. */
  async #store(token: string, by: string, wanted: NewToken, parent?: Parent): Promise<string> {
    const id = randomUUID();
    const at = new Date().toISOString();
    const { name, scopes, environmentIds, expiresAt } = wanted;
    try {
      await this.#database.change(async (change) => {
        const row = {
          id,
          // names are unique, and many sessions go by the name of one token
          name: parent ? id : name,
          prefix: tokenPrefix(token),
          hash: hashToken(token),
          scopes: JSON.stringify(scopes),
          all_environments: environmentIds === null ? 1 : 0,
          created_at: at,
          expires_at: expiresAt,
          last_used_at: null,
          revoked_at: null,
          created_by: by,
          parent_id: parent?.id ?? null,
          on_behalf_of: parent?.onBehalfOf ?? null,
        };
        if (parent) await removeExpiredSessions(change, longAgo(at), REMOVED_AT_ONCE);
        await insertToken(change, row, environmentIds ?? []);
        const detail = {
          name,
          scopes,
          environmentIds,
          expiresAt,
          ...(parent ? { parentId: parent.id, onBehalfOf: parent.onBehalfOf } : {}),
        };
        await appendJournal(change, this.#keyring, {
          environmentId: '',
          kind: '',
          action: 'token.create',
          actor: { name: by, onBehalfOf: null },
          subjectType: 'token',
          subjectId: id,
          detail,
        });
      });
      return id;
    } catch (error) {
      if (isUniqueViolation(error)) throw new RequestFault('BAD_USER_INPUT', 'A token of this name exists already.');
      if (isForeignKeyViolation(error)) throw new NotFoundError(wanted.environmentIds ?? []);
      throw error;
    }
  }
}

/** Refuses a caller whose token lacks a scope. Every service method begins with it. @throws RequestFault FORBIDDEN */
export function requireScope(access: Access, scope: Scope): void {
  if (!access.scopes.has(scope)) throw new RequestFault('FORBIDDEN', `The token lacks the scope ${scope}.`);
}

/** Refuses a session token where tokens are made. @throws RequestFault FORBIDDEN */
export function requireNoSession(access: Access): void {
  if (!access.isSession) return;
  throw new RequestFault('FORBIDDEN', 'A session token makes no tokens: ask with the token that made it.');
}

interface Parent {
  readonly id: string;
  readonly onBehalfOf: string | null;
}

function longAgo(at: string): string {
  return new Date(Date.parse(at) - EXPIRED_KEPT_MS).toISOString();
}

function accessOf(row: TokenRow): Access {
  return {
    tokenId: row.id,
    actor: { name: row.name, onBehalfOf: row.on_behalf_of },
    isSession: row.parent_id !== null,
    scopes: new Set(JSON.parse(row.scopes) as Scope[]),
    environmentIds: row.all_environments ? 'all' : new Set(row.environmentIds),
    expiresAt: row.expires_at,
  };
}
