import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import type { KeyFile } from './key-file.ts';
import { fileSource, type KeySource } from './key-source.ts';
import { keyBytes, keyIdOf, openBox, sealBox, UnsealError } from './sealed-box.ts';

/** Something is wrapped by a key that the source of the keys does not have. */
export class UnknownKeyError extends UnsealError {
  constructor(source: string, id: string) {
    super();
    this.message = `${source} has no key ${id}: copy the key file there that "key rotate" has written`;
  }
}

/** The key-encryption keys and the key of the MACs, in memory, as a key file has them. */
export class Keyring {
  /**
   * Whether secrets may be there that an older version has sealed. The key file says so, since whoever may write to the
   * database could put them back.
   */
  readonly opensOldForm: boolean;
  readonly #source: KeySource;
  readonly #macKey: Buffer;
  readonly #macKeys = new Map<string, KeyObject>();
  #activeKeyId: string;
  #keys: ReadonlyMap<string, Buffer>;

  private constructor(source: KeySource, file: KeyFile) {
    this.#source = source;
    this.opensOldForm = file.version === 1;
    this.#macKey = Buffer.from(file.macKey, 'base64');
    this.#activeKeyId = file.activeKeyId;
    this.#keys = keysOf(file);
  }

  /**
   * Reads the keys, from the path of a key file or from another source. Rejects, saying what to do, when there are
   * none, when others may read the file, or when it is no key file.
   */
  static async load(from: string | KeySource): Promise<Keyring> {
    const source = typeof from === 'string' ? fileSource(from) : from;
    return new Keyring(source, await source.read());
  }

  /** The key that wraps from now on. */
  get activeKeyId(): string {
    return this.#activeKeyId;
  }

  /** The other keys, which open what they have wrapped. */
  get otherKeyIds(): string[] {
    return [...this.#keys.keys()].filter((id) => id !== this.#activeKeyId);
  }

  /** Reads the keys anew, so that a gateway that runs takes part in a rotation. Rejects when they are another set's. */
  async reload(): Promise<void> {
    const file = await this.#source.read();
    if (!timingSafeEqual(Buffer.from(file.macKey, 'base64'), this.#macKey))
      throw new Error(`${this.#source.name} holds the keys of another gateway now: put the former ones back`);
    this.#activeKeyId = file.activeKeyId;
    this.#keys = keysOf(file);
  }

  /** Seals a data key with the active key, bound to `aad`. */
  wrap(dataKey: Buffer, aad: string): string {
    return sealBox(this.#key(this.#activeKeyId), this.#activeKeyId, [aad], dataKey);
  }

  /** Opens a data key; one under a key that is not known yet, once the keys are read anew. @throws UnsealError */
  async unwrap(wrapped: string, aad: string): Promise<Buffer> {
    const id = keyIdOf(wrapped);
    if (!this.#keys.has(id)) await this.reload();
    return openBox(this.#key(id), [aad], wrapped);
  }

  #key(id: string): Buffer {
    const found = this.#keys.get(id);
    if (!found) throw new UnknownKeyError(this.#source.name, id);
    return found;
  }

  /** HMAC-SHA-256 over the parts, with a key of its own for each label. */
  mac(label: string, ...parts: readonly (string | Buffer)[]): Buffer {
    return createHmac('sha256', this.#macKeyOf(label)).update(framed(parts)).digest();
  }

  #macKeyOf(label: string): KeyObject {
    const known = this.#macKeys.get(label);
    if (known) return known;
    const bytes = hkdfSync('sha256', this.#macKey, '', `datastore-gateway mac ${label}`, keyBytes);
    const derived = createSecretKey(Buffer.from(bytes));
    this.#macKeys.set(label, derived);
    return derived;
  }
}

/** Each part behind its length in bytes, so that no two lists of parts run together. */
function framed(parts: readonly (string | Buffer)[]): Buffer {
  const bytes = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + 4 + Buffer.byteLength(part), 0));
  let at = 0;
  for (const part of parts) {
    const length = typeof part === 'string' ? bytes.write(part, at + 4) : part.copy(bytes, at + 4);
    bytes.writeUInt32BE(length, at);
    at += 4 + length;
  }
  return bytes;
}

function keysOf(file: KeyFile): ReadonlyMap<string, Buffer> {
  return new Map(Object.entries(file.keys).map(([id, text]) => [id, Buffer.from(text, 'base64')]));
}

const CHECK = 'keyring_check';

/**
 * Makes sure that the keys are this database's. The first time that the tables exist it leaves a proof there; later a
 * wrong key file rejects with 'the key file does not belong to this database', and nothing is written. Before there are
 * tables it does nothing, so that it can be asked before the tables are migrated as well.
 */
export async function verifyKeyring(database: Database, keyring: Keyring): Promise<void> {
  const tables = await database.query.introspection.getTables();
  if (!tables.some((table) => table.name === 'settings')) return;
  const proof = await readProof(database);
  if (proof !== undefined) return await requireProof(keyring, proof);
  const sealed = await database.query.selectFrom('data_keys').select('id').limit(1).executeTakeFirst();
  if (sealed) throw notOurs();
  await database.query
    .insertInto('settings')
    .values({ key: CHECK, value: newProof(keyring) })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  // another replica, with another key file, may have been first
  await requireProof(keyring, (await readProof(database)) ?? '');
}

/** Puts the database's proof under the active key, as a part of a rotation. @returns false where it is already */
export async function renewProof(database: Database, keyring: Keyring): Promise<boolean> {
  const proof = await readProof(database);
  if (proof === undefined || proofKeyId(proof) === keyring.activeKeyId) return false;
  await requireProof(keyring, proof);
  await database.query
    .updateTable('settings')
    .set({ value: newProof(keyring) })
    .where('key', '=', CHECK)
    .execute();
  return true;
}

/** The id of the key that the database's proof is under; undefined where there is none. */
export async function proofKey(database: Database): Promise<string | undefined> {
  const proof = await readProof(database);
  return proof === undefined ? undefined : proofKeyId(proof);
}

function newProof(keyring: Keyring): string {
  const wrapped = keyring.wrap(randomBytes(keyBytes), CHECK);
  return JSON.stringify({ wrapped, mac: keyring.mac(CHECK, wrapped).toString('base64url') });
}

const proofShape = z.object({ wrapped: z.string(), mac: z.string() });

function proofKeyId(value: string): string {
  return keyIdOf(proofShape.parse(JSON.parse(value)).wrapped);
}

async function readProof(database: Database): Promise<string | undefined> {
  const row = await database.query.selectFrom('settings').select('value').where('key', '=', CHECK).executeTakeFirst();
  return row?.value;
}

async function requireProof(keyring: Keyring, value: string): Promise<void> {
  try {
    const { wrapped, mac } = proofShape.parse(JSON.parse(value));
    const [given, expected] = [Buffer.from(mac, 'base64url'), keyring.mac(CHECK, wrapped)];
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw notOurs();
    await keyring.unwrap(wrapped, CHECK);
  } catch (error) {
    // the same gateway's keys, from before a rotation
    if (error instanceof UnknownKeyError) throw error;
    throw notOurs(error);
  }
}

function notOurs(cause?: unknown): Error {
  return new Error('the key file does not belong to this database: check KEY_FILE and DATABASE_URL', { cause });
}
