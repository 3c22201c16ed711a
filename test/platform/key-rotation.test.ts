import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Database } from '../../src/platform/database.ts';
import { type KeyFile, newKeys, withFreshKey, withoutKey } from '../../src/platform/key-file.ts';
import { countWrapped, needsRotation, rotate } from '../../src/platform/key-rotation.ts';
import { Keyring, verifyKeyring } from '../../src/platform/keyring.ts';
import { Sealer, type SecretOwner } from '../../src/platform/sealer.ts';
import { describeEachDatabase, type OpenTestDatabase } from '../support/databases.ts';

/** More than are wrapped anew in one change. */
const MANY = 230;

/** Keys that every process of a gateway reads from one place. */
class SharedKeys {
  file: KeyFile = newKeys();
  readonly load = () => Keyring.load({ name: 'The shared keys', read: async () => this.file });
}

async function filled(open: OpenTestDatabase, count: number) {
  const { database } = await open();
  const keys = new SharedKeys();
  const keyring = await keys.load();
  await verifyKeyring(database, keyring);
  const sealer = new Sealer(database, keyring);
  const ids = await addEnvironments(database, sealer, count);
  const owner: SecretOwner = { environmentId: ids[0] ?? '', kind: 'datastore', id: 'd1', boundTo: 'here' };
  const key = await database.change((change) => sealer.newKey(change, owner));
  const sealed = key.seal('password', 'hunter2');
  const opens = async (ring: Keyring) => {
    const opened = await new Sealer(database, ring).openKey(owner, { id: key.id, wrapped: key.wrapped });
    return opened.open('password', sealed);
  };
  return { database, keys, keyring, sealer, opens };
}

async function addEnvironments(database: Database, sealer: Sealer, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.change(async (change) => {
    for (const id of ids) {
      const row = { id, name: id, created_at: '', updated_at: '', created_by: '' };
      await change.query.insertInto('environments').values(row).execute();
      await sealer.createDataKey(change, id);
    }
  });
  return ids;
}

describeEachDatabase('a rotation of the key-encryption key', (open) => {
  it('ends with nothing under the old key, while a gateway runs that knew only that', async () => {
    const { database, keys, keyring: running, sealer, opens } = await filled(open, 3);
    const old = running.activeKeyId;
    expect(await countWrapped(database)).toEqual(new Map([[old, 4]]));
    expect(await needsRotation(database, running)).toBe(false);
    keys.file = withFreshKey(keys.file);
    const command = await keys.load();
    expect(command.activeKeyId).not.toBe(old);
    expect(await needsRotation(database, command)).toBe(true);
    const told: [number, number][] = [];
    await rotate({ database, keyring: command, onProgress: (...progress) => told.push(progress) });
    expect(told).toEqual([
      [3, 4],
      [4, 4],
    ]);
    expect(await countWrapped(database)).toEqual(new Map([[command.activeKeyId, 4]]));
    expect(await needsRotation(database, command)).toBe(false);
    // the one that runs reads the keys anew when it meets the new one, and wraps with it from then on
    expect(await opens(running)).toBe('hunter2');
    await addEnvironments(database, sealer, 1);
    expect(await countWrapped(database)).toEqual(new Map([[command.activeKeyId, 5]]));
    // and without the old key all goes on
    keys.file = withoutKey(keys.file, old);
    const restarted = await keys.load();
    await verifyKeyring(database, restarted);
    expect(await opens(restarted)).toBe('hunter2');
  });

  it('that is ended half way goes on from there, and what was sealed opens all the time', async () => {
    const { database, keys, keyring: running, opens } = await filled(open, MANY);
    const old = running.activeKeyId;
    keys.file = withFreshKey(keys.file);
    const first = await keys.load();
    const ending = new AbortController();
    await rotate({ database, keyring: first, signal: ending.signal, onProgress: () => ending.abort() });
    const half = await countWrapped(database);
    expect(half.get(first.activeKeyId)).toBe(100);
    expect(half.get(old)).toBe(MANY - 100 + 1);
    expect(await needsRotation(database, first)).toBe(true);
    for (const ring of [running, first]) expect(await opens(ring)).toBe('hunter2');
    await verifyKeyring(database, await keys.load());
    // two go on at once, as two gateways that start do
    const others = await Promise.all([keys.load(), keys.load()]);
    await Promise.all(others.map((keyring) => rotate({ database, keyring })));
    expect(await countWrapped(database)).toEqual(new Map([[first.activeKeyId, MANY + 1]]));
    expect(await opens(await keys.load())).toBe('hunter2');
  });

  it('reads what is left to do without a look at every environment', async () => {
    const { database, keys } = await filled(open, 1);
    keys.file = withFreshKey(keys.file);
    const keyring = await keys.load();
    await rotate({ database, keyring });
    const before = await database.query.selectFrom('data_keys').selectAll().execute();
    await rotate({ database, keyring });
    expect(await database.query.selectFrom('data_keys').selectAll().execute()).toEqual(before);
  });

  it('is refused to who has only the former keys: nothing is written', async () => {
    const { database, keys } = await filled(open, 1);
    const former = keys.file;
    keys.file = withFreshKey(keys.file);
    await rotate({ database, keyring: await keys.load() });
    const before = await database.query.selectFrom('settings').selectAll().execute();
    keys.file = former;
    await expect(verifyKeyring(database, await keys.load())).rejects.toThrow(
      /has no key k[0-9a-f]{8}: copy the key file there that "key rotate" has written/,
    );
    expect(await database.query.selectFrom('settings').selectAll().execute()).toEqual(before);
  });

  it('does not take another gateway’s keys for its own', async () => {
    const { keys, keyring, opens } = await filled(open, 1);
    keys.file = newKeys();
    await expect(keyring.reload()).rejects.toThrow('holds the keys of another gateway now');
    expect(await opens(keyring)).toBe('hunter2');
  });
});

it('never forgets the key that wraps, nor one that there is not', () => {
  const keys = newKeys();
  expect(() => withoutKey(keys, keys.activeKeyId)).toThrow('is the one that wraps');
  expect(() => withoutKey(keys, 'k00000000')).toThrow('There is no key k00000000');
});
