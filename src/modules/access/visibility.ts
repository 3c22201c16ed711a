import { type Expression, type SqlBool, sql } from 'kysely';
import { type ColumnOf, isAlsoOneOf, isOneOf } from '../../platform/database/database.ts';
import type { Access } from './access.ts';

/** The columns that say whose a row is. */
type EnvironmentColumn = 'environments.id' | Extract<ColumnOf<string>, `${string}.environment_id`>;

/** What a caller may see. */
/** What of a caller says which environments it may see. */
export type Sight = Pick<Access, 'environmentIds'>;

/**
 * Makes the condition that keeps a query to the environments that the caller may see. `wanted` narrows it to one of
 * them. An environment that the caller may not see leaves nothing, and so does a token whose environments are all
 * deleted.
 */
export function whereVisible(access: Sight, column: EnvironmentColumn, wanted?: string | null): Expression<SqlBool> {
  const { environmentIds } = access;
  if (wanted != null) return isOneOf(column, isVisible(access, wanted) ? [wanted] : []);
  return environmentIds === 'all' ? sql<SqlBool>`true` : isOneOf(column, [...environmentIds]);
}

/**
 * The same for a query that seeks by something else, of which there is little in all environments: SQLite would rather
 * look at all that an environment has, so no index serves this condition.
 */
export function whereVisibleToo(
  access: Sight,
  column: EnvironmentColumn,
  wanted: string | null = null,
): Expression<SqlBool> {
  if (wanted !== null) return isAlsoOneOf(column, isVisible(access, wanted) ? [wanted] : []);
  return access.environmentIds === 'all' ? sql<SqlBool>`true` : isAlsoOneOf(column, [...access.environmentIds]);
}

/** Tells the same of an environment whose rows have been read already. */
export function isVisible(access: Sight, environmentId: string, wanted?: string | null): boolean {
  if (wanted != null && wanted !== environmentId) return false;
  return access.environmentIds === 'all' || access.environmentIds.has(environmentId);
}
