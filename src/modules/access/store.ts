import type { Change, Database } from '../../platform/database.ts';
import type { ApiTokensTable } from '../../platform/tables.ts';
import type { Access } from './access.ts';

export interface TokenRow extends ApiTokensTable {
  /** Empty when the token has all environments. */
  readonly environmentIds: readonly string[];
}

/** Reads a token by its hash. This is the one query that is made before there is an Access. */
export async function findTokenByHash(database: Database, hash: string): Promise<TokenRow | undefined> {
  const token = await database.query.selectFrom('api_tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
  return token && withEnvironments(database, token);
}

export async function findToken(database: Database, access: Access): Promise<TokenRow> {
  const token = await database.query
    .selectFrom('api_tokens')
    .selectAll()
    .where('id', '=', access.tokenId)
    .executeTakeFirstOrThrow();
  return withEnvironments(database, token);
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
