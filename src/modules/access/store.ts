import { type Expression, expressionBuilder, type SqlBool, sql } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { ApiTokensTable, Tables } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from './access.ts';
import { whereVisible } from './visibility.ts';

/** A token as it counts: a session token has its parent's name, and ends with it. */
export interface TokenRow extends ApiTokensTable {
  /** Empty when the token has all environments. */
  readonly environmentIds: readonly string[];
}

/** Reads a token by its hash. This is the one query that is made before there is an Access. */
export async function findTokenByHash(database: Database, hash: string): Promise<TokenRow | undefined> {
  const found = await tokens(database).where('api_tokens.hash', '=', hash).executeTakeFirst();
  return found && withEnvironments(database, underParent(found));
}

export async function findToken(database: Database, id: string): Promise<TokenRow> {
  const found = await tokens(database).where('api_tokens.id', '=', id).executeTakeFirstOrThrow();
  return withEnvironments(database, underParent(found));
}

function tokens(database: Database) {
  return database.query
    .selectFrom('api_tokens')
    .leftJoin('api_tokens as parent', 'parent.id', 'api_tokens.parent_id')
    .selectAll('api_tokens')
    .select([
      'parent.name as parentName',
      'parent.revoked_at as parentRevokedAt',
      'parent.expires_at as parentExpiresAt',
    ]);
}

interface Parent {
  readonly parentName: string | null;
  readonly parentRevokedAt: string | null;
  readonly parentExpiresAt: string | null;
}

function underParent({
  parentName,
  parentRevokedAt,
  parentExpiresAt,
  ...token
}: ApiTokensTable & Parent): ApiTokensTable {
  const [first = null] = [token.expires_at, parentExpiresAt].filter((at) => at !== null).toSorted();
  return {
    ...token,
    name: parentName ?? token.name,
    revoked_at: token.revoked_at ?? parentRevokedAt,
    expires_at: first,
  };
}

async function withEnvironments(database: Database, token: ApiTokensTable): Promise<TokenRow> {
  const [row = { ...token, environmentIds: [] }] = await allWithEnvironments(database, [token]);
  return row;
}

async function allWithEnvironments(database: Database, rows: readonly ApiTokensTable[]): Promise<TokenRow[]> {
  const walled = rows.filter((row) => !row.all_environments).map(({ id }) => id);
  const found =
    walled.length === 0
      ? []
      : await database.query
          .selectFrom('api_token_environments')
          .selectAll()
          .where(isOneOf('api_token_environments.token_id', walled))
          .execute();
  const environmentIds = Map.groupBy(found, (row) => row.token_id);
  return rows.map((row) => ({
    ...row,
    environmentIds: (environmentIds.get(row.id) ?? []).map((each) => each.environment_id),
  }));
}

/**
 * The condition that a caller may see a token: all of its environments are the caller's too. One whose environments
 * are all deleted is left to those who have every environment.
 */
function whereWithin(access: Access): Expression<SqlBool> {
  if (access.environmentIds === 'all') return sql<SqlBool>`true`;
  const { and, not, exists, selectFrom, eb } = expressionBuilder<Tables, 'api_tokens'>();
  const isVisible = whereVisible(access, 'api_token_environments.environment_id');
  const ofToken = (condition: Expression<SqlBool>) =>
    exists(
      selectFrom('api_token_environments')
        .select('environment_id')
        .whereRef('api_token_environments.token_id', '=', 'api_tokens.id')
        .where(condition),
    );
  return and([eb('api_tokens.all_environments', '=', 0), ofToken(isVisible), not(ofToken(not(isVisible)))]);
}

/**
 * Reads a page of the tokens that a caller may see, the newest first: the lasting ones, or the session tokens of one
 * of them.
 */
export async function listTokens(
  database: Database,
  access: Access,
  sessionsOf: string | null,
  request: PageRequest,
): Promise<Page<TokenRow>> {
  const { after, before } = request;
  const rows = await tokens(database)
    .where('api_tokens.parent_id', sessionsOf === null ? 'is' : '=', sessionsOf)
    .where(whereWithin(access))
    .where(({ and, eb, refTuple, tuple }) => {
      const conditions: Expression<SqlBool>[] = [];
      const place = refTuple('api_tokens.created_at', 'api_tokens.id');
      if (after) conditions.push(eb(place, '<', tuple(after[0] ?? '', after[1] ?? '')));
      if (before) conditions.push(eb(place, '>', tuple(before[0] ?? '', before[1] ?? '')));
      return and(conditions);
    })
    // Postgres sees the order of the index in this one alone where the first column is null
    .orderBy('api_tokens.parent_id', request.backward ? 'asc' : 'desc')
    .orderBy('api_tokens.created_at', request.backward ? 'asc' : 'desc')
    .orderBy('api_tokens.id', request.backward ? 'asc' : 'desc')
    .limit(request.size + 1)
    .execute();
  const all = await allWithEnvironments(database, rows.map(underParent));
  return toPage(all, request, (row) => encodeCursor('CREATED_AT', [row.created_at, row.id]));
}

/** Revokes a token, unless it has been already. @returns null when there is none that the caller may see */
export async function revokeToken(
  change: Change,
  access: Access,
  id: string,
  at: string,
): Promise<{ readonly name: string; readonly isNew: boolean } | null> {
  const query = change.query
    .selectFrom('api_tokens')
    .select(['name', 'revoked_at'])
    .where('id', '=', id)
    .where(whereWithin(access));
  const found = await (change.kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  if (!found) return null;
  const isNew = found.revoked_at === null;
  if (isNew) await change.query.updateTable('api_tokens').set({ revoked_at: at }).where('id', '=', id).execute();
  return { name: found.name, isNew };
}

/** Finds a lasting token by its unique name. */
export async function findTokenId(database: Database, name: string): Promise<string | undefined> {
  const found = await database.query
    .selectFrom('api_tokens')
    .select('id')
    .where('name', '=', name)
    .where('parent_id', 'is', null)
    .executeTakeFirst();
  return found?.id;
}

export async function insertToken(
  change: Change,
  token: ApiTokensTable,
  environmentIds: readonly string[],
): Promise<void> {
  await change.query.insertInto('api_tokens').values(token).execute();
  if (environmentIds.length === 0) return;
  const rows = environmentIds.map((environment_id) => ({ token_id: token.id, environment_id }));
  await change.query.insertInto('api_token_environments').values(rows).execute();
}

/** Notes when tokens were last used, unless a later use is known. */
export async function touchTokens(database: Database, ids: readonly string[], at: string): Promise<void> {
  await database.query
    .updateTable('api_tokens')
    .set({ last_used_at: at })
    .where(isOneOf('api_tokens.id', ids))
    .where(({ or, eb }) => or([eb('last_used_at', 'is', null), eb('last_used_at', '<', at)]))
    .execute();
}

/** Gives a token other scopes. */
export async function setScopes(change: Change, id: string, scopes: string): Promise<void> {
  await change.query.updateTable('api_tokens').set({ scopes }).where('id', '=', id).execute();
}

/** Removes up to `limit` session tokens that expired before a time; another process may be removing others. */
export async function removeExpiredSessions(change: Change, before: string, limit: number): Promise<void> {
  const expired = change.query
    .selectFrom('api_tokens')
    .select('id')
    .where('parent_id', 'is not', null)
    .where('expires_at', '<', before)
    .orderBy('expires_at')
    .limit(limit);
  const rows = await (change.kind === 'postgres' ? expired.forUpdate().skipLocked() : expired).execute();
  const ids = rows.map((row) => row.id);
  if (ids.length > 0) await change.query.deleteFrom('api_tokens').where(isOneOf('api_tokens.id', ids)).execute();
}
