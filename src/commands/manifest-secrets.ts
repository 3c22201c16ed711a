import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { readVariable } from '../env.ts';
import { referenceTo } from '../modules/manifests/references.ts';
import type { GivenSecret } from '../modules/manifests/service.ts';
import { unreadable } from './command.ts';

/** What a gateway takes. */
const MAX_SECRET_BYTES = 65_536;

/**
 * Looks up the secrets that a manifest names, on this machine. What is not there is left out: its stored secret stays.
 * Paths begin at the folder of the manifest.
 * @throws for a file that cannot be read, naming it
 */
export async function readSecrets(references: Iterable<string>, folder: string): Promise<GivenSecret[]> {
  const given: GivenSecret[] = [];
  for (const reference of new Set(references)) {
    const cut = reference.indexOf(':');
    const [source, name] = [reference.slice(0, cut), reference.slice(cut + 1)];
    const value = source === 'env' ? readVariable(name) : await readSecretFile(resolve(folder, name));
    if (value !== undefined) given.push({ reference: referenceTo(reference), value });
  }
  return given;
}

/** The text of a file without the line break at its end, which editors add; undefined where there is no such file. */
async function readSecretFile(path: string): Promise<string | undefined> {
  const bytes = await readWhereThere(path);
  if (bytes === undefined) return undefined;
  if (bytes.length > MAX_SECRET_BYTES) throw new Error(`${path} is over 64 KiB, which is no secret.`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.replace(/\r?\n$/, '') || undefined;
  } catch (error) {
    throw new Error(`${path} is no text in UTF-8.`, { cause: error });
  }
}

/** What a file begins with, a byte more than a secret may have: it may be endless. */
async function readWhereThere(path: string): Promise<Buffer | undefined> {
  try {
    return await buffer(createReadStream(path, { end: MAX_SECRET_BYTES }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, error as NodeJS.ErrnoException);
  }
}
