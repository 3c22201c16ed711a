import { randomUUID } from 'node:crypto';
import { NameTakenError, NotFoundError, RequestFault } from '../../errors/api.ts';
import type { Change, Database } from '../../platform/database/database.ts';
import { isForeignKeyViolation, isUniqueViolation } from '../../platform/database/database.ts';
import { type Actor, appendJournal } from '../../platform/journal/journal.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import { type Page, type PageArguments, readPageArguments } from '../../platform/paging.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { type Access, scopes as allScopes, type Person, type Scope } from './access.ts';
import { LastUsed } from './last-used.ts';
import { isGood, type KnownToken, RememberedTokens } from './remembered.ts';
import {
  findToken,
  findTokenByHash,
  findTokenId,
  insertToken,
  listTokens,
  removeExpiredSessions,
  revokeToken,
  setScopes,
  type TokenRow,
} from './store.ts';
import { hashToken, isToken, looksLikeToken, makeToken, tokenPrefix } from './token.ts';

const SIGN_IN_MS = 12 * 3_600_000;
/** For how long a session token that has expired is kept, for requests that began before. */
const EXPIRED_KEPT_MS = 3_600_000;
/** How many expired session tokens make room for a new one: more than one, so that they never pile up. */
const REMOVED_AT_ONCE = 100;
/** In characters: the longest BOOTSTRAP_TOKEN. */
const MAX_TOKEN_LENGTH = 512;
/** How many hex digits of its hash tell a bootstrap token from others in the list of names. */
const HASH_DIGITS_IN_NAME = 8;
/** Under these names the gateway itself acts, so no token is called so. */
const ownNames = { commandLine: 'command line', bootstrap: 'bootstrap', signInLink: 'sign-in link' } as const;
const OTHER_OWN_NAMES = ['first start', 'health check', 'unknown caller'];

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
  readonly #remembered = new RememberedTokens();
  readonly #lastUsed: LastUsed;

  constructor(database: Database, keyring: Keyring, logger: Logger) {
    this.#database = database;
    this.#keyring = keyring;
    this.#lastUsed = new LastUsed(database, logger);
  }

  /** By which tokens expire. */
  get clock(): Database['clock'] {
    return this.#database.clock;
  }

  /**
   * Returns what a bearer token allows, or null when it is unknown, expired or revoked. A revocation counts within 2 s.
   */
  async authenticate(token: string): Promise<Access | null> {
    const now = this.clock.now();
    const known = await this.#known(token, now);
    if (!known || !isGood(known, now)) return null;
    this.#lastUsed.note(known.access.tokenId, now);
    return known.access;
  }

  /** Whose token it is that authenticate() refuses, or has just refused; null for an unknown one. */
  async refused(token: string): Promise<KnownToken | null> {
    return this.#known(token, this.clock.now());
  }

  async #known(token: string, now: number): Promise<KnownToken | null> {
    if (token.length > MAX_TOKEN_LENGTH) return null;
    const hash = hashToken(token);
    return this.#remembered.of(hash, now, async () => {
      // an operator's own BOOTSTRAP_TOKEN looks otherwise and has no checksum
      if (looksLikeToken(token) && !isToken(token)) return null;
      const row = await findTokenByHash(this.#database, hash);
      return row ? { access: accessOf(row), isRevoked: row.revoked_at !== null } : null;
    });
  }

  /** Reads the caller's own token, as the API shows it. */
  async viewerToken(access: Access): Promise<TokenRow> {
    return access.person
      ? rowOfPerson(access, access.person)
      : this.#shown(await findToken(this.#database, access.tokenId));
  }

  /** Reads a page of the tokens that the caller may see: the lasting ones, or the session tokens of one of them. */
  async list(access: Access, sessionsOf: string | null, page: PageArguments): Promise<Page<TokenRow>> {
    requireScope(access, 'TOKENS_ADMIN');
    const found = await listTokens(this.#database, access, sessionsOf, readPageArguments(page, 'CREATED_AT'));
    return { ...found, edges: found.edges.map(({ cursor, node }) => ({ cursor, node: this.#shown(node) })) };
  }

  #shown(row: TokenRow): TokenRow {
    return { ...row, last_used_at: this.#lastUsed.of(row.id, row.last_used_at) };
  }

  /**
   * Makes a token and returns it: it is never shown again. What it may do has been judged. @throws RequestFault when
   * the name is taken
   */
  async createToken(by: string, wanted: NewToken): Promise<string> {
    const token = makeToken();
    try {
      await this.#store(token, { name: by, onBehalfOf: null }, wanted);
    } catch (error) {
      if (!(error instanceof NameTakenError)) throw error;
      throw new RequestFault('BAD_USER_INPUT', 'A token of this name exists already.');
    }
    return token;
  }

  /**
   * Makes a lasting token for a caller. What it may do has been judged.
   * @throws RequestFault FORBIDDEN for a session token, NameTakenError, NotFoundError
   */
  async createLasting(access: Access, wanted: NewToken, namePath: readonly string[]): Promise<MadeToken> {
    requireScope(access, 'TOKENS_ADMIN');
    requireNoSession(access);
    const token = makeToken();
    const id = await this.#store(token, access.actor, wanted, undefined, namePath);
    return { token, row: await findToken(this.#database, id) };
  }

  /**
   * Revokes a token that the caller may see, and with it the session tokens that it has made. What they have open ends
   * within 5 s. One that is revoked already stays as it is. @throws NotFoundError
   */
  async revoke(access: Access, id: string): Promise<TokenRow> {
    requireScope(access, 'TOKENS_ADMIN');
    await this.#database.change(async (change) => {
      const revoked = await revokeToken(change, access, id, change.clock.timestamp());
      if (!revoked) throw new NotFoundError([id]);
      if (revoked.isNew) await this.#journal(change, 'token.revoke', access.actor, id, { name: revoked.name });
    });
    this.#remembered.forget();
    return this.#shown(await findToken(this.#database, id));
  }

  /** Tells the id of a lasting token by its name; undefined where there is none. */
  findId(name: string): Promise<string | undefined> {
    return findTokenId(this.#database, name);
  }

  /** Writes what has been gathered about the use of tokens. */
  close(): Promise<void> {
    return this.#lastUsed.close();
  }

  /**
   * Makes a short-lived token under the caller's own, with which it ends. What it may do has been judged.
   * @throws RequestFault FORBIDDEN for a caller whose token is such a one itself
   */
  async createSession(access: Access, wanted: NewSession): Promise<MadeToken> {
    requireNoSession(access);
    if (access.person)
      throw new RequestFault('FORBIDDEN', 'A session token belongs to a stored one: ask with an API token.');
    const token = makeToken();
    const parent = { id: access.tokenId, onBehalfOf: wanted.onBehalfOf };
    const actor = { ...access.actor, onBehalfOf: null };
    const id = await this.#store(token, actor, { ...wanted, name: actor.name }, parent);
    return { token, row: await findToken(this.#database, id) };
  }

  /** Makes a token for a sign-in link: it has every scope and every environment, and lasts 12 hours. */
  async createSignInToken(): Promise<{ token: string; expiresAt: string }> {
    const expiresAt = this.clock.timestamp(SIGN_IN_MS);
    const name = `GraphiQL session ${randomUUID()}`;
    const token = await this.createToken(ownNames.signInLink, {
      name,
      scopes: allScopes,
      environmentIds: null,
      expiresAt,
    });
    return { token, expiresAt };
  }

  /** Stores the administrator's token that an operator chose, for every environment, unless it is stored already. */
  async ensureBootstrapToken(token: string): Promise<void> {
    const known = await findTokenByHash(this.#database, hashToken(token));
    if (known) return await this.#bringUpToDate(known);
    const name = `bootstrap ${hashToken(token).slice(0, HASH_DIGITS_IN_NAME)}`;
    const wanted = { name, scopes: allScopes, environmentIds: null, expiresAt: null };
    await this.#store(token, { name: ownNames.bootstrap, onBehalfOf: null }, wanted);
  }

  /** Gives an administrator's token that an older version has stored the scopes that have come since. */
  async #bringUpToDate({ id, name, scopes, created_by }: TokenRow): Promise<void> {
    const wanted = JSON.stringify(allScopes);
    if (created_by !== ownNames.bootstrap || scopes === wanted) return;
    await this.#database.change(async (change) => {
      await setScopes(change, id, wanted);
      const actor = { name: ownNames.bootstrap, onBehalfOf: null };
      await this.#journal(change, 'token.update', actor, id, { name, scopes: allScopes });
    });
  }

  /** Stores a token and tells its id; with a parent it is a session token of that one's. */
  async #store(
    token: string,
    by: Actor,
    wanted: NewToken,
    parent?: Parent,
    namePath: readonly string[] = [],
  ): Promise<string> {
    const { name, scopes, environmentIds, expiresAt } = wanted;
    if (isOwnName(name) && !parent) throw new NameTakenError(namePath);
    const id = randomUUID();
    const at = this.clock.timestamp();
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
          created_by: by.name,
          parent_id: parent?.id ?? null,
          on_behalf_of: parent?.onBehalfOf ?? null,
        };
        if (parent) await removeExpiredSessions(change, longAgo(at), REMOVED_AT_ONCE);
        await insertToken(change, row, environmentIds ?? []);
        const ofParent = parent ? { parentId: parent.id, onBehalfOf: parent.onBehalfOf } : {};
        await this.#journal(change, 'token.create', by, id, { name, scopes, environmentIds, expiresAt, ...ofParent });
      });
      return id;
    } catch (error) {
      if (isUniqueViolation(error)) throw new NameTakenError(namePath);
      if (isForeignKeyViolation(error)) throw new NotFoundError(wanted.environmentIds ?? []);
      throw error;
    }
  }

  /** Tokens stand in the gateway's own chain, for they may be for several environments. */
  async #journal(
    change: Change,
    action: string,
    actor: Actor,
    subjectId: string,
    detail: Record<string, unknown>,
  ): Promise<void> {
    const entry = { environmentId: '', kind: '', action, actor, subjectType: 'token', subjectId, detail };
    await appendJournal(change, this.#keyring, entry);
  }
}

function isOwnName(name: string): boolean {
  return [...Object.values(ownNames), ...OTHER_OWN_NAMES].includes(name);
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

/** A person's own token, as the API shows it: nothing of it is stored. */
function rowOfPerson({ tokenId, actor, scopes, environmentIds, expiresAt }: Access, { since }: Person): TokenRow {
  return {
    id: tokenId,
    name: actor.name,
    prefix: '',
    hash: '',
    scopes: JSON.stringify([...scopes]),
    all_environments: environmentIds === 'all' ? 1 : 0,
    environmentIds: environmentIds === 'all' ? [] : [...environmentIds],
    created_at: since,
    expires_at: expiresAt,
    last_used_at: null,
    revoked_at: null,
    created_by: actor.name,
    parent_id: null,
    on_behalf_of: null,
  };
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
