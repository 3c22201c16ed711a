import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { keyOwners } from '../../../src/key-owners.ts';
import { Database, isForeignKeyViolation } from '../../../src/platform/database/database.ts';
import { type KeyFile, newKeys, withFreshKey, withoutKey } from '../../../src/platform/keys/key-file.ts';
import { countWrapped, needsRotation, type RotationOptions, rotate } from '../../../src/platform/keys/key-rotation.ts';
import { Keyring, verifyKeyring } from '../../../src/platform/keys/keyring.ts';
import { Sealer } from '../../../src/platform/keys/sealer.ts';
import { describeEachDatabase, type OpenTestDatabase } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import {
  addEnvironments,
  addSecrets,
  newDraftKey,
  readSecretsOf,
  secretsOf,
  storeDraft,
} from '../../support/stored-secrets.ts';

/** Keys that every process of a gateway reads from one place. */
class SharedKeys {
  file: KeyFile = newKeys();
  readonly load = () => Keyring.load({ name: 'The shared keys', read: async () => this.file });

  /** What another process begins a rotation with. */
  async withFreshKey(): Promise<Keyring> {
    this.file = withFreshKey(this.file);
    return this.load();
  }
}

/**
 * How often a rotation of two environments writes, with four keys each: two data keys are retired, two made and two
 * deleted, eight keys are wrapped anew; the proof comes last.
 */
const WRITES = 15;

/** A rotation that waits for no reader of old data keys. */
function rotateNow(options: Omit<RotationOptions, 'owners'>) {
  return rotate({ ...options, owners: keyOwners, readersMs: 0 });
}

/** Environments with the secrets of so many datastores each. */
async function filled(open: OpenTestDatabase, environments: number, datastores: number) {
  const opened = await open();
  const { database } = opened;
  const keys = new SharedKeys();
  const keyring = await keys.load();
  await verifyKeyring(database, keyring);
  const sealer = new Sealer(database, keyring);
  const environmentIds = await addEnvironments(database, sealer, environments);
  const ids: string[] = [];
  for (const environmentId of environmentIds)
    for (let count = 0; count < datastores; count += 1) ids.push(await addSecrets(database, sealer, environmentId));
  /** Opens everything in a process that has opened nothing yet, or in one that has. */
  const opens = async (by: Keyring | Sealer) => {
    const reader = by instanceof Sealer ? by : new Sealer(database, by);
    for (const id of ids) expect(await (await readSecretsOf(database, id))(reader)).toEqual(secretsOf(id));
  };
  return { opened, database, keys, keyring, sealer, environmentIds, ids, opens };
}

/** What is under which data key, and which data keys there are. */
async function dataKeysOf({ query }: Database) {
  const under = await query
    .selectFrom('secret_keys')
    .select('data_key_id')
    .unionAll(query.selectFrom('revision_keys').select('data_key_id'))
    .unionAll(query.selectFrom('webhooks').select('data_key_id'))
    .execute();
  const rows = await query.selectFrom('data_keys').selectAll().execute();
  return {
    used: new Set(under.map(({ data_key_id }) => data_key_id)),
    active: new Set(rows.filter(({ active }) => active === 1).map(({ id }) => id)),
    retired: new Set(rows.filter(({ active }) => active === 0).map(({ id }) => id)),
  };
}

describeEachDatabase('a rotation of the keys', (open, kind) => {
  it('ends with nothing under the old key nor an old data key, while a gateway runs that knew only those', async () => {
    const { database, keys, keyring: running, sealer, opens } = await filled(open, 3, 1);
    const old = running.activeKeyId;
    await opens(sealer);
    const before = await dataKeysOf(database);
    expect(await countWrapped(database)).toEqual(new Map([[old, 4]]));
    expect(await needsRotation(database, running)).toBe(false);
    const command = await keys.withFreshKey();
    expect(command.activeKeyId).not.toBe(old);
    expect(await needsRotation(database, command)).toBe(true);
    const told: unknown[] = [];
    expect(await rotateNow({ database, keyring: command, onProgress: (...news) => told.push(news) })).toEqual([]);
    expect(told).toEqual([
      ['New data keys', 3, 3],
      // a page is of one data key and one table
      ...[2, 3, 4, 6, 7, 8, 10, 11, 12].map((done) => ['Keys wrapped anew', done, 12]),
      ...[1, 2, 3].map((done) => ['Old data keys deleted', done, 3]),
    ]);
    expect(await countWrapped(database)).toEqual(new Map([[command.activeKeyId, 4]]));
    expect(await needsRotation(database, command)).toBe(false);
    const after = await dataKeysOf(database);
    expect(after).toEqual({ used: after.active, active: expect.any(Set), retired: new Set() });
    expect(after.active.size).toBe(3);
    expect([...after.active].filter((id) => before.active.has(id))).toEqual([]);
    // the one that runs reads the keys anew when it meets the new one, and wraps with it from then on
    await opens(sealer);
    const [another = ''] = await addEnvironments(database, sealer, 1);
    await addSecrets(database, sealer, another);
    expect(await countWrapped(database)).toEqual(new Map([[command.activeKeyId, 5]]));
    // and without the old key all goes on
    keys.file = withoutKey(keys.file, old);
    const restarted = await keys.load();
    await verifyKeyring(database, restarted);
    await opens(restarted);
  });

  it('that dies at any of its writes leaves everything to open, and ends at the next start', async () => {
    const { opened, database, keys, opens } = await filled(open, 2, 1);
    let writes = 0;
    let dies = Number.POSITIVE_INFINITY;
    // the statement has been carried out, its transaction is rolled back
    const onStatement = (sql: string) => {
      if (/^(insert|update|delete)/.test(sql) && ++writes === dies) throw new Error('dies here');
    };
    const dying = await Database.open({ url: opened.url, doorbell: opened.doorbell, onStatement });
    let deaths = 0;
    for (let isOver = false; !isOver; ) {
      const keyring = await keys.withFreshKey();
      writes = 0;
      dies = deaths + 1;
      const outcome = await rotateNow({ database: dying, keyring }).catch((error: Error) => error);
      isOver = !(outcome instanceof Error);
      if (outcome instanceof Error) {
        expect(outcome.message).toBe('dies here');
        deaths += 1;
        await opens(keyring);
        // the last write is that of the proof, which is no transaction: it has been stored
        expect(await needsRotation(database, keyring)).toBe(deaths < WRITES);
        await rotateNow({ database, keyring: await keys.load() });
      }
      const { used, active, retired } = await dataKeysOf(database);
      expect(used).toEqual(active);
      expect(retired).toEqual(new Set());
      expect(await countWrapped(database)).toEqual(new Map([[keyring.activeKeyId, 3]]));
    }
    expect(deaths).toBe(WRITES);
    await opens(await keys.load());
    await dying.close();
  });

  it('goes on from where it was ended, by several at once, while others write', async () => {
    const { opened, database, keys, keyring: running, environmentIds, ids, opens } = await filled(open, 2, 52);
    const first = await keys.withFreshKey();
    const ending = new AbortController();
    const onProgress = (step: string) => step === 'Keys wrapped anew' && ending.abort();
    await rotateNow({ database, keyring: first, signal: ending.signal, onProgress });
    const half = await dataKeysOf(database);
    expect([half.active.size, half.retired.size, half.used.size]).toEqual([2, 2, 3]);
    expect(await needsRotation(database, first)).toBe(true);
    await verifyKeyring(database, await keys.load());
    const others = await Promise.all([opened.openAgain(), opened.openAgain(), opened.openAgain()]);
    const [writing, ...rotating] = others.map((other) => other.database);
    let isOver = false;
    const writer = async () => {
      const sealer = new Sealer(writing ?? database, running);
      while (!isOver) {
        for (const environmentId of environmentIds)
          ids.push(await addSecrets(writing ?? database, sealer, environmentId));
        // SQLite answers at once: timers and the others have their turn here
        await sleep(10);
      }
    };
    const wrote = writer();
    for (const _ of [1, 2]) {
      await Promise.all(rotating.map(async (one) => rotateNow({ database: one, keyring: await keys.load() })));
      const { active, retired, used } = await dataKeysOf(database);
      expect([active.size, retired]).toEqual([2, new Set()]);
      expect(used).toEqual(active);
      await keys.withFreshKey();
    }
    isOver = true;
    await wrote;
    expect(ids.length).toBeGreaterThan(104);
    await opens(await keys.load());
  });

  it('knows every table in which something is wrapped', async () => {
    const { database } = await open();
    const tables = await database.query.introspection.getTables();
    const wrapping = tables.filter(({ columns }) => columns.some(({ name }) => name === 'wrapped'));
    expect(wrapping.map(({ name }) => name).sort()).toEqual(['data_keys', ...Object.keys(keyOwners)].sort());
  });

  it('leaves who has read a key before it no key that does not open', async () => {
    const { database, keys, ids } = await filled(open, 1, 1);
    const [id = ''] = ids;
    const openRead = await readSecretsOf(database, id);
    const keyring = await keys.withFreshKey();
    await rotateNow({ database, keyring });
    expect(await openRead(new Sealer(database, keyring))).toEqual(secretsOf(id));
  });

  it('waits for who seals under an old data key meanwhile', async () => {
    const { opened, database, keys, sealer, environmentIds, ids, opens } = await filled(open, 1, 1);
    const [[environmentId = ''], [id = '']] = [environmentIds, ids];
    const other = (await opened.openAgain()).database;
    const keyring = await keys.withFreshKey();
    const steps: string[] = [];
    const rotating = await database.change(async (change) => {
      const key = await newDraftKey(change, sealer, environmentId, id);
      // SQLite lets nobody else write meanwhile
      const rotation = rotateNow({ database: other, keyring, onProgress: (step) => steps.push(step) });
      if (kind === 'postgres') await eventually(() => steps.filter((step) => step === 'Keys wrapped anew').length >= 3);
      await storeDraft(change, id, key);
      return { rotation };
    });
    await rotating.rotation;
    expect(steps.at(-1)).toBe('Old data keys deleted');
    await opens(keyring);
    const { used, active } = await dataKeysOf(database);
    expect(used).toEqual(active);
  });

  it('lets nobody store a key under a data key that is gone, nor delete one that is in use: not even an older version', async () => {
    const { database, keys, sealer, environmentIds, ids, opens } = await filled(open, 1, 1);
    const [[environmentId = ''], [id = '']] = [environmentIds, ids];
    const key = await database.change((change) => newDraftKey(change, sealer, environmentId, id));
    const keyring = await keys.withFreshKey();
    await rotateNow({ database, keyring });
    const refused = await database.change((change) => storeDraft(change, id, key)).catch((error: Error) => error);
    expect(isForeignKeyViolation(refused)).toBe(true);
    const deleted = await database.query
      .deleteFrom('data_keys')
      .execute()
      .catch((error: Error) => error);
    expect(isForeignKeyViolation(deleted)).toBe(true);
    await opens(keyring);
  });

  it('names what does not open, and takes it up the next time', async () => {
    const { database, keys, keyring: first, ids, environmentIds, opens } = await filled(open, 1, 2);
    const [id = ''] = ids;
    const datastore = database.query.updateTable('datastores').where('id', '=', id);
    const { config } = await database.query
      .selectFrom('datastores')
      .select('config')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    await datastore.set({ config: config.replace('db.example', 'evil.example') }).execute();
    const keyring = await keys.withFreshKey();
    const unreadable = await rotateNow({ database, keyring });
    const owner = { environmentId: environmentIds[0], kind: 'datastore', id, boundTo: expect.any(String) };
    expect(unreadable).toEqual([{ id: expect.any(String), environmentId: environmentIds[0], owner }]);
    // the former key-encryption key can go all the same, and nothing is left to go on with
    expect((await countWrapped(database)).get(first.activeKeyId)).toBeUndefined();
    expect(await needsRotation(database, keyring)).toBe(false);
    expect((await dataKeysOf(database)).used.size).toBe(2);
    await datastore.set({ config }).execute();
    await opens(keyring);
    expect(await rotateNow({ database, keyring: await keys.withFreshKey() })).toEqual([]);
    const { used, active, retired } = await dataKeysOf(database);
    expect([used, retired]).toEqual([active, new Set()]);
    await opens(await keys.load());
  });

  it('does nothing where there is nothing to do', async () => {
    const { database, keys } = await filled(open, 1, 1);
    const keyring = await keys.withFreshKey();
    await rotateNow({ database, keyring });
    const before = await dataKeysOf(database);
    await rotateNow({ database, keyring });
    expect(await dataKeysOf(database)).toEqual(before);
  });

  it('is refused to who has only the former keys: nothing is written', async () => {
    const { database, keys } = await filled(open, 1, 0);
    const former = keys.file;
    await rotateNow({ database, keyring: await keys.withFreshKey() });
    const before = await database.query.selectFrom('settings').selectAll().execute();
    keys.file = former;
    await expect(verifyKeyring(database, await keys.load())).rejects.toThrow(
      /has no key k[0-9a-f]{8}: copy the key file there that "key rotate" has written/,
    );
    expect(await database.query.selectFrom('settings').selectAll().execute()).toEqual(before);
  });

  it('waits for "key upgrade" where secrets may be under the data keys themselves', async () => {
    const { database, keys } = await filled(open, 1, 1);
    keys.file = { ...keys.file, version: 1 };
    const before = await dataKeysOf(database);
    await expect(rotateNow({ database, keyring: await keys.withFreshKey() })).rejects.toThrow('key upgrade');
    expect(await dataKeysOf(database)).toEqual(before);
  });

  it('does not take another gateway’s keys for its own', async () => {
    const { keys, keyring, opens } = await filled(open, 1, 1);
    keys.file = newKeys();
    await expect(keyring.reload()).rejects.toThrow('holds the keys of another gateway now');
    await opens(keyring);
  });
});

it('never forgets the key that wraps, nor one that there is not', () => {
  const keys = newKeys();
  expect(() => withoutKey(keys, keys.activeKeyId)).toThrow('is the one that wraps');
  expect(() => withoutKey(keys, 'k00000000')).toThrow('There is no key k00000000');
});
