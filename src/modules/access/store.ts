import { type Change, type Database, isOneOf } from '../../platform/database.ts';
import type { ApiTokensTable } from '../../platform/tables.ts';

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
  if (token.all_environments) return { ...token, environmentIds: [] };
  const rows = await database.query
    .selectFrom('api_token_environments')
    .select('environment_id')
    .where('token_id', '=', token.id)
    .execute();
  return { ...token, environmentIds: rows.map((row) => row.environment_id) };
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

export async function touchToken(database: Database, id: string, at: string): Promise<void> {
  await database.query.updateTable('api_tokens').set({ last_used_at: at }).where('id', '=', id).execute();
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
