import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyFile, Keyring } from '../../src/platform/keyring.ts';

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
