import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import type { DatastoreUsagesTable } from '../../platform/database/tables.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';

/** Something outside of the gateway that depends on a datastore. */
export interface Usage {
  readonly id: string;
  readonly datastoreId: string;
  readonly kind: string;
  readonly name: string;
  readonly url: string | null;
  readonly registeredAt: string;
}

/** A usage, and the environment of its datastore. */
export interface PlacedUsage extends Usage {
  readonly environmentId: string;
}

function usageOf(row: DatastoreUsagesTable): Usage {
  const { id, datastore_id, kind, name, url, registered_at } = row;
  return { id, datastoreId: datastore_id, kind, name, url, registeredAt: registered_at };
}

/** Reads those of the usages with these ids that the caller may see. */
export async function findUsages(database: Database, access: Access, ids: readonly string[]): Promise<Usage[]> {
  const rows = await database.query
    .selectFrom('datastore_usages')
    .innerJoin('datastores', 'datastores.id', 'datastore_usages.datastore_id')
    .selectAll('datastore_usages')
    .where(isOneOf('datastore_usages.id', ids))
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .execute();
  return rows.map(usageOf);
}

/** Reads a page of a datastore's usages, sorted by kind and name. */
export async function listUsages(
  database: Database,
  access: Access,
  datastoreId: string,
  request: PageRequest,
): Promise<Page<Usage>> {
  const { after, before, backward } = request;
  const rows = await database.query
    .selectFrom('datastore_usages')
    .innerJoin('datastores', 'datastores.id', 'datastore_usages.datastore_id')
    .selectAll('datastore_usages')
    .where('datastore_usages.datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .$if(after !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('kind', 'datastore_usages.name'), '>', tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple('kind', 'datastore_usages.name'), '<', tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy('kind', backward ? 'desc' : 'asc')
    .orderBy('datastore_usages.name', backward ? 'desc' : 'asc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows.map(usageOf), request, ({ kind, name }) => encodeCursor('USAGE', [kind, name]));
}

export async function countUsages(database: Database, access: Access, datastoreId: string): Promise<number> {
  const { count } = await database.query
    .selectFrom('datastore_usages')
    .innerJoin('datastores', 'datastores.id', 'datastore_usages.datastore_id')
    .select(({ fn }) => fn.countAll().as('count'))
    .where('datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/**
 * Keeps a datastore that the caller may see from being deleted until the change ends.
 * @returns its environment; undefined when there is none
 */
export async function lockUsed(change: Change, access: Access, datastoreId: string): Promise<string | undefined> {
  const row = await change.query
    .selectFrom('datastores')
    .select('environment_id')
    .where('id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .$if(change.kind === 'postgres', (query) => query.forKeyShare())
    .executeTakeFirst();
  return row?.environment_id;
}

/** What became of a usage that was registered. */
export interface Registered {
  readonly usage: Usage;
  /** False when it was there as it is. */
  readonly isChanged: boolean;
}

/** Stores a usage, or the url of the one that has its kind and name already. */
export async function putUsage(change: Change, usage: Usage): Promise<Registered> {
  const { id, datastoreId, kind, name, url, registeredAt } = usage;
  const stored = await change.query
    .insertInto('datastore_usages')
    .values({ id, datastore_id: datastoreId, kind, name, url, registered_at: registeredAt })
    .onConflict((conflict) =>
      conflict
        .columns(['datastore_id', 'kind', 'name'])
        .doUpdateSet({ url })
        .where('datastore_usages.url', 'is distinct from', url),
    )
    .returningAll()
    .executeTakeFirst();
  if (stored) return { usage: usageOf(stored), isChanged: true };
  const known = await change.query
    .selectFrom('datastore_usages')
    .selectAll()
    .where('datastore_id', '=', datastoreId)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirstOrThrow();
  return { usage: usageOf(known), isChanged: false };
}

/** Deletes a usage that the caller may see. @returns what it was; undefined when there was none */
export async function deleteUsage(change: Change, access: Access, id: string): Promise<PlacedUsage | undefined> {
  const found = await change.query
    .selectFrom('datastore_usages')
    .innerJoin('datastores', 'datastores.id', 'datastore_usages.datastore_id')
    .selectAll('datastore_usages')
    .select('datastores.environment_id')
    .where('datastore_usages.id', '=', id)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .executeTakeFirst();
  if (!found) return undefined;
  const deleted = await change.query.deleteFrom('datastore_usages').where('id', '=', id).executeTakeFirst();
  // somebody else may have been faster
  return deleted.numDeletedRows > 0n ? { ...usageOf(found), environmentId: found.environment_id } : undefined;
}

/** How many datastores are asked for in one statement, far below what a statement may bind. */
const IDS_IN_ONE_STATEMENT = 5_000;

/** Reads the ids of up to `limit` usages of some datastores, which the change has locked for its caller. */
export async function usageIdsOf(change: Change, datastoreIds: readonly string[], limit: number): Promise<string[]> {
  const found: string[] = [];
  for (let from = 0; from < datastoreIds.length && found.length < limit; from += IDS_IN_ONE_STATEMENT) {
    const rows = await change.query
      .selectFrom('datastore_usages')
      .select('id')
      .where(isOneOf('datastore_usages.datastore_id', datastoreIds.slice(from, from + IDS_IN_ONE_STATEMENT)))
      .orderBy('datastore_id')
      .orderBy('kind')
      .orderBy('name')
      .limit(limit - found.length)
      .execute();
    found.push(...rows.map((row) => row.id));
  }
  return found;
}
