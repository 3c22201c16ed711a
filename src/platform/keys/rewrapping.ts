import type { Change, Database } from '../database/database.ts';
import { dataKeyAad, lockActiveDataKey, type WrappedKey } from './data-keys.ts';
import { type Keyring, UnknownKeyError } from './keyring.ts';
import { openBox, sealBox, UnsealError } from './sealed-box.ts';
import { keyPlace, type SecretOwner } from './sealer.ts';

/** The tables of what data keys wrap, and where the id of such a key stands. */
const keyIds = { secret_keys: 'id as key_id', revision_keys: 'id as key_id', webhooks: 'key_id' } as const;
type KeyTable = keyof typeof keyIds;
const tables = Object.keys(keyIds) as KeyTable[];
/** How many keys are wrapped anew in one change. */
const AT_ONCE = 100;

/** Finds to whom keys belong, by the ids of their rows; what belongs to nobody that it knows is left out. */
export type FindOwners = (change: Change, ids: readonly string[]) => Promise<ReadonlyMap<string, SecretOwner>>;

/** Who knows to whom the keys of each table belong, which they are bound to. */
export type KeyOwners = Readonly<Record<KeyTable, readonly FindOwners[]>>;

/** A data key that seals no more. */
export interface RetiredKey extends WrappedKey {
  readonly environmentId: string;
}

/** A key that does not open beside what its owner is now. */
export interface Unreadable {
  /** The id of its row. */
  readonly id: string;
  readonly environmentId: string;
  /** Undefined where nobody owns it. */
  readonly owner: SecretOwner | undefined;
}

export interface RewrappingOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly owners: KeyOwners;
  /** Ends it between two changes. */
  readonly signal?: AbortSignal | undefined;
}

/** How many keys are under a data key. */
export async function countUnder({ query }: Database, dataKeyId: string): Promise<number> {
  let sum = 0;
  for (const table of tables) {
    const { count } = await query
      .selectFrom(table)
      .select(({ fn }) => fn.countAll<number | string>().as('count'))
      .where('data_key_id', '=', dataKeyId)
      .executeTakeFirstOrThrow();
    sum += Number(count);
  }
  return sum;
}

/**
 * Wraps what is under a retired data key with the active one of its environment, while others write: a key stays what
 * it is, and so does what it has sealed. What somebody else has locked is left for another time.
 * @returns what does not open, and stays as it is
 */
export async function rewrapKeys(
  options: RewrappingOptions,
  retired: RetiredKey,
  onRewrapped: (count: number) => void,
): Promise<Unreadable[]> {
  const { database, signal } = options;
  const unreadable: Unreadable[] = [];
  for (const table of tables) {
    for (let after: string | undefined = ''; after !== undefined && !signal?.aborted; ) {
      const from: string = after;
      const page = await database.change((change) => rewrapPage(change, options, table, retired, from));
      onRewrapped(page.rewrapped);
      unreadable.push(...page.unreadable);
      after = page.last;
    }
  }
  return unreadable;
}

interface RewrappedPage {
  readonly rewrapped: number;
  readonly unreadable: readonly Unreadable[];
  /** The id of the last row of the page; undefined where there was none. */
  readonly last: string | undefined;
}

async function rewrapPage(
  change: Change,
  { keyring, owners }: RewrappingOptions,
  table: KeyTable,
  retired: RetiredKey,
  after: string,
): Promise<RewrappedPage> {
  const { environmentId } = retired;
  const rows = await lockPage(change, table, retired.id, after);
  const last = rows.at(-1)?.id;
  if (last === undefined) return { rewrapped: 0, unreadable: [], last };
  const active = await lockActiveDataKey(change, environmentId);
  const former = await openDataKey(keyring, retired);
  const dataKey = await keyring.unwrap(active.wrapped, dataKeyAad(environmentId, active.id));
  const ids = rows.map(({ id }) => id);
  const owned = new Map<string, SecretOwner>();
  for (const find of owners[table]) for (const [id, owner] of await find(change, ids)) owned.set(id, owner);
  const unreadable: Unreadable[] = [];
  for (const row of rows) {
    const owner = owned.get(row.id);
    const place = owner && keyPlace(owner, row.key_id);
    const key = former && place && openOrNone(former, place, row.wrapped);
    if (!place || !key) {
      unreadable.push({ id: row.id, environmentId, owner });
      continue;
    }
    const stored = await store(change, table, row.id, sealBox(dataKey, active.id, place, key));
    // what the database has kept opens, or all of this is undone
    if (!openBox(dataKey, place, stored).equals(key)) throw new Error('a key that was wrapped anew was not stored');
  }
  change.erases();
  return { rewrapped: rows.length - unreadable.length, unreadable, last };
}

/** Locks some rows behind an id that are under a data key; on Postgres it passes over those that somebody changes. */
function lockPage(change: Change, table: KeyTable, dataKeyId: string, after: string) {
  return change.query
    .selectFrom(table)
    .select(['id', 'wrapped', keyIds[table]])
    .where('data_key_id', '=', dataKeyId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(AT_ONCE)
    .$if(change.kind === 'postgres', (query) => query.forUpdate().skipLocked())
    .execute();
}

/** @returns what the database has stored */
async function store(change: Change, table: KeyTable, id: string, wrapped: string): Promise<string> {
  const row = await change.query
    .updateTable(table)
    .set({ wrapped })
    .where('id', '=', id)
    .returning('wrapped')
    .executeTakeFirstOrThrow();
  return row.wrapped;
}

/**
 * Deletes a retired data key that nothing is under. Where it has to stay for what does not open, it is wrapped by the
 * active key-encryption key, so that the former one can go.
 * @returns 'used' when there is more under it than what is known not to open: that is to be wrapped anew first
 */
export async function forgetDataKey(
  { database, keyring }: RewrappingOptions,
  retired: RetiredKey,
  unreadable: readonly Unreadable[],
): Promise<'deleted' | 'kept' | 'used'> {
  const known = new Set(unreadable.map(({ id }) => id));
  return database.change(async (change) => {
    // this waits for those who have sealed under it: what they have stored is seen below
    await change.query
      .selectFrom('data_keys')
      .select('id')
      .where('id', '=', retired.id)
      .$if(change.kind === 'postgres', (query) => query.forUpdate())
      .execute();
    const ids = await idsUnder(change, retired.id, known.size + 1);
    if (ids.some((id) => !known.has(id))) return 'used';
    if (ids.length > 0) {
      await keepDataKey(change, keyring, retired);
      return 'kept';
    }
    change.erases();
    await change.query.deleteFrom('data_keys').where('id', '=', retired.id).execute();
    return 'deleted';
  });
}

/** The ids of some of the rows under a data key, at least one more than `limit` where there are so many. */
async function idsUnder(change: Change, dataKeyId: string, limit: number): Promise<string[]> {
  const ids = [];
  for (const table of tables) {
    const rows = await change.query
      .selectFrom(table)
      .select('id')
      .where('data_key_id', '=', dataKeyId)
      .limit(limit)
      .execute();
    ids.push(...rows.map(({ id }) => id));
  }
  return ids;
}

async function keepDataKey(change: Change, keyring: Keyring, retired: RetiredKey): Promise<void> {
  const key = await openDataKey(keyring, retired);
  if (!key) return;
  const wrapped = keyring.wrap(key, dataKeyAad(retired.environmentId, retired.id));
  await change.query
    .updateTable('data_keys')
    .set({ wrapped, key_id: keyring.activeKeyId })
    .where('id', '=', retired.id)
    .execute();
}

/** @returns undefined for one that was changed outside of the gateway. @throws UnknownKeyError */
async function openDataKey(keyring: Keyring, { id, environmentId, wrapped }: RetiredKey): Promise<Buffer | undefined> {
  try {
    return await keyring.unwrap(wrapped, dataKeyAad(environmentId, id));
  } catch (error) {
    if (!(error instanceof UnsealError) || error instanceof UnknownKeyError) throw error;
    return undefined;
  }
}

function openOrNone(key: Buffer, place: readonly string[], sealed: string): Buffer | undefined {
  try {
    return openBox(key, place, sealed);
  } catch (error) {
    if (!(error instanceof UnsealError)) throw error;
    return undefined;
  }
}
