import { randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Change, Database } from './database.ts';
import type { Keyring } from './keyring.ts';
import { keyBytes, keyIdOf, openBox, sealBox, UnsealError } from './sealed-box.ts';
import type { Tables } from './tables.ts';

/** Where a secret belongs. It opens there and nowhere else. */
export interface SealedPlace {
  readonly environmentId: string;
  /** The datastore, or the connection test of a draft. */
  readonly ownerId: string;
  /** The config path of the field. */
  readonly path: string;
}

/** How many unwrapped data keys are kept in memory. */
const MAX_OPENED_KEYS = 1_000;

/** Seals and opens secrets with the data keys in the database, one for each environment, which the keyring wraps. */
export class Sealer {
  readonly #database: Database;
  readonly #keyring: Keyring;
  /** Unwrapped data keys by their id. */
  readonly #opened = new Map<string, Buffer>();

  constructor(database: Database, keyring: Keyring) {
    this.#database = database;
    this.#keyring = keyring;
  }

  /**
   * Gives `v1.<keyId>.<iv>.<ciphertext>.<tag>` under the environment's active data key. Rejects when the environment
   * has none.
   */
  async seal(change: Change, place: SealedPlace, plaintext: string): Promise<string> {
    const row = await change.query
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where('environment_id', '=', place.environmentId)
      .where('active', '=', 1)
      .executeTakeFirst();
    if (!row) throw new Error(`The environment ${place.environmentId} has no data key`);
    const key = this.#unwrap(place.environmentId, row);
    return sealBox(key, row.id, parts(place), Buffer.from(plaintext));
  }

  /**
   * Opens what seal() gave; inside of a change it needs the change's query. @throws UnsealError when it was altered,
   * moved, or its key is gone
   */
  async open(place: SealedPlace, sealed: string, query: Kysely<Tables> = this.#database.query): Promise<string> {
    const id = keyIdOf(sealed);
    const key = this.#opened.get(id) ?? (await this.#load(query, place.environmentId, id));
    return openBox(key, parts(place), sealed).toString();
  }

  /** Gives a new environment its data key: part of making the environment. */
  async createDataKey(change: Change, environmentId: string): Promise<void> {
    const id = randomUUID();
    const wrapped = this.#keyring.wrap(randomBytes(keyBytes), wrapAad(environmentId, id));
    await change.query
      .insertInto('data_keys')
      .values({
        id,
        environment_id: environmentId,
        wrapped,
        key_id: this.#keyring.activeKeyId,
        active: 1,
        created_at: new Date().toISOString(),
      })
      .execute();
  }

  async #load(query: Kysely<Tables>, environmentId: string, id: string): Promise<Buffer> {
    const row = await query
      .selectFrom('data_keys')
      .select(['id', 'wrapped'])
      .where('id', '=', id)
      .where('environment_id', '=', environmentId)
      .executeTakeFirst();
    if (!row) throw new UnsealError({ cause: new Error(`the environment has no data key ${id}`) });
    return this.#unwrap(environmentId, row);
  }

  #unwrap(environmentId: string, row: { readonly id: string; readonly wrapped: string }): Buffer {
    const known = this.#opened.get(row.id);
    if (known) return known;
    const key = this.#keyring.unwrap(row.wrapped, wrapAad(environmentId, row.id));
    if (this.#opened.size >= MAX_OPENED_KEYS) this.#opened.clear();
    this.#opened.set(row.id, key);
    return key;
  }
}

function parts(place: SealedPlace): readonly string[] {
  return [place.environmentId, place.ownerId, place.path];
}

function wrapAad(environmentId: string, dataKeyId: string): string {
  return JSON.stringify(['data key', environmentId, dataKeyId]);
}
