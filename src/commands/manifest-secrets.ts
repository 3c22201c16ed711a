import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readVariable } from '../env.ts';
import { referenceTo } from '../modules/manifests/references.ts';
import type { GivenSecret } from '../modules/manifests/service.ts';
import { readNamed } from './command.ts';

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
  try {
    const { size } = await stat(path);
    if (size > MAX_SECRET_BYTES) throw new Error(`${path} is over 64 KiB, which is no secret.`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readNamed(path));
    return text.replace(/\r?\n$/, '') || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof TypeError) throw new Error(`${path} is no text in UTF-8.`, { cause: error });
    throw error;
  }
}
