import { type ExpressionBuilder, type Selectable, sql } from 'kysely';
import { deserializeConfig } from '../../connectors/kit/config/shape.ts';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../platform/database/prepared-statements.ts';
import type {
  DatastoresTable,
  DatastoreTagsTable,
  JournalHeadsTable,
  JournalTable,
  Tables,
} from '../../platform/database/tables.ts';
import { insertAll, updateAll } from '../../platform/database/taken-rows.ts';
import type { WrappedKey } from '../../platform/keys/sealer.ts';
import { maxPageSize } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisible, whereVisibleToo } from '../access/visibility.ts';
import { type AskedOfDatastores, datastoresWithSecrets, wholeDatastores } from './asked.ts';
import { type Datastore, datastoreOf, rowOf } from './datastore.ts';
import type { OrderColumn } from './query.ts';
import { type JoinedRow, joinedColumns, joinedKeeper } from './related.ts';
import { searchBacklog } from './search-backlog.ts';

/** Far below what a statement may bind: 32,766 values on SQLite, 65,535 on Postgres. */
const IDS_IN_ONE_STATEMENT = 5_000;
/** Each seek may find all that is read, so few at a time read little in vain. SQLite takes 500 SELECTs in a union. */
const SEEKS_IN_ONE_STATEMENT = 10;

/** Statements for so many ids are kept: a page has no more. */
const MOST_KEPT_IDS = maxPageSize;

interface Sought {
  readonly ids: readonly string[];
  readonly environmentIds: readonly string[];
}

const readsById = new PreparedStatements<Sought>({ isShort: true });

/** Reads the datastores with these ids that the caller may see, with what is asked for of them. */
export async function findDatastores(
  database: Pick<Database, 'kind' | 'query'>,
  access: Access,
  ids: readonly string[],
  asked: AskedOfDatastores = wholeDatastores,
): Promise<Datastore[]> {
  const distinct = [...new Set(ids)];
  const rows: JoinedRow[] = [];
  for (let from = 0; from < distinct.length; from += IDS_IN_ONE_STATEMENT)
    rows.push(...(await readByIds(database, access, distinct.slice(from, from + IDS_IN_ONE_STATEMENT), asked)));
  return rows.map(datastoreMaker(asked));
}

async function readByIds(
  database: Pick<Database, 'kind' | 'query'>,
  access: Access,
  ids: readonly string[],
  asked: AskedOfDatastores,
): Promise<JoinedRow[]> {
  const isAll = access.environmentIds === 'all';
  const environmentIds = access.environmentIds === 'all' ? [] : [...access.environmentIds];
  const statement = (sought: Sought) =>
    selectDatastores(database, asked)
      .where(isOneOf('datastores.id', sought.ids))
      .where(
        whereVisibleToo(
          { environmentIds: isAll ? 'all' : new Set(sought.environmentIds) },
          'datastores.environment_id',
        ),
      );
  if (Math.max(ids.length, environmentIds.length) > MOST_KEPT_IDS) return statement({ ids, environmentIds }).execute();
  const shape = `${ids.length} of ${isAll ? 'all' : environmentIds.length}, ${asked.name}`;
  const { rows } = await readsById.run(
    database,
    shape,
    (place) =>
      statement({
        ids: ids.map((_, at) => place((values) => values.ids[at] as string)),
        environmentIds: environmentIds.map((_, at) => place((values) => values.environmentIds[at] as string)),
      }),
    { ids, environmentIds },
  );
  return rows;
}

/**
 * Reads what is asked for of datastores, of their environments and of their last tests. Whoever goes on from here says
 * which of them the caller may see, by a condition that an index serves or not.
 */
export function selectDatastores(
  { kind, query }: Pick<Database, 'kind' | 'query'>,
  asked: AskedOfDatastores,
  sortedBy?: OrderColumn,
) {
  const columns = new Set([...asked.columns, ...(sortedBy && asked.cursors ? [sortedBy] : [])]);
  return query
    .selectFrom('datastores')
    .$if(asked.environment !== null, (list) =>
      list.leftJoin('environments', 'environments.id', 'datastores.environment_id'),
    )
    .$if(asked.lastTest !== null, (list) =>
      list.leftJoin('connection_tests', (join) =>
        join
          .onRef('connection_tests.id', '=', 'datastores.last_test_id')
          .onRef('connection_tests.environment_id', '=', 'datastores.environment_id'),
      ),
    )
    .$if(asked.sealed, (list) =>
      list
        .leftJoin('secret_keys', 'secret_keys.datastore_id', 'datastores.id')
        .select(['secret_keys.id as sealed__key', 'wrapped as sealed__wrapped', 'bound_to as sealed__bound_to'])
        .select((eb) => sealedTextsBeside(eb, kind).as('sealed__texts')),
    )
    .select([...[...columns].map((column) => `datastores.${column}` as const), ...joinedColumns(asked)] as never)
    .$castTo<JoinedRow>();
}

/** The sealed secrets of each datastore that a query finds, by the ids of their rows, as one JSON text. */
function sealedTextsBeside(eb: ExpressionBuilder<Tables, 'datastores'>, kind: Database['kind']) {
  const [id, sealed] = [sql.ref('secret_versions.id'), sql.ref('sealed')];
  const texts =
    kind === 'sqlite' ? sql`json_group_object(${id}, ${sealed})` : sql`json_object_agg(${id}, ${sealed})::text`;
  return eb
    .selectFrom('secret_versions')
    .select(texts.$castTo<string | null>().as('texts'))
    .whereRef('secret_versions.datastore_id', '=', 'datastores.id');
}

/** Makes what makes datastores, one after the other, of what selectDatastores() has read of them. */
export function datastoreMaker(asked: AskedOfDatastores): (row: JoinedRow) => Datastore {
  const keepJoined = joinedKeeper(asked);
  return (row) => {
    const datastore = datastoreOf(row);
    keepJoined(datastore, row);
    return datastore;
  };
}

/**
 * Reads a datastore with its secrets, still sealed, as they are at one moment: a change that came between two
 * statements could have replaced them.
 */
export async function findWithSecrets(
  database: Pick<Database, 'kind' | 'query'>,
  access: Access,
  id: string,
): Promise<{ readonly datastore: Datastore; readonly sealed: SealedSecrets } | null> {
  const [row] = await readByIds(database, access, [id], datastoresWithSecrets);
  if (row === undefined) return null;
  const { sealed__key: keyId, sealed__wrapped: wrapped, sealed__bound_to: boundTo, sealed__texts: texts } = row;
  return {
    datastore: datastoreOf(row),
    sealed: {
      key: storedKey({ key_id: keyId, wrapped, bound_to: boundTo }),
      texts: new Map(Object.entries<string>(JSON.parse(texts ?? '{}'))),
    },
  };
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

/**
 * Makes everybody else who needs a new name in this environment wait until the change ends. SQLite has one change at a
 * time anyway.
 */
export async function lockNames(change: Change, environmentId: string): Promise<void> {
  if (change.kind === 'sqlite') return;
  await change.query.selectFrom('environments').select('id').where('id', '=', environmentId).forNoKeyUpdate().execute();
}

/** Says which of some names datastores of an environment have. */
export async function takenNames(
  change: Change,
  environmentId: string,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await change.query
    .selectFrom('datastores')
    .select('name')
    .where('environment_id', '=', environmentId)
    .where(isOneOf('datastores.name', names))
    .execute();
  return new Set(rows.map((row) => row.name));
}

export async function insertDatastore(change: Change, datastore: Datastore): Promise<void> {
  await change.query.insertInto('datastores').values(rowOf(datastore)).execute();
}

/** The row of a version, and which one it takes the place of. */
interface Replacement extends Selectable<DatastoresTable> {
  readonly replaces: number;
}

const replacements = new PreparedStatements<readonly Replacement[]>({ takesRows: true });

/**
 * Stores the next version: of its row what differs, for a column that is set costs its indexes, whatever its value is.
 * @returns false when another version is stored by now
 */
export async function replaceDatastore(change: Change, before: Datastore, after: Datastore): Promise<boolean> {
  const { changed, update, values } = replacementOf(change, before, after);
  const { numAffectedRows = 0n } = await replacements.run(change, changed, update, values);
  return numAffectedRows > 0n;
}

/** The same without waiting for it: the change fails with this error when another version is stored by now. */
export async function replaceDatastoreOrElse(
  change: Change,
  before: Datastore,
  after: Datastore,
  orElse: () => Error,
): Promise<void> {
  const { changed, update, values } = replacementOf(change, before, after);
  await replacements.runLater(change, changed, update, values, orElse);
}

function replacementOf({ kind, leave, query }: Change, before: Datastore, after: Datastore) {
  if (before.label !== after.label || before.name !== after.name) leave(searchBacklog);
  const [stored, row] = [rowOf(before), rowOf(after)];
  const columns = (Object.keys(row) as (keyof typeof row)[]).filter((column) => stored[column] !== row[column]);
  const changed = [
    'version' as const,
    ...columns.filter((column) => column !== 'version' && column !== 'last_test_id'),
  ];
  const update = (place: PlaceOf<readonly Replacement[]>) =>
    updateAll(kind, query.updateTable('datastores'), {
      table: 'datastores',
      set: Object.fromEntries(changed.map((column) => [column, column])),
      where: { id: 'id', version: 'replaces' },
      numbers: ['version', 'replaces', 'check_every_minutes'],
      place,
    });
  return { changed: changed.join(' '), update, values: [{ ...row, replaces: before.version }] };
}

const untagging = new PreparedStatements<string>();
const tagging = new PreparedStatements<readonly DatastoreTagsTable[]>({ takesRows: true });

/** Writes the tags by which a datastore is found. */
export async function replaceTags(change: Change, { id, environmentId, tags }: Datastore): Promise<void> {
  const { kind, query } = change;
  const remove = (place: PlaceOf<string>) =>
    query.deleteFrom('datastore_tags').where(
      'datastore_id',
      '=',
      place((datastoreId) => datastoreId),
    );
  await untagging.runLater(change, '', remove, id);
  if (tags.length === 0) return;
  const rows = tags.map((tag) => ({ datastore_id: id, environment_id: environmentId, ...tag }));
  const add = (place: PlaceOf<readonly DatastoreTagsTable[]>) =>
    insertAll(kind, query.insertInto('datastore_tags'), { rows, numbers: [], place });
  await tagging.runLater(change, kind === 'sqlite' ? String(rows.length) : '', add, rows);
}

/** Deletes datastores. Their secrets go with them, and their ids are given to new ones of their environment at most. */
export async function deleteDatastoreRows(change: Change, doomed: readonly Datastore[], at: string): Promise<void> {
  change.erases();
  for (let from = 0; from < doomed.length; from += IDS_IN_ONE_STATEMENT) {
    const some = doomed.slice(from, from + IDS_IN_ONE_STATEMENT);
    const ids = some.map(({ id }) => id);
    await change.query.deleteFrom('datastores').where(isOneOf('datastores.id', ids)).execute();
    const retired = some.map(({ id, environmentId: environment_id, version: last_version }) => {
      return { id, at, environment_id, last_version };
    });
    await change.query.insertInto('retired_ids').values(retired).execute();
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
      .where(whereVisibleToo(access, 'datastores.environment_id'))
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

/** A sealed secret that is not stored yet. */
export interface NewSealed {
  readonly id: string;
  readonly path: string;
  readonly sealed: string;
  readonly at: string;
}

export async function insertSecrets(change: Change, datastoreId: string, secrets: readonly NewSealed[]): Promise<void> {
  await change.query
    .insertInto('secret_versions')
    .values(secrets.map(({ at, ...secret }) => ({ ...secret, datastore_id: datastoreId, created_at: at })))
    .execute();
}

/** Gives a datastore the key that its secrets are sealed with from now on, for the destinations at these paths. */
export async function insertSecretKey(
  change: Change,
  datastoreId: string,
  key: WrappedKey,
  boundTo: readonly string[],
  at: string,
): Promise<void> {
  const { id, wrapped } = key;
  await change.query
    .insertInto('secret_keys')
    .values({ id, datastore_id: datastoreId, wrapped, bound_to: JSON.stringify(boundTo), created_at: at })
    .execute();
}

/** Deletes all secrets of a datastore, and their key. */
export async function deleteSecrets(change: Change, datastoreId: string): Promise<void> {
  change.erases();
  await change.query.deleteFrom('secret_versions').where('datastore_id', '=', datastoreId).execute();
  await change.query.deleteFrom('secret_keys').where('datastore_id', '=', datastoreId).execute();
}

/** What a datastore's secrets are sealed with. */
export interface StoredKey extends WrappedKey {
  /** The config paths of the destinations that they are sealed for. */
  readonly boundTo: readonly string[];
}

/** A row's columns of a key, where there is one. */
interface KeyRow {
  readonly key_id: string | null | undefined;
  readonly wrapped: StoredKey['wrapped'] | null | undefined;
  readonly bound_to: string | null | undefined;
}

/** The secrets of a datastore as they are stored. */
export interface SealedSecrets {
  /** Sealed texts by the ids of their rows. */
  readonly texts: ReadonlyMap<string, string>;
  /** Null where an older version has sealed them, and where there are none. */
  readonly key: StoredKey | null;
}

/** Reads stored secrets of one datastore, still sealed, by their ids, with the key that belongs to them. */
export async function readSealed(database: Pick<Database, 'query'>, ids: readonly string[]): Promise<SealedSecrets> {
  if (ids.length === 0) return { texts: new Map(), key: null };
  const rows = await database.query
    .selectFrom('secret_versions')
    .leftJoin('secret_keys', 'secret_keys.datastore_id', 'secret_versions.datastore_id')
    .select(['secret_versions.id', 'sealed', 'secret_keys.id as key_id', 'wrapped', 'bound_to'])
    .where(isOneOf('secret_versions.id', ids))
    .execute();
  const [first] = rows;
  return { texts: new Map(rows.map((row) => [row.id, row.sealed])), key: first ? storedKey(first) : null };
}

function storedKey({ key_id: id, wrapped, bound_to: boundTo }: KeyRow): StoredKey | null {
  return id == null || wrapped == null ? null : { id, wrapped, boundTo: JSON.parse(boundTo ?? '[]') as string[] };
}

/** A datastore with the key of its secrets. */
export interface KeyedDatastore {
  readonly keyId: string;
  readonly datastore: Pick<Datastore, 'environmentId' | 'id' | 'type' | 'config'>;
  readonly boundTo: readonly string[];
}

/** Reads the datastores to which keys belong. */
export async function findKeyed(change: Change, keyIds: readonly string[]): Promise<KeyedDatastore[]> {
  const rows = await change.query
    .selectFrom('secret_keys')
    .innerJoin('datastores', 'datastores.id', 'secret_keys.datastore_id')
    .select(['secret_keys.id as key_id', 'bound_to', 'environment_id', 'datastores.id', 'type', 'config'])
    .where(isOneOf('secret_keys.id', keyIds))
    .execute();
  return rows.map(({ key_id: keyId, bound_to, environment_id: environmentId, id, type, config }) => ({
    keyId,
    datastore: { environmentId, id, type, config: deserializeConfig(config) },
    boundTo: JSON.parse(bound_to ?? '[]') as string[],
  }));
}

/**
 * Locks some datastores behind an id whose secrets an older version has sealed: nobody else changes them until the
 * change ends.
 */
export async function lockOldForm(change: Change, afterId: string, limit: number): Promise<Datastore[]> {
  const rows = await change.query
    .selectFrom('datastores')
    .selectAll()
    .where('id', '>', afterId)
    .where(({ exists, not, selectFrom }) => {
      const secrets = selectFrom('secret_versions').select('secret_versions.id');
      const key = selectFrom('secret_keys').select('secret_keys.id');
      return exists(secrets.whereRef('secret_versions.datastore_id', '=', 'datastores.id')).and(
        not(exists(key.whereRef('secret_keys.datastore_id', '=', 'datastores.id'))),
      );
    })
    .orderBy('id')
    .limit(limit)
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .execute();
  return rows.map(datastoreOf);
}

/** Puts another sealed text in the place of a secret's, which says the same. */
export async function replaceSealed(change: Change, id: string, sealed: string): Promise<void> {
  change.erases();
  await change.query.updateTable('secret_versions').set({ sealed }).where('id', '=', id).execute();
}

const EVENT_COLUMNS = ['environment_id', 'sequence', 'at', 'kind', 'actor', 'on_behalf_of', 'subject_id'] as const;

/** Holds what followers of datastore events get of a journal entry. */
export type JournalRow = Pick<Selectable<JournalTable>, (typeof EVENT_COLUMNS)[number]>;

/**
 * Says where a reader of several chains stands: at the last sequence that it has seen of each. A chain that is missing
 * is read from its start.
 */
export type JournalPositions = Readonly<Record<string, number>>;

/** Names a stretch of an environment's chain: the entries behind `after`, up to and including `to`. */
export interface JournalStretch {
  readonly environmentId: string;
  readonly after: number;
  readonly to: number;
}

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
  return positionsOf(rows);
}

/** Reads where every environment's chain ends now. */
export async function allJournalEnds(database: Database): Promise<JournalPositions> {
  const rows = await database.query
    .selectFrom('journal_heads')
    .select(['environment_id', 'sequence'])
    .where('environment_id', '<>', '')
    .execute();
  return positionsOf(rows);
}

function positionsOf(heads: readonly Pick<JournalHeadsTable, 'environment_id' | 'sequence'>[]): JournalPositions {
  return Object.fromEntries(heads.map((head) => [head.environment_id, head.sequence]));
}

/** Tells what lies between two positions, chain by chain. */
export function stretchesBetween(from: JournalPositions, to: JournalPositions): JournalStretch[] {
  return Object.entries(to)
    .map(([environmentId, end]) => ({ environmentId, after: from[environmentId] ?? 0, to: end }))
    .filter((stretch) => stretch.after < stretch.to);
}

/**
 * Reads the first `limit` datastore events of the stretches, in order within each chain. A `datastoreId` leaves out
 * those of others.
 */
export async function readDatastoreEvents(
  database: Database,
  stretches: readonly JournalStretch[],
  datastoreId: string | null,
  limit: number,
): Promise<JournalRow[]> {
  const found: JournalRow[] = [];
  for (let from = 0; from < stretches.length && found.length < limit; from += SEEKS_IN_ONE_STATEMENT) {
    // a condition over several chains would be answered by a scan of the whole journal, so each chain gets a seek
    const [first, ...others] = stretches
      .slice(from, from + SEEKS_IN_ONE_STATEMENT)
      .map((stretch) => seekEvents(database, stretch, datastoreId, limit));
    if (first) found.push(...(await others.reduce((all, other) => all.unionAll(other), first).execute()));
  }
  return found.sort(inOrder).slice(0, limit);
}

/** Whether an event's datastore was deleted by it or after it. */
export async function wasDeletedSince(
  { query }: Pick<Database, 'query'>,
  event: { readonly datastoreId: string; readonly environmentId: string; readonly sequence: number },
): Promise<boolean> {
  const deletion = await query
    .selectFrom('journal')
    .select('id')
    .where('subject_id', '=', event.datastoreId)
    .where('environment_id', '=', event.environmentId)
    .where('sequence', '>=', event.sequence)
    .where('kind', '=', 'DELETED')
    .executeTakeFirst();
  return deletion !== undefined;
}

function seekEvents(database: Database, stretch: JournalStretch, datastoreId: string | null, limit: number) {
  const { environmentId, after, to } = stretch;
  const events = database.query.selectFrom('journal').select(EVENT_COLUMNS).where('kind', '<>', '').limit(limit);
  // of three conditions SQLite would use the two of the primary key, and look at all of the stretch
  const entries =
    datastoreId === null
      ? events
          .where('environment_id', '=', environmentId)
          .where('sequence', '>', after)
          .where('sequence', '<=', to)
          .orderBy('sequence')
      : events
          .where(({ eb, refTuple, tuple }) =>
            eb.and([
              eb(refTuple('subject_id', 'environment_id', 'sequence'), '>', tuple(datastoreId, environmentId, after)),
              eb(refTuple('subject_id', 'environment_id', 'sequence'), '<=', tuple(datastoreId, environmentId, to)),
            ]),
          )
          .orderBy('subject_id')
          .orderBy('environment_id')
          .orderBy('sequence');
  // SQLite allows ORDER BY in a part of a union only where that is a subquery
  return database.query.selectFrom(entries.as('entries')).selectAll();
}

function inOrder(one: JournalRow, other: JournalRow): number {
  if (one.environment_id === other.environment_id) return one.sequence - other.sequence;
  return one.environment_id < other.environment_id ? -1 : 1;
}
