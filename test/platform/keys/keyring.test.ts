import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migrateToLatest } from '../../../src/platform/database/migrate.ts';
import { createKeyFile } from '../../../src/platform/keys/key-file.ts';
import { Keyring, verifyKeyring } from '../../../src/platform/keys/keyring.ts';
import { Sealer } from '../../../src/platform/keys/sealer.ts';
import { describeEachDatabase } from '../../support/databases.ts';
import { newKeyring } from '../../support/keys.ts';

describe('the key file', () => {
  let directory: string;
  let path: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gateway-key-file-'));
  });
  afterAll(() => rm(directory, { recursive: true }));
  beforeEach(() => {
    path = join(directory, randomUUID(), 'master.key');
  });

  it('is made or refused, and soon, where the working directory is gone', async () => {
    const gone = await mkdtemp(join(tmpdir(), 'gateway-gone-'));
    const script = `
      import { rmdirSync } from 'node:fs';
      const { createKeyFile } = await import(${JSON.stringify(new URL('../../../src/platform/keys/key-file.ts', import.meta.url).href)});
      process.chdir(${JSON.stringify(gone)});
      rmdirSync(${JSON.stringify(gone)});
      await createKeyFile('./data/master.key').then(() => console.log('made'), () => console.log('refused'));`;
    const arguments_ = ['--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, {
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    expect(stdout).toMatch(/^(made|refused)\n$/);
    await rm(gone, { recursive: true, force: true });
  });

  it('is made for its owner alone and leaves no other file', async () => {
    await createKeyFile(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(path, '..'))).toEqual(['master.key']);
    const file = JSON.parse(await readFile(path, 'utf8'));
    expect(file.version).toBe(2);
    expect(Object.keys(file.keys)).toEqual([file.activeKeyId]);
    expect(Buffer.from(file.keys[file.activeKeyId], 'base64')).toHaveLength(32);
    expect(Buffer.from(file.macKey, 'base64')).toHaveLength(32);
  });

  it('is never overwritten, not even by two makers at once', async () => {
    const made = await Promise.allSettled(Array.from({ length: 8 }, () => createKeyFile(path)));
    expect(made.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    const before = await readFile(path, 'utf8');
    await expect(createKeyFile(path)).rejects.toThrow('never overwritten');
    expect(await readFile(path, 'utf8')).toBe(before);
    expect(await readdir(join(path, '..'))).toEqual(['master.key']);
  });

  it.each([0o640, 0o604, 0o660])('is refused with mode %o', async (mode) => {
    await createKeyFile(path);
    await chmod(path, mode);
    await expect(Keyring.load(path)).rejects.toThrow(`chmod 600 ${path}`);
  });

  const good = Buffer.alloc(32, 7).toString('base64');
  it.each([
    ['no JSON', 'hunter2'],
    ['another version', JSON.stringify({ version: 3, activeKeyId: 'a', keys: { a: good }, macKey: good })],
    ['a short key', JSON.stringify({ version: 1, activeKeyId: 'a', keys: { a: 'aHVudGVyMg==' }, macKey: good })],
    [
      'an active key that is not there',
      JSON.stringify({ version: 1, activeKeyId: 'b', keys: { a: good }, macKey: good }),
    ],
    ['a key id with a dot', JSON.stringify({ version: 1, activeKeyId: 'a.b', keys: { 'a.b': good }, macKey: good })],
    ['no mac key', JSON.stringify({ version: 1, activeKeyId: 'a', keys: { a: good } })],
    ['an unknown field', JSON.stringify({ version: 1, activeKeyId: 'a', keys: { a: good }, macKey: good, more: 1 })],
  ])('is refused with %s, and its content is not echoed', async (_, content) => {
    path = join(directory, `${randomUUID()}.key`);
    await writeFile(path, content, { mode: 0o600 });
    const error = await Keyring.load(path).catch((caught: unknown) => caught);
    expect(String(error)).toContain('is no key file');
    expect(String(error)).not.toMatch(/hunter2|aHVudGVyMg/);
  });

  it('says which file is missing', async () => {
    await expect(Keyring.load(path)).rejects.toThrow(`The key file ${path} cannot be read (ENOENT)`);
  });
});

describe('the keyring', () => {
  it('unwraps what it wrapped, in its place alone', async () => {
    const keyring = await newKeyring();
    const wrapped = keyring.wrap(Buffer.from('data key'), 'here');
    expect(wrapped).toMatch(new RegExp(`^v1\\.${keyring.activeKeyId}\\.`));
    expect((await keyring.unwrap(wrapped, 'here')).toString()).toBe('data key');
    await expect(keyring.unwrap(wrapped, 'there')).rejects.toThrow('does not open');
    await expect(keyring.unwrap(wrapped.slice(0, -2), 'here')).rejects.toThrow('does not open');
  });

  it('makes macs that differ by label and by where a part ends', async () => {
    const keyring = await newKeyring();
    expect(keyring.mac('a', 'x', 'y')).toEqual(keyring.mac('a', Buffer.from('x'), 'y'));
    expect(keyring.mac('a', 'x', 'y')).toHaveLength(32);
    const others = [
      keyring.mac('b', 'x', 'y'),
      keyring.mac('a', 'xy'),
      keyring.mac('a', 'xy', ''),
      (await newKeyring()).mac('a', 'x', 'y'),
    ];
    for (const other of others) expect(other).not.toEqual(keyring.mac('a', 'x', 'y'));
  });
});

describeEachDatabase('whose keys they are', (open) => {
  it('takes the first key file and refuses every other, writing nothing', async () => {
    const { database, statements } = await open({ migrated: false });
    const [ours, theirs] = [await newKeyring(), await newKeyring()];
    await verifyKeyring(database, ours);
    await migrateToLatest(database);
    await verifyKeyring(database, ours);
    await verifyKeyring(database, ours);
    const before = await database.query.selectFrom('settings').selectAll().execute();
    expect(before.map((row) => row.key)).toEqual(['keyring_check']);
    statements.length = 0;
    await expect(verifyKeyring(database, theirs)).rejects.toThrow('the key file does not belong to this database');
    expect(statements.filter((sql) => !/^(select|with)\b/.test(sql))).toEqual([]);
    expect(await database.query.selectFrom('settings').selectAll().execute()).toEqual(before);
  });

  it('refuses a file with the right keys but another mac key', async () => {
    const { database } = await open();
    const directory = await mkdtemp(join(tmpdir(), 'gateway-key-file-'));
    const path = join(directory, 'master.key');
    await createKeyFile(path);
    await verifyKeyring(database, await Keyring.load(path));
    const file = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...file, macKey: Buffer.alloc(32, 1).toString('base64') }));
    await expect(verifyKeyring(database, await Keyring.load(path))).rejects.toThrow('does not belong to this database');
    await rm(directory, { recursive: true });
  });

  it('does not adopt a database that has sealed things already', async () => {
    const { database } = await open();
    const environment = { id: 'e1', name: 'one', created_at: '', updated_at: '', created_by: '' };
    await database.change(async (change) => {
      await change.query.insertInto('environments').values(environment).execute();
      await new Sealer(database, await newKeyring()).createDataKey(change, 'e1');
    });
    await expect(verifyKeyring(database, await newKeyring())).rejects.toThrow('does not belong to this database');
    expect(await database.query.selectFrom('settings').selectAll().execute()).toEqual([]);
  });

  it('lets one of two first starts win', async () => {
    const { database } = await open();
    const keyrings = await Promise.all([newKeyring(), newKeyring(), newKeyring()]);
    const results = await Promise.allSettled(keyrings.map((keyring) => verifyKeyring(database, keyring)));
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
  });
});
