import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/platform/database.ts';
import { createKeyFile, Keyring } from '../../src/platform/keyring.ts';
import { sealBox } from '../../src/platform/sealed-box.ts';
import type { SecretOwner } from '../../src/platform/sealer.ts';

/** Fresh keys, by way of a real key file. */
export async function newKeyring(): Promise<Keyring> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-keys-'));
  try {
    await createKeyFile(join(directory, 'master.key'));
    return await Keyring.load(join(directory, 'master.key'));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Seals a text as versions did before secrets had keys of their own: with the environment's data key itself. */
export async function sealOldForm(
  database: Database,
  keyring: Keyring,
  { environmentId, id }: Pick<SecretOwner, 'environmentId' | 'id'>,
  path: string,
  text: string,
): Promise<string> {
  const row = await database.query
    .selectFrom('data_keys')
    .select(['id', 'wrapped'])
    .where('environment_id', '=', environmentId)
    .executeTakeFirstOrThrow();
  const key = keyring.unwrap(row.wrapped, JSON.stringify(['data key', environmentId, row.id]));
  return sealBox(key, row.id, [environmentId, id, path], Buffer.from(text));
}

/** Writes a key file as older versions made it, with the keys of the one that is there. */
export async function ageKeyFile(path: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"version": 2', '"version": 1'));
}
