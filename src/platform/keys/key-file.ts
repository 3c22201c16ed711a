import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { isKeyId, keyBytes } from './sealed-box.ts';

export const MAX_KEY_FILE_BYTES = 65_536;

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
/** What a key file holds, or what a key command prints. */
export type KeyFile = z.output<typeof keyFile>;

const freshKey = () => randomBytes(keyBytes).toString('base64');
const freshId = () => `k${randomBytes(4).toString('hex')}`;

/** Makes the content of a new key file. */
export function newKeys(): KeyFile {
  const activeKeyId = freshId();
  return { version: 2, activeKeyId, keys: { [activeKeyId]: freshKey() }, macKey: freshKey() };
}

/** The same keys and a fresh one, which wraps from now on. */
export function withFreshKey(file: KeyFile): KeyFile {
  const activeKeyId = freshId();
  return { ...file, activeKeyId, keys: { ...file.keys, [activeKeyId]: freshKey() } };
}

/** The same keys without one of them. @throws when it is the active one, or none of them */
export function withoutKey(file: KeyFile, id: string): KeyFile {
  if (!Object.hasOwn(file.keys, id)) throw new Error(`There is no key ${id}: "key list" prints those that there are`);
  if (id === file.activeKeyId) throw new Error(`The key ${id} is the one that wraps: "key rotate" makes another one`);
  const { [id]: _forgotten, ...keys } = file.keys;
  return { ...file, keys };
}

/**
 * Makes a key file with fresh keys and mode 0600, whole or not at all. Rejects when there is a file already: it is
 * never overwritten.
 */
export async function createKeyFile(path: string): Promise<void> {
  const file = newKeys();
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
    await replaceKeyFile(path, { ...file, version: 2 });
  } catch (error) {
    throw new Error(`The key file ${path} cannot be written: put "version": 2 in it by hand`, { cause: error });
  }
}

/** Puts another content in the place of a key file, whole or not at all. */
export async function replaceKeyFile(path: string, file: KeyFile): Promise<void> {
  const draft = await writeDraft(path, file);
  try {
    await rename(draft, path);
  } catch (error) {
    await unlink(draft);
    throw error;
  }
  await syncDirectory(dirname(path));
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
export async function readKeyFile(path: string): Promise<KeyFile> {
  return parseKeyFile(await readPrivateFile(path), path);
}

/** Reads the content of a key file. @throws naming `from`, and what is wrong in it, but no value */
export function parseKeyFile(text: string, from: string): KeyFile {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${from} is no key file: it is not JSON`);
  }
  const parsed = keyFile.safeParse(content);
  if (parsed.success) return parsed.data;
  // the message names paths alone, for it could quote what should have been a key
  const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'the file').join(', ');
  throw new Error(`${from} is no key file: wrong in ${places}`);
}

async function readPrivateFile(path: string): Promise<string> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`The key file ${path} cannot be read (${error.code})`, { cause: error });
  });
  try {
    const stats = await handle.stat();
    // a folder is told of by reading it: its rights are not to be taken away
    if (process.platform !== 'win32' && !stats.isDirectory() && (stats.mode & 0o077) !== 0) {
      throw new Error(`The key file ${path} is open to other users: chmod 600 ${path}`);
    }
    if (stats.size > MAX_KEY_FILE_BYTES) throw new Error(`${path} is no key file: it is too large`);
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
