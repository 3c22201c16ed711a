import { readFile, writeFile } from 'node:fs/promises';
import type { Database } from '../../src/platform/database/database.ts';
import { newKeys } from '../../src/platform/keys/key-file.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { sealBox } from '../../src/platform/keys/sealed-box.ts';
import type { SecretOwner } from '../../src/platform/keys/sealer.ts';

/** Fresh keys, in no file. */
export function newKeyring(): Promise<Keyring> {
  const keys = newKeys();
  return Keyring.load({ name: 'What a test made', read: async () => keys });
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
  const key = await keyring.unwrap(row.wrapped, JSON.stringify(['data key', environmentId, row.id]));
  return sealBox(key, row.id, [environmentId, id, path], Buffer.from(text));
}

/** Writes a key file as older versions made it, with the keys of the one that is there. */
export async function ageKeyFile(path: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"version": 2', '"version": 1'));
}
