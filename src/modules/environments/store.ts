import type { Expression, SqlBool } from 'kysely';
import { type Change, type Database, positionFunction } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../platform/database/prepared-statements.ts';
import type { EnvironmentsTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { isVisible, whereVisible } from '../access/visibility.ts';

export type EnvironmentRow = EnvironmentsTable;

/** Reads a page of the caller's environments, sorted by name. */
export async function listEnvironments(
  database: Database,
  access: Access,
  search: string | null,
  request: PageRequest,
): Promise<Page<EnvironmentRow>> {
  const rows = await database.query
    .selectFrom('environments')
    .selectAll()
    .where(whereVisible(access, 'environments.id'))
    .where(({ eb, fn, and, refTuple, tuple }) => {
      const conditions: Expression<SqlBool>[] = [];
      if (search) {
        // names are ASCII, which both databases fold
        const at = fn<number>(positionFunction[database.kind], [fn('lower', ['name']), eb.val(search.toLowerCase())]);
        conditions.push(eb(at, '>', 0));
      }
      const { after, before } = request;
      if (after) conditions.push(eb(refTuple('name', 'id'), '>', tuple(after[0] ?? '', after[1] ?? '')));
      if (before) conditions.push(eb(refTuple('name', 'id'), '<', tuple(before[0] ?? '', before[1] ?? '')));
      return and(conditions);
    })
    .orderBy('name', request.backward ? 'desc' : 'asc')
    .orderBy('id', request.backward ? 'desc' : 'asc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows, request, (row) => encodeCursor('NAME', [row.name, row.id]));
}

const soughtEnvironments = new PreparedStatements<readonly string[]>();

/** Reads the environments with these ids that the caller may see. */
export async function findEnvironments(
  database: Database,
  access: Access,
  ids: readonly string[],
): Promise<EnvironmentRow[]> {
  const visible = [...new Set(ids)].filter((id) => isVisible(access, id));
  if (visible.length === 0) return [];
  const select = (place: PlaceOf<readonly string[]>) => {
    const sight = { environmentIds: new Set(visible.map((_, at) => place((values) => values[at] ?? ''))) };
    return database.query.selectFrom('environments').selectAll().where(whereVisible(sight, 'environments.id'));
  };
  return (await soughtEnvironments.run(database, String(visible.length), select, visible)).rows;
}

/** Two rows tell whether there is just one. */
const ENOUGH_TO_TELL_ONE = 2;

/** Reads up to two of the caller's environments: enough to know whether there is just one. */
export async function findOnlyEnvironments(database: Database, access: Access): Promise<EnvironmentRow[]> {
  return database.query
    .selectFrom('environments')
    .selectAll()
    .where(whereVisible(access, 'environments.id'))
    .limit(ENOUGH_TO_TELL_ONE)
    .execute();
}

/** True when there is any environment, whoever may see it. */
export async function hasEnvironments(database: Database): Promise<boolean> {
  const row = await database.query.selectFrom('environments').select('id').limit(1).executeTakeFirst();
  return row !== undefined;
}

export async function insertEnvironment(change: Change, row: EnvironmentRow): Promise<void> {
  await change.query.insertInto('environments').values(row).execute();
}

/**
 * Locks an environment: until the change ends, nobody else changes it or puts a datastore into it.
 * @returns false when it is gone
 */
export async function lockEnvironment(change: Change, id: string): Promise<boolean> {
  const query = change.query.selectFrom('environments').select('id').where('id', '=', id);
  const row = await (change.kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  return row !== undefined;
}

/** Changes some columns of an environment, so that what somebody else has changed meanwhile stays. */
export async function changeEnvironment(
  change: Change,
  id: string,
  columns: Pick<EnvironmentRow, 'updated_at'> & Partial<Pick<EnvironmentRow, 'name' | 'network'>>,
): Promise<void> {
  await change.query.updateTable('environments').set(columns).where('id', '=', id).execute();
}

export async function deleteEnvironmentRow(change: Change, id: string): Promise<void> {
  await change.query.deleteFrom('environments').where('id', '=', id).execute();
}

/** Whether a webhook belongs to an environment that hears of the others, too. */
export async function holdsWebhookForAll(change: Change, environmentId: string): Promise<boolean> {
  const row = await change.query
    .selectFrom('webhooks')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('all_environments', '=', 1)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Reads the ids of up to `limit` of the datastores that an environment holds. */
export async function heldDatastoreIds(change: Change, environmentId: string, limit: number): Promise<string[]> {
  const rows = await change.query
    .selectFrom('datastores')
    .select('id')
    .where('environment_id', '=', environmentId)
    .orderBy('label_folded')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

export async function retireId(change: Change, id: string, at: string): Promise<void> {
  await change.query.insertInto('retired_ids').values({ id, at }).execute();
}
