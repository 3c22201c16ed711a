import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Database } from './database.ts';
import { isKeyId, keyBytes, keyIdOf, openBox, sealBox, UnsealError } from './sealed-box.ts';

const MAX_KEY_FILE_BYTES = 65_536;

const key = z.base64().refine((text) => Buffer.from(text, 'base64').length === keyBytes, 'must be 32 bytes in base64');
const keyFile = z
  .strictObject({
    // with version 1 there may be secrets that an older version has sealed, which 2 rules out
    version: z.literal([1, 2]),
    activeKeyId: z.string(),
    keys: z.record(z.string().refine(isKeyId, 'is no key id'), key),
    macKey: key,
  })
  .refine((file) => Object.hasOwn(file.keys, file.activeKeyId), {
    path: ['activeKeyId'],
    message: 'names none of the keys',
  });
type KeyFile = z.output<typeof keyFile>;

/**
 * Makes a key file with fresh keys and mode 0600, whole or not at all. Rejects when there is a file already: it is
 * never overwritten.
 */
export async function createKeyFile(path: string): Promise<void> {
  const activeKeyId = `k${randomBytes(4).toString('hex')}`;
  const fresh = () => randomBytes(keyBytes).toString('base64');
  const file: KeyFile = { version: 2, activeKeyId, keys: { [activeKeyId]: fresh() }, macKey: fresh() };
  // of a relative path Node would try for ever where the working directory is gone
  await mkdir(dirname(resolve(path)), { recursive: true, mode: 0o700 });
  const draft = await writeDraft(path, file);
  try {
    // unlike a rename, a link fails when the name is taken
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`There is a key file at ${path} already; it is never overwritten`);
  } finally {
    await unlink(draft);
  }
  await syncDirectory(dirname(path));
}

/**
 * Marks a key file so that what an older version sealed is refused from then on, which older versions of the gateway
 * refuse in their turn. The keys stay. Rejects when it cannot be written, saying how to mark it by hand.
 */
export async function endOldForm(path: string): Promise<void> {
  const file = await readKeyFile(path);
  if (file.version === 2) return;
  try {
    const draft = await writeDraft(path, { ...file, version: 2 });
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    throw new Error(`The key file ${path} cannot be written: put "version": 2 in it by hand`, { cause: error });
  }
}

/** Writes a key file beside the place where it belongs. @returns its path */
async function writeDraft(path: string, file: KeyFile): Promise<string> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`);
    await handle.sync();
  } catch (error) {
    await unlink(draft);
    throw error;
  } finally {
    await handle.close();
  }
  return draft;
}

/** Rejects, saying what to do, when it is missing, readable by others, or no key file. */
async function readKeyFile(path: string): Promise<KeyFile> {
  const text = await readPrivateFile(path);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${path} is no key file: it is not JSON`);
  }
  const parsed = keyFile.safeParse(content);
  if (parsed.success) return parsed.data;
  // the message names paths alone, for it could quote what should have been a key
  const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'the file').join(', ');
  throw new Error(`${path} is no key file: wrong in ${places}`);
}

async function readPrivateFile(path: string): Promise<string> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`The key file ${path} cannot be read (${error.code})`, { cause: error });
  });
  try {
    const { mode, size } = await handle.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Error(`The key file ${path} is open to other users: chmod 600 ${path}`);
    }
    if (size > MAX_KEY_FILE_BYTES) throw new Error(`${path} is no key file: it is too large`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The key-encryption keys and the key of the MACs, in memory, as a key file has them. */
export class Keyring {
  /**
   * Whether secrets may be there that an older version has sealed. The key file says so, since whoever may write to the
   * database could put them back.
   */
  readonly opensOldForm: boolean;
  /** The key that wraps from now on. */
  readonly activeKeyId: string;
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #macKey: Buffer;
  readonly #macKeys = new Map<string, Buffer>();

  private constructor(file: KeyFile) {
    this.opensOldForm = file.version === 1;
    this.activeKeyId = file.activeKeyId;
    this.#keys = new Map(Object.entries(file.keys).map(([id, text]) => [id, Buffer.from(text, 'base64')]));
    this.#macKey = Buffer.from(file.macKey, 'base64');
  }

  /** Reads a key file. Rejects, saying what to do, when it is missing, readable by others, or no key file. */
  static async load(path: string): Promise<Keyring> {
    return new Keyring(await readKeyFile(path));
  }

  /** Seals a data key with the active key, bound to `aad`. */
  wrap(dataKey: Buffer, aad: string): string {
    return sealBox(this.#key(this.activeKeyId), this.activeKeyId, [aad], dataKey);
  }

  /** @throws UnsealError */
  unwrap(wrapped: string, aad: string): Buffer {
    return openBox(this.#key(keyIdOf(wrapped)), [aad], wrapped);
  }

  #key(id: string): Buffer {
    const found = this.#keys.get(id);
    if (!found) throw new UnsealError({ cause: new Error(`the key file has no key ${id}`) });
    return found;
  }

  /** HMAC-SHA-256 over the parts, with a key of its own for each label. No two lists of parts run together. */
  mac(label: string, ...parts: readonly (string | Buffer)[]): Buffer {
    const hmac = createHmac('sha256', this.#macKeyOf(label));
    for (const part of parts) {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      hmac.update(length).update(bytes);
    }
    return hmac.digest();
  }

  #macKeyOf(label: string): Buffer {
    const known = this.#macKeys.get(label);
    if (known) return known;
    const derived = Buffer.from(hkdfSync('sha256', this.#macKey, '', `datastore-gateway mac ${label}`, keyBytes));
    this.#macKeys.set(label, derived);
    return derived;
  }
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
  if (proof !== undefined) return requireProof(keyring, proof);
  const sealed = await database.query.selectFrom('data_keys').select('id').limit(1).executeTakeFirst();
  if (sealed) throw notOurs();
  const wrapped = keyring.wrap(randomBytes(keyBytes), CHECK);
  const value = JSON.stringify({ wrapped, mac: keyring.mac(CHECK, wrapped).toString('base64url') });
  await database.query
    .insertInto('settings')
    .values({ key: CHECK, value })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  // another replica, with another key file, may have been first
  requireProof(keyring, (await readProof(database)) ?? '');
}

async function readProof(database: Database): Promise<string | undefined> {
  const row = await database.query.selectFrom('settings').select('value').where('key', '=', CHECK).executeTakeFirst();
  return row?.value;
}

function requireProof(keyring: Keyring, value: string): void {
  let proof: { wrapped: string; mac: string };
  try {
    proof = z.object({ wrapped: z.string(), mac: z.string() }).parse(JSON.parse(value));
    keyring.unwrap(proof.wrapped, CHECK);
  } catch (error) {
    throw notOurs(error);
  }
  const mac = Buffer.from(proof.mac, 'base64url');
  const expected = keyring.mac(CHECK, proof.wrapped);
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) throw notOurs();
}

function notOurs(cause?: unknown): Error {
  return new Error('the key file does not belong to this database: check KEY_FILE and DATABASE_URL', { cause });
}
