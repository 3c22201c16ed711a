import type { Insertable } from 'kysely';
import { type Change, type Database, isOneOf } from '../../platform/database/database.ts';
import { type PlaceOf, PreparedStatements } from '../../platform/database/prepared-statements.ts';
import type { DatastoreRevisionsTable, RevisionKeysTable } from '../../platform/database/tables.ts';
import { insertAll } from '../../platform/database/taken-rows.ts';
import { encodeCursor, type Page, type PageRequest, toPage } from '../../platform/paging.ts';
import type { Access } from '../access/access.ts';
import { whereVisibleToo } from '../access/visibility.ts';

export type RevisionRow = DatastoreRevisionsTable;

/** A version with what its secrets are sealed with, where they are kept. */
export interface KeyedRevision extends RevisionRow {
  readonly key: Pick<RevisionKeysTable, 'id' | 'wrapped' | 'bound_to'> | null;
}

/** Reads a page of the versions of a datastore that the caller may see, the newest first. */
export async function listRevisions(
  database: Database,
  access: Access,
  datastoreId: string,
  request: PageRequest,
): Promise<Page<RevisionRow>> {
  const after = request.after && versionOf(request.after);
  const before = request.before && versionOf(request.before);
  const rows = await database.query
    .selectFrom('datastore_revisions')
    .innerJoin('datastores', 'datastores.id', 'datastore_revisions.datastore_id')
    .selectAll('datastore_revisions')
    .where('datastore_revisions.datastore_id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .$if(after !== null, (list) => list.where('datastore_revisions.version', '<', after ?? 0))
    .$if(before !== null, (list) => list.where('datastore_revisions.version', '>', before ?? 0))
    .orderBy('datastore_revisions.version', request.backward ? 'asc' : 'desc')
    .limit(request.size + 1)
    .execute();
  return toPage(rows, request, ({ version }) => encodeCursor('REVISION', [String(version)]));
}

/** The largest version that the database takes. */
export const MAX_VERSION = 2 ** 31 - 1;

/** Reads a cursor's version; a cursor that somebody made up stands before the first one. */
function versionOf([text = '']: readonly string[]): number {
  const version = /^\d{1,10}$/.test(text) ? Number(text) : 0;
  return version > MAX_VERSION ? 0 : version;
}

/** Reads one version of a datastore that the caller may see. */
export async function findRevision(
  database: Database,
  access: Access,
  datastoreId: string,
  version: number,
): Promise<KeyedRevision | undefined> {
  const row = await database.query
    .selectFrom('datastore_revisions')
    .innerJoin('datastores', 'datastores.id', 'datastore_revisions.datastore_id')
    .leftJoin('revision_keys', (join) =>
      join
        .onRef('revision_keys.datastore_id', '=', 'datastore_revisions.datastore_id')
        .onRef('revision_keys.version', '=', 'datastore_revisions.version'),
    )
    .selectAll('datastore_revisions')
    .select(['revision_keys.id as key_id', 'wrapped', 'bound_to'])
    .where('datastore_revisions.datastore_id', '=', datastoreId)
    .where('datastore_revisions.version', '=', version)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .executeTakeFirst();
  if (!row) return undefined;
  const { key_id: id, wrapped, bound_to, ...revision } = row;
  const key = id === null || wrapped === null || bound_to === null ? null : { id, wrapped, bound_to };
  return { ...revision, key };
}

const versions = new PreparedStatements<readonly RevisionRow[]>({ takesRows: true });

/** Stores versions of datastores; of one that is there already, what its secrets are sealed to. */
export async function putRevisions(change: Change, rows: readonly RevisionRow[]): Promise<void> {
  const insert = (place: PlaceOf<readonly RevisionRow[]>) =>
    insertAll(change.kind, change.query.insertInto('datastore_revisions'), {
      rows,
      numbers: ['version'],
      place,
    }).onConflict((conflict) =>
      conflict
        .columns(['datastore_id', 'version'])
        .doUpdateSet(({ ref }) => ({ sealed: ref('excluded.sealed'), secret_paths: ref('excluded.secret_paths') }))
        // most have no secrets, and are as they are to be
        .where(({ eb, or, ref }) =>
          or([
            eb('datastore_revisions.sealed', 'is distinct from', ref('excluded.sealed')),
            eb('datastore_revisions.secret_paths', '<>', ref('excluded.secret_paths')),
          ]),
        ),
    );
  await versions.runLater(change, change.kind === 'sqlite' ? String(rows.length) : '', insert, rows);
}

type RevisionKeyRow = Insertable<RevisionKeysTable>;

const keys = new PreparedStatements<readonly RevisionKeyRow[]>({ takesRows: true });

export async function insertKey(change: Change, row: RevisionKeyRow): Promise<void> {
  const rows = [row];
  const insert = (place: PlaceOf<readonly RevisionKeyRow[]>) =>
    insertAll(change.kind, change.query.insertInto('revision_keys'), { rows, numbers: ['version'], place });
  await keys.runLater(change, '', insert, rows);
}

/** Reads the versions to which keys belong, and their datastores, as far as the keys are bound to them. */
export async function findKeyed(change: Change, keyIds: readonly string[]) {
  const rows = await change.query
    .selectFrom('revision_keys')
    .innerJoin('datastore_revisions', (join) =>
      join
        .onRef('datastore_revisions.datastore_id', '=', 'revision_keys.datastore_id')
        .onRef('datastore_revisions.version', '=', 'revision_keys.version'),
    )
    .innerJoin('datastores', 'datastores.id', 'revision_keys.datastore_id')
    .select(['revision_keys.id as keyId', 'bound_to', 'revision_keys.version', 'datastore_revisions.config'])
    .select(['datastores.id', 'environment_id as environmentId', 'type'])
    .where(isOneOf('revision_keys.id', keyIds))
    .execute();
  return rows.map(({ keyId, version, config, bound_to, ...datastore }) => {
    return { keyId, version, config, datastore, boundTo: JSON.parse(bound_to) as string[] };
  });
}

interface KeysUpTo {
  readonly datastoreId: string;
  readonly version: number;
}

const keysUpTo = new PreparedStatements<KeysUpTo>();

/** Erases the secrets of a datastore's versions up to one. @returns of how many versions */
export async function eraseUpTo(change: Change, datastoreId: string, version: number): Promise<number> {
  const upTo = (place: PlaceOf<KeysUpTo>) => {
    const [id, last] = [place((values) => values.datastoreId), place((values) => values.version)];
    const keys = change.query.selectFrom('revision_keys').select(['id', 'datastore_id', 'version']);
    return keys.where('datastore_id', '=', id).where('version', '<=', last);
  };
  const { rows } = await keysUpTo.run<Erased>(change, '', upTo, { datastoreId, version });
  return erase(change, rows);
}

const unsealings = new PreparedStatements<KeysUpTo>();
const erasures = new PreparedStatements<KeysUpTo>();

/** The same without saying of how many, for which a change waits for nothing. */
export async function eraseUpToLater(change: Change, datastoreId: string, version: number): Promise<void> {
  const { query } = change;
  const idOf = (place: PlaceOf<KeysUpTo>) => place((values) => values.datastoreId);
  const lastOf = (place: PlaceOf<KeysUpTo>) => place((values) => values.version);
  const erasure = (place: PlaceOf<KeysUpTo>) =>
    query.deleteFrom('revision_keys').where('datastore_id', '=', idOf(place)).where('version', '<=', lastOf(place));
  if (change.kind === 'sqlite') {
    const unsealing = (place: PlaceOf<KeysUpTo>) => {
      const [id, last] = [idOf(place), lastOf(place)];
      return query
        .updateTable('datastore_revisions')
        .set({ sealed: null })
        .where('datastore_id', '=', id)
        .where('version', 'in', (keys) =>
          keys
            .selectFrom('revision_keys')
            .select('version')
            .where('datastore_id', '=', id)
            .where('version', '<=', last),
        );
    };
    await unsealings.runLater(change, '', unsealing, { datastoreId, version });
    await erasures.runLater(change, '', erasure, { datastoreId, version }, undefined, change.erases);
    return;
  }
  const both = (place: PlaceOf<KeysUpTo>) =>
    query
      .with('erased', () => erasure(place).returning(['datastore_id', 'version']))
      .updateTable('datastore_revisions')
      .from('erased')
      .set({ sealed: null })
      .whereRef('datastore_revisions.datastore_id', '=', 'erased.datastore_id')
      .whereRef('datastore_revisions.version', '=', 'erased.version');
  await erasures.runLater(change, '', both, { datastoreId, version });
}

/**
 * Erases the secrets of up to `limit` versions that were superseded at `expired` or before; another process may be
 * erasing others.
 */
export async function eraseSuperseded(change: Change, expired: string, limit: number): Promise<number> {
  const old = change.query
    .selectFrom('revision_keys')
    .select(['id', 'datastore_id', 'version'])
    .where('superseded_at', '<=', expired)
    .orderBy('superseded_at')
    .limit(limit);
  return erase(change, await (change.kind === 'postgres' ? old.forUpdate().skipLocked() : old).execute());
}

type Erased = Pick<RevisionKeysTable, 'id' | 'datastore_id' | 'version'>;

async function erase(change: Change, keys: readonly Erased[]): Promise<number> {
  if (keys.length === 0) return 0;
  change.erases();
  for (const { datastore_id, version } of keys)
    await change.query
      .updateTable('datastore_revisions')
      .set({ sealed: null })
      .where('datastore_id', '=', datastore_id)
      .where('version', '=', version)
      .execute();
  const ids = keys.map(({ id }) => id);
  await change.query.deleteFrom('revision_keys').where(isOneOf('revision_keys.id', ids)).execute();
  return keys.length;
}

/** Keeps a datastore that the caller may see from being changed until the change ends. */
export async function lockRevised(
  change: Change,
  access: Access,
  datastoreId: string,
): Promise<{ readonly environmentId: string; readonly firstVersion: number } | undefined> {
  return change.query
    .selectFrom('datastores')
    .select(['environment_id as environmentId', 'first_version as firstVersion'])
    .where('id', '=', datastoreId)
    .where(whereVisibleToo(access, 'datastores.environment_id'))
    .$if(change.kind === 'postgres', (query) => query.forUpdate())
    .executeTakeFirst();
}
