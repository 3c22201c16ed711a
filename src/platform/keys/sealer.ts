import { randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Change, Database } from '../database/database.ts';
import { OutdatedGuessError } from '../database/errors.ts';
import type { Tables } from '../database/tables.ts';
import { dataKeyAad, holdActiveDataKey, insertDataKey, lockActiveDataKey, type WrappedKey } from './data-keys.ts';
import type { Keyring } from './keyring.ts';
import { keyBytes, keyIdOf, openBox, sealBox, UnsealError } from './sealed-box.ts';

export type { WrappedKey } from './data-keys.ts';

/** Whose secrets are sealed together, under a key of their own. */
export interface SecretOwner {
  readonly environmentId: string;
  readonly kind: 'datastore' | 'test' | 'revision' | 'webhook';
  readonly id: string;
  /** A digest of what they are sealed for, such as the destinations that they may be sent to. */
  readonly boundTo: string;
}

/** How many unwrapped data keys are kept in memory. */
const MAX_OPENED_KEYS = 1_000;

/**
 * The key of one owner's secrets. It is stored once, wrapped by the environment's data key: what it sealed never opens
 * again when it is gone. It is bound to its owner and to what the secrets are sealed for.
 */
export class SecretKey implements WrappedKey {
  readonly id: string;
  readonly wrapped: string;
  readonly #owner: SecretOwner;
  readonly #key: Buffer;

  constructor({ id, wrapped }: WrappedKey, owner: SecretOwner, key: Buffer) {
    this.id = id;
    this.wrapped = wrapped;
    this.#owner = owner;
    this.#key = key;
  }

  /** Gives `v1.<id of this key>.<iv>.<ciphertext>.<tag>`, bound to a path of the owner's config. */
  seal(path: string, plaintext: string): string {
    return sealBox(this.#key, this.id, this.#place(path), Buffer.from(plaintext));
  }

  /** @throws UnsealError when it was altered or moved, or is another key's */
  open(path: string, sealed: string): string {
    return openBox(this.#key, this.#place(path), sealed).toString();
  }

  #place(path: string): readonly string[] {
    return [this.#owner.environmentId, this.#owner.id, path];
  }
}

/** Makes and opens the keys of secrets with the data keys in the database, one for each environment. */
export class Sealer {
  readonly #database: Database;
  readonly #keyring: Keyring;
  /** Unwrapped data keys by their id. */
  readonly #opened = new Map<string, Buffer>();
  /** The ids of those that were active when they were last looked at, by environment. */
  readonly #active = new Map<string, string>();

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /**
   * Makes a fresh key for an owner's secrets, wrapped by the environment's active data key; storing it is the caller's.
   * @throws NoDataKeyError
   */
  async newKey(change: Change, owner: SecretOwner): Promise<SecretKey> {
    const dataKey = await this.#activeDataKey(change, owner.environmentId);
    const [id, key] = [randomUUID(), randomBytes(keyBytes)];
    const wrapped = sealBox(dataKey.key, dataKey.id, keyPlace(owner, id), key);
    return new SecretKey({ id, wrapped }, owner, key);
  }

  /** On Postgres one is expected to be active still, so that a change need not wait for an answer. */
  async #activeDataKey(change: Change, environmentId: string): Promise<{ readonly id: string; readonly key: Buffer }> {
    const id = this.#active.get(environmentId);
    const key = id && this.#opened.get(id);
    if (change.kind === 'postgres' && id && key) {
      await holdActiveDataKey(change, { environmentId, id }, () => {
        this.#active.delete(environmentId);
        return new OutdatedGuessError(`The data key ${id} is not active any more`);
      });
      return { id, key };
    }
    const row = await lockActiveDataKey(change, environmentId);
    const unwrapped = await this.#unwrap(environmentId, row);
    if (this.#active.size >= MAX_OPENED_KEYS) this.#active.clear();
    this.#active.set(environmentId, row.id);
    return { id: row.id, key: unwrapped };
  }

  /**
   * Opens a stored key. Inside of a change it needs the change's query.
   * @throws UnsealError when it was altered, is another owner's, or was made for something else than `boundTo`
   */
  async openKey(owner: SecretOwner, key: WrappedKey, query: Kysely<Tables> = this.#database.query): Promise<SecretKey> {
    const dataKeyId = keyIdOf(key.wrapped);
    const dataKey = await this.#findDataKey(query, owner.environmentId, dataKeyId);
    if (dataKey) return new SecretKey(key, owner, openBox(dataKey, keyPlace(owner, key.id), key.wrapped));
    // a rotation has wrapped it anew since it was read, and deleted that data key
    const anew = await readAgain(query, owner, key.id);
    if (!anew || keyIdOf(anew.wrapped) === dataKeyId) throw noDataKey(dataKeyId);
    return this.openKey(owner, anew, query);
  }

  /**
   * Opens what an older version has sealed, with the environment's data key itself and bound to nothing but its place.
   * Inside of a change it needs the change's query.
   * @throws UnsealError, always once the key file says that there is nothing of that kind any more
   */
  async openOldForm(
    owner: Omit<SecretOwner, 'boundTo'>,
    path: string,
    sealed: string,
    query: Kysely<Tables> = this.#database.query,
  ): Promise<string> {
    if (!this.#keyring.opensOldForm)
      throw new UnsealError({ cause: new Error('the key file says that nothing is sealed in the old form any more') });
    const key = await this.#findDataKey(query, owner.environmentId, keyIdOf(sealed));
    if (!key) throw noDataKey(keyIdOf(sealed));
    return openBox(key, [owner.environmentId, owner.id, path], sealed).toString();
  }

  /** Gives a new environment its data key: part of making the environment. */
  async createDataKey(change: Change, environmentId: string): Promise<void> {
    // a rotation may have begun since the keys were read
    await this.#keyring.reload();
    await insertDataKey(change, this.#keyring, environmentId);
  }

  async #findDataKey(query: Kysely<Tables>, environmentId: string, id: string): Promise<Buffer | undefined> {
    const known = this.#opened.get(id);
    if (known) return known;
    const row = await query
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where('id', '=', id)
      .where('environment_id', '=', environmentId)
      .executeTakeFirst();
    return row && this.#unwrap(environmentId, row);
  }

  async #unwrap(environmentId: string, row: WrappedKey): Promise<Buffer> {
    const known = this.#opened.get(row.id);
    if (known) return known;
    const key = await this.#keyring.unwrap(row.wrapped, dataKeyAad(environmentId, row.id));
    if (this.#opened.size >= MAX_OPENED_KEYS) this.#opened.clear();
    this.#opened.set(row.id, key);
    return key;
  }
}

/** What the key of an owner's secrets is bound to, besides the data key that wraps it. */
export function keyPlace({ environmentId, kind, id, boundTo }: SecretOwner, keyId: string): readonly string[] {
  return ['secret key', environmentId, kind, id, keyId, boundTo];
}

/** Reads a key as it is stored now; undefined when it is not the owner's any more. */
function readAgain(query: Kysely<Tables>, { kind, id }: SecretOwner, keyId: string): Promise<WrappedKey | undefined> {
  const webhook = query.selectFrom('webhooks').select(['key_id as id', 'wrapped']).where('id', '=', id);
  if (kind === 'webhook') return webhook.where('key_id', '=', keyId).executeTakeFirst();
  const table = kind === 'revision' ? 'revision_keys' : 'secret_keys';
  return query.selectFrom(table).select(['id', 'wrapped']).where('id', '=', keyId).executeTakeFirst();
}

function noDataKey(id: string): UnsealError {
  return new UnsealError({ cause: new Error(`the environment has no data key ${id}`) });
}
