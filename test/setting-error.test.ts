import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { App, type AppOptions } from '../src/app.ts';
import { Database, DatabaseUnavailableError, shownDatabaseUrl } from '../src/platform/database/database.ts';
import { migrateToLatest } from '../src/platform/database/migrate.ts';
import { createKeyFile } from '../src/platform/keys/key-file.ts';
import { LocalDoorbell } from '../src/platform/streams/doorbell.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';
import { type Setting, withSetting } from '../src/setting-error.ts';
import { newTestDatabase } from './support/databases.ts';
import { closedPort } from './support/peers/tarpit.ts';

const failing = (code: string, message = code) => Object.assign(new Error(message), { code });
const said = (setting: Setting, error: unknown): Promise<unknown> =>
  withSetting(setting, () => Promise.reject(error)).catch((thrown: unknown) => thrown);

describe('a system error names the variable, its value, and what to do', () => {
  const key = { variable: 'KEY_FILE', value: '/etc/gateway/master.key' } as const;
  const database = { variable: 'DATABASE_URL', value: 'postgres://gateway@db:5432/gateway' } as const;
  const file = { variable: 'DATABASE_URL', value: 'sqlite:/var/lib/gateway.db' } as const;

  test.each<[Setting, string, RegExp]>([
    ...['EACCES', 'EPERM'].map((code): [Setting, string, RegExp] => [key, code, /may not read or write there/]),
    [key, 'EROFS', /disk is read-only/],
    [key, 'ENOENT', /no such file/],
    [key, 'ENOTDIR', /is a file, no folder/],
    [key, 'EEXIST', /is a file, no folder/],
    [key, 'EISDIR', /A folder is there/],
    [key, 'ENOSPC', /disk is full/],
    [file, 'EACCES', /may not read or write there/],
    [file, 'EROFS', /disk is read-only/],
    [file, 'SQLITE_CANTOPEN', /cannot be opened/],
    [file, 'SQLITE_READONLY_DIRECTORY', /read-only/],
    [file, 'SQLITE_HELD', /Another gateway serves this file.*Stop it/],
    [file, 'SQLITE_NOTADB', /no SQLite database/],
    [database, 'ECONNREFUSED', /Nothing listens there. Start the database/],
    [database, 'ENOTFOUND', /does not resolve/],
    [database, 'ETIMEDOUT', /Nothing answers there/],
    [database, '28P01', /password is wrong/],
    [database, '3D000', /no such database/],
    [database, '42501', /Grant it/],
    [database, 'DEPTH_ZERO_SELF_SIGNED_CERT', /certificate is not trusted/],
    [{ variable: 'PORT', value: '4000' }, 'EADDRINUSE', /Set PORT to another one/],
    [{ variable: 'PORT', value: '80' }, 'EACCES', /Set PORT to one above 1023/],
    [{ variable: 'HOST', value: '192.0.2.1' }, 'EADDRNOTAVAIL', /Set HOST to one of its own/],
    [{ variable: 'HOST', value: 'gateway.example' }, 'ENOTFOUND', /Set HOST to an address/],
  ])('%o %s', async (setting, code, mend) => {
    const raw = failing(code, `${code}: permission denied, open '/etc/gateway/master.key.0fa3.tmp'`);
    for (const error of [raw, new DatabaseUnavailableError(raw)]) {
      const { message, cause } = (await said(setting, error)) as Error;
      expect(message).toMatch(new RegExp(`^${setting.variable}=`));
      expect(message).toContain(`=${setting.value}: `);
      expect(message).toMatch(mend);
      expect(message).toContain(`(${code})`);
      expect(message).not.toContain('.tmp');
      expect(cause).toBe(error);
    }
  });

  test.each([
    ['timeout expired', /Nothing answers/],
    ['The server does not support SSL connections', /no TLS/],
    ['SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string', /asks for a password/],
    ['The Postgres database must have the encoding UTF8', /encoding/],
  ])('the driver’s own words do too: %s', async (words, mend) => {
    const { message } = (await said(database, new Error(words))) as Error;
    expect(message).toMatch(/^DATABASE_URL=postgres:\/\/gateway@db:5432\/gateway: /);
    expect(message).toMatch(mend);
  });

  test('what has nothing to do with the setting stays as it is', async () => {
    for (const error of [failing('23505'), new Error('no idea'), failing('ERR_ASSERTION')])
      expect(await said(database, error)).toBe(error);
    expect(await said({ variable: 'HOST', value: 'x' }, failing('EADDRINUSE'))).toMatchObject({ code: 'EADDRINUSE' });
  });
});

test.each([
  ['postgres://gateway:hunter2@db:5432/gateway?password=hunter2&sslmode=require', 'postgres://gateway@db:5432/gateway'],
  ['postgres://gateway:hun/ter2@db/gateway', 'postgres://…'],
  ['sqlite:./data/gateway.db', 'sqlite:./data/gateway.db'],
])('%s is shown without what is secret', (url, shown) => expect(shownDatabaseUrl(url)).toBe(shown));

describe('a gateway that cannot start', () => {
  let folder = '';
  let keyFile = '';
  const open = (options: Partial<AppOptions>) =>
    App.open({
      host: '127.0.0.1',
      port: 0,
      databaseUrl: 'sqlite::memory:',
      keyFile,
      bootstrap: true,
      egressAllow: [],
      graphiql: 'off',
      logger: createLogger({ level: 'silent' }),
      ...options,
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gateway-setting-'));
    keyFile = join(folder, 'master.key');
    await createKeyFile(keyFile);
    await mkdir(join(folder, 'folder'), { mode: 0o700 });
    await writeFile(join(folder, 'text'), 'no key\n', { mode: 0o600 });
    await writeFile(join(folder, 'open'), 'no key\n', { mode: 0o644 });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    [
      'a key file below a file',
      () => ({ keyFile: join(keyFile, 'master.key') }),
      /^KEY_FILE=.*no folder.*\(ENOTDIR\)$/,
    ],
    ['a key file that is a folder', () => ({ keyFile: join(folder, 'folder') }), /^KEY_FILE=.*: A folder is there/],
    // "chmod 600" would take it away from everybody
    ['a key file that is a folder of all', () => ({ keyFile: tmpdir() }), /^KEY_FILE=.*: A folder is there/],
    ['a key file that is none', () => ({ keyFile: join(folder, 'text') }), /^KEY_FILE=.*is no key file/],
    ['a key file that all may read', () => ({ keyFile: join(folder, 'open') }), /^KEY_FILE=.*chmod 600/],
    ['a database below a file', () => ({ databaseUrl: `sqlite:${keyFile}/x.db` }), /^DATABASE_URL=sqlite:.*no folder/],
    ['a database that is a folder', () => ({ databaseUrl: `sqlite:${folder}/folder` }), /^DATABASE_URL=.*A folder is/],
    ['a database that is none', () => ({ databaseUrl: `sqlite:${keyFile}` }), /^DATABASE_URL=.*no SQLite database/],
  ])('%s', async (_title, options, expected) => {
    await expect(open(options())).rejects.toThrow(expected);
  });

  test('a database that is not there', async () => {
    const databaseUrl = `postgres://gateway:hunter2@127.0.0.1:${await closedPort()}/gateway`;
    const error = await open({ databaseUrl }).catch((thrown: unknown) => thrown as Error);
    expect(String(error)).toMatch(/DATABASE_URL=postgres:\/\/gateway@127\.0\.0\.1:\d+\/gateway: Nothing listens there/);
    expect(String(error)).not.toContain('hunter2');
  });

  describe.each(['sqlite', 'postgres'] as const)('an expected database that is empty: %s', (kind) => {
    test('nothing is made until "migrate" makes it', async () => {
      const { url, remove } = await newTestDatabase(kind, false);
      onTestFinished(async () => void (await remove()));
      const path = url.slice('sqlite:'.length);
      const refused = () =>
        expect(open({ databaseUrl: url, databaseMustExist: true })).rejects.toThrow(
          /^DATABASE_URL=.*: No gateway has a database there.*"datastore-gateway migrate".*\(NO_TABLES\)$/,
        );
      await refused();
      if (kind === 'sqlite') {
        expect(existsSync(path)).toBe(false);
        // as a disk that was full left it
        await writeFile(path, '', { mode: 0o600 });
        await refused();
      }
      const doorbell = new LocalDoorbell();
      const database = await Database.open({ url, doorbell });
      expect(await database.query.introspection.getTables({ withInternalKyselyTables: true })).toEqual([]);
      await migrateToLatest(database);
      await database.close();
      const app = await open({ databaseUrl: url, databaseMustExist: true });
      await app.close();
    });
  });

  test('a port that is taken, a host that is another machine’s', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    for (const [options, expected] of [
      [{ port }, new RegExp(`^PORT=${port}: The port is taken. Set PORT`)],
      [{ host: '192.0.2.1' }, /^HOST=192\.0\.2\.1: This machine does not have that address/],
    ] as const) {
      const app = await open(options);
      await expect(app.listen()).rejects.toThrow(expected);
      await app.close();
    }
    server.close();
  });
});
