import type { ExpressionBuilder, Selectable } from 'kysely';
import { type Change, type Database, isOneOf, positionFunction } from '../../platform/database.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { JournalTable, Tables } from '../../platform/tables.ts';
import type { Access } from '../access/access.ts';
import { whereVisible } from '../access/visibility.ts';
import { type Datastore, datastoreOf, fold, rowOf } from './datastore.ts';

/** Far below what a statement may bind: 32,766 values on SQLite, 65,535 on Postgres. */
const IDS_IN_ONE_STATEMENT = 5_000;
/** How many events one statement reads. */
const EVENTS_AT_ONCE = 100;
/** SQLite nests an OR as deep as it has terms, and allows a depth of 1,000. */
const TERMS_IN_ONE_OR = 500;

const orderColumns = {
  LABEL: 'label_folded',
  NAME: 'name',
  TYPE: 'type',
  CREATED_AT: 'created_at',
  UPDATED_AT: 'updated_at',
} as const;

export const orderFields = Object.keys(orderColumns) as (keyof typeof orderColumns)[];

/** Says which datastores to list, in which order. */
export interface DatastoreQuery {
  readonly environmentId: string | null;
  readonly types: readonly string[] | null;
  readonly search: string | null;
  readonly order: { readonly field: keyof typeof orderColumns; readonly direction: 'ASC' | 'DESC' };
}

/** Reads the datastores with these ids that the caller may see. */
export async function findDatastores(
  database: Pick<Database, 'query'>,
  access: Access,
  ids: readonly string[],
): Promise<Datastore[]> {
  const found: Datastore[] = [];
  for (let from = 0; from < ids.length; from += IDS_IN_ONE_STATEMENT) {
    const some = ids.slice(from, from + IDS_IN_ONE_STATEMENT);
    const rows = await database.query
      .selectFrom('datastores')
      .selectAll()
      .where(isOneOf('datastores.id', some))
      .where(whereVisible(access, 'datastores.environment_id'))
      .execute();
    found.push(...rows.map(datastoreOf));
  }
  return found;
}

export async function findByName(
  database: Database,
  access: Access,
  environmentId: string,
  name: string,
): Promise<Datastore | null> {
  const row = await database.query
    .selectFrom('datastores')
    .selectAll()
    .where(whereVisible(access, 'datastores.environment_id', environmentId))
    .where('name', '=', name)
    .executeTakeFirst();
  return row ? datastoreOf(row) : null;
}

/** Makes one condition of a query's filter and of what the caller may see. */
function matches(kind: Database['kind'], access: Access, query: DatastoreQuery) {
  return (eb: ExpressionBuilder<Tables, 'datastores'>) => {
    const conditions = [whereVisible(access, 'datastores.environment_id', query.environmentId)];
    if (query.types) conditions.push(isOneOf('datastores.type', query.types));
    if (query.search) {
      const wanted = fold(query.search);
      const at = (column: 'label_folded' | 'name') =>
        eb(eb.fn<number>(positionFunction[kind], [column, eb.val(wanted)]), '>', 0);
      conditions.push(eb.or([at('label_folded'), at('name')]));
    }
    return eb.and(conditions);
  };
}

export async function listDatastores(
  database: Database,
  access: Access,
  query: DatastoreQuery,
  request: PageRequest,
): Promise<Page<Datastore>> {
  const column = orderColumns[query.order.field];
  const ascending = (query.order.direction === 'ASC') !== request.backward;
  const forward = query.order.direction === 'ASC' ? '>' : '<';
  const backward = forward === '>' ? '<' : '>';
  const { after, before } = request;
  const rows = await database.query
    .selectFrom('datastores')
    .selectAll()
    .where(matches(database.kind, access, query))
    .$if(after !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple(column, 'id'), forward, tuple(after?.[0] ?? '', after?.[1] ?? '')),
      ),
    )
    .$if(before !== null, (list) =>
      list.where(({ eb, refTuple, tuple }) =>
        eb(refTuple(column, 'id'), backward, tuple(before?.[0] ?? '', before?.[1] ?? '')),
      ),
    )
    .orderBy(column, ascending ? 'asc' : 'desc')
    .orderBy('id', ascending ? 'asc' : 'desc')
    .limit(request.size + 1)
    .$if(request.offset > 0, (list) => list.offset(request.offset))
    .execute();
  const page = toPage(rows, request, (row) => encodeCursor(orderName(query), [row[column], row.id]));
  return { ...page, edges: page.edges.map(({ cursor, node }) => ({ cursor, node: datastoreOf(node) })) };
}

/** Names a list's order in its cursors. */
export function orderName(query: Pick<DatastoreQuery, 'order'>): string {
  return `${query.order.field} ${query.order.direction}`;
}

export async function countDatastores(database: Database, access: Access, query: DatastoreQuery): Promise<number> {
  const { count } = await database.query
    .selectFrom('datastores')
    .select(({ fn }) => fn.countAll().as('count'))
    .where(matches(database.kind, access, query))
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** True when a datastore has this id, whoever may see it, or a deleted thing had it. */
export async function isUsedId(change: Change, id: string): Promise<boolean> {
  const datastore = await change.query.selectFrom('datastores').select('id').where('id', '=', id).executeTakeFirst();
  const retired = await change.query.selectFrom('retired_ids').select('id').where('id', '=', id).executeTakeFirst();
  return datastore !== undefined || retired !== undefined;
}

/**
 * Makes everybody else who needs a new name in this environment wait until the change ends. SQLite has one change at a
 * time anyway.
 */
export async function lockNames(change: Change, environmentId: string): Promise<void> {
  if (change.kind === 'sqlite') return;
  await change.query.selectFrom('environments').select('id').where('id', '=', environmentId).forNoKeyUpdate().execute();
}

/** Reads the names of an environment that begin with a text. */
export async function namesLike(change: Change, environmentId: string, start: string): Promise<Set<string>> {
  const rows = await change.query
    .selectFrom('datastores')
    .select('name')
    .where('environment_id', '=', environmentId)
    .where('name', '>=', start)
    .where('name', '<', `${start}\u{10ffff}`)
    .execute();
  return new Set(rows.map((row) => row.name));
}

export async function insertDatastore(change: Change, datastore: Datastore): Promise<void> {
  await change.query.insertInto('datastores').values(rowOf(datastore)).execute();
}

/** Stores the next version. @returns false when another version is stored by now */
export async function replaceDatastore(change: Change, datastore: Datastore, replaces: number): Promise<boolean> {
  const { id, last_test_id: _, ...columns } = rowOf(datastore);
  const updated = await change.query
    .updateTable('datastores')
    .set(columns)
    .where('id', '=', id)
    .where('version', '=', replaces)
    .executeTakeFirst();
  return updated.numUpdatedRows > 0n;
}

/** Deletes datastores. Their secrets go with them, and their ids are never given out again. */
export async function deleteDatastoreRows(change: Change, ids: readonly string[], at: string): Promise<void> {
  for (let from = 0; from < ids.length; from += IDS_IN_ONE_STATEMENT) {
    const some = ids.slice(from, from + IDS_IN_ONE_STATEMENT);
    await change.query.deleteFrom('datastores').where(isOneOf('datastores.id', some)).execute();
    await change.query
      .insertInto('retired_ids')
      .values(some.map((id) => ({ id, at })))
      .execute();
  }
}

/** Locks the datastores with these ids that the caller may see: nobody else changes them until the change ends. */
export async function lockDatastores(change: Change, access: Access, ids: readonly string[]): Promise<Datastore[]> {
  const locked: Datastore[] = [];
  for (let from = 0; from < ids.length; from += IDS_IN_ONE_STATEMENT) {
    const rows = await change.query
      .selectFrom('datastores')
      .selectAll()
      .where(isOneOf('datastores.id', ids.slice(from, from + IDS_IN_ONE_STATEMENT)))
      .where(whereVisible(access, 'datastores.environment_id'))
      .orderBy('id')
      .$if(change.kind === 'postgres', (query) => query.forUpdate())
      .execute();
    locked.push(...rows.map(datastoreOf));
  }
  return locked;
}

/** Locks all datastores of an environment but those that are named. */
export async function lockEnvironmentsDatastores(
  change: Change,
  access: Access,
  environmentId: string,
  except: ReadonlySet<string>,
): Promise<Datastore[]> {
  const rows = await change.query
    .selectFrom('datastores')
    .selectAll()
    .where(whereVisible(access, 'datastores.environment_id', environmentId))
    .orderBy('id')
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .execute();
  return rows.filter((row) => !except.has(row.id)).map(datastoreOf);
}

export async function insertSecret(
  change: Change,
  secret: { id: string; datastoreId: string; path: string; sealed: string; at: string },
): Promise<void> {
  const { id, datastoreId, path, sealed, at } = secret;
  await change.query
    .insertInto('secret_versions')
    .values({ id, datastore_id: datastoreId, path, sealed, created_at: at })
    .execute();
}

export async function deleteSecrets(change: Change, ids: readonly string[]): Promise<void> {
  await change.query.deleteFrom('secret_versions').where(isOneOf('secret_versions.id', ids)).execute();
}

/** Reads the sealed texts of stored secrets, by their ids. */
export async function readSealed(database: Database, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await database.query
    .selectFrom('secret_versions')
    .select(['id', 'sealed'])
    .where(isOneOf('secret_versions.id', ids))
    .execute();
  return new Map(rows.map((row) => [row.id, row.sealed]));
}

export type JournalRow = Selectable<JournalTable>;

/**
 * Says where a reader of several chains stands: at the last sequence that it has seen of each. A chain that is missing
 * is read from its start.
 */
export type JournalPositions = Readonly<Record<string, number>>;

/** Reads where the caller's chains end now. */
export async function journalEnds(
  database: Database,
  access: Access,
  environmentId: string | null,
): Promise<JournalPositions> {
  const rows = await database.query
    .selectFrom('journal_heads')
    .select(['environment_id', 'sequence'])
    .where('environment_id', '<>', '')
    .where(whereVisible(access, 'journal_heads.environment_id', environmentId))
    .execute();
  return Object.fromEntries(rows.map((row) => [row.environment_id, row.sequence]));
}

/** Reads the events after a position of the datastores that the caller may see, in order within each environment. */
export async function readDatastoreEvents(
  database: Database,
  access: Access,
  filter: { readonly environmentId: string | null; readonly datastoreId: string | null },
  positions: JournalPositions,
): Promise<JournalRow[]> {
  const known = Object.keys(positions);
  const groups = Array.from({ length: Math.ceil(known.length / TERMS_IN_ONE_OR) }, (_, at) =>
    known.slice(at * TERMS_IN_ONE_OR, (at + 1) * TERMS_IN_ONE_OR),
  );
  return database.query
    .selectFrom('journal')
    .selectAll()
    .where('kind', '<>', '')
    .where(whereVisible(access, 'journal.environment_id', filter.environmentId))
    .$if(filter.datastoreId !== null, (query) => query.where('subject_id', '=', filter.datastoreId ?? ''))
    .where((eb) =>
      eb.or([
        ...groups.map((group) =>
          eb.or(group.map((id) => eb.and([eb('environment_id', '=', id), eb('sequence', '>', positions[id] ?? 0)]))),
        ),
        eb.not(isOneOf('journal.environment_id', known)),
      ]),
    )
    .orderBy('environment_id')
    .orderBy('sequence')
    .limit(EVENTS_AT_ONCE)
    .execute();
}
