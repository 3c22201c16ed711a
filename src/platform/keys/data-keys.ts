import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Change } from '../database/database.ts';
import { type PlaceOf, PreparedStatements } from '../database/prepared-statements.ts';
import type { Keyring } from './keyring.ts';
import { keyBytes } from './sealed-box.ts';

/** A key as it is stored, wrapped by another one. */
export interface WrappedKey {
  readonly id: string;
  readonly wrapped: string;
}

/** What a data key is bound to. */
export function dataKeyAad(environmentId: string, dataKeyId: string): string {
  return JSON.stringify(['data key', environmentId, dataKeyId]);
}

/**
 * Gives an environment a fresh active data key, under the active key-encryption key. Rejects while it has another one,
 * and when what the database has stored does not open.
 */
export async function insertDataKey(change: Change, keyring: Keyring, environmentId: string): Promise<void> {
  const [id, key] = [randomUUID(), randomBytes(keyBytes)];
  const aad = dataKeyAad(environmentId, id);
  const row = await change.query
    .insertInto('data_keys')
    .values({
      id,
      environment_id: environmentId,
      wrapped: keyring.wrap(key, aad),
      key_id: keyring.activeKeyId,
      active: 1,
      created_at: change.clock.timestamp(),
    })
    .returning('wrapped')
    .executeTakeFirstOrThrow();
  if (!(await keyring.unwrap(row.wrapped, aad)).equals(key)) throw new Error('a new data key was not stored');
}

/** So it is where an environment is not there any more. */
export class NoDataKeyError extends Error {
  override readonly name = 'NoDataKeyError';

  constructor(environmentId: string) {
    super(`The environment ${environmentId} has no data key`);
  }
}

const activeKeys = new PreparedStatements<string>();
const heldKeys = new PreparedStatements<{ readonly environmentId: string; readonly id: string }>();

/**
 * Reads the data key that wraps an environment's new keys, and keeps it from being deleted until the change ends: what
 * is under it then is seen by a rotation that retires it meanwhile. @throws NoDataKeyError
 */
export async function lockActiveDataKey(change: Change, environmentId: string): Promise<WrappedKey> {
  const select = (place: PlaceOf<string>) =>
    change.query
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where(
        'environment_id',
        '=',
        place((id) => id),
      )
      // SQLite takes an index of some rows alone where the statement itself says that it asks for these
      .where('active', '=', sql.lit(1))
      .$if(change.kind === 'postgres', (query) => query.forKeyShare());
  const read = async () => (await activeKeys.run(change, '', select, environmentId)).rows[0];
  // a statement that meets a rotation's change sees the old key retired, and the new one not yet: the next one does
  const row = (await read()) ?? (await read());
  if (!row) throw new NoDataKeyError(environmentId);
  return row;
}

/**
 * Keeps a data key from being deleted until a change on Postgres ends, without waiting for it: the change fails with
 * this error where it is not its environment's active one.
 */
export async function holdActiveDataKey(
  change: Change,
  held: { readonly environmentId: string; readonly id: string },
  orElse: () => Error,
): Promise<void> {
  const select = (place: PlaceOf<typeof held>) =>
    change.query
      .selectFrom('data_keys')
      .select('id')
      .where(
        'id',
        '=',
        place(({ id }) => id),
      )
      .where(
        'environment_id',
        '=',
        place(({ environmentId }) => environmentId),
      )
      .where('active', '=', sql.lit(1))
      .forKeyShare();
  await heldKeys.runLater(change, '', select, held, orElse);
}
