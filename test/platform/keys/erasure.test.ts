import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { sql } from 'kysely';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Database, openDoorbell } from '../../../src/platform/database/database.ts';
import { migrateToLatest, vacuumOnce } from '../../../src/platform/database/migrate.ts';
import { eventually } from '../../support/eventually.ts';

const FOUND = 'sealed-bytes-of-what-was-deleted';
const ROWS = 200;

afterEach(() => {
  vi.useRealTimers();
});

async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-erasure-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'gateway.db');
}

async function open(path: string): Promise<Database> {
  const url = `sqlite:${path}`;
  const database = await Database.open({ url, doorbell: await openDoorbell(url) });
  onTestFinished(() => database.close());
  await migrateToLatest(database);
  return database;
}

/** How often the text stands in the database's files. */
function found(path: string): number {
  const files = [path, `${path}-wal`].filter((file) => existsSync(file));
  return files.reduce((count, file) => count + readFileSync(file, 'latin1').split(FOUND).length - 1, 0);
}

const rows = Array.from({ length: ROWS }, (_, index) => ({
  key: `row ${index}`,
  value: `${FOUND} ${'x'.repeat(index * 20)}`,
}));

const write = (database: Database) =>
  database.change(async ({ query }) => {
    for (const row of rows) await query.insertInto('settings').values(row).execute();
  });

const erase = (database: Database) =>
  database.change(async ({ query, erases }) => {
    await query.deleteFrom('settings').where('key', 'like', 'row %').execute();
    erases();
  });

describe('what is deleted from a SQLite file', () => {
  test('leaves the file and its log soon, with all other erasures of that time at once', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const path = await newPath();
    const database = await open(path);
    await write(database);
    expect(found(path)).toBeGreaterThanOrEqual(ROWS);
    await erase(database);
    // the log still has the pages as they were before
    expect(found(path)).toBeGreaterThanOrEqual(ROWS);
    await write(database);
    await erase(database);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    vi.useRealTimers();
    await eventually(() => found(path) === 0);
  });

  test('leaves them later when another process reads meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const path = await newPath();
    const database = await open(path);
    await write(database);
    const other = new Sqlite(path, { readonly: true });
    onTestFinished(() => void other.close());
    other.exec('begin');
    expect(other.prepare('select count(*) as n from settings').get()).toMatchObject({ n: expect.any(Number) });
    await erase(database);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(found(path)).toBeGreaterThanOrEqual(ROWS);
    other.exec('commit');
    await vi.advanceTimersByTimeAsync(2_000);
    vi.useRealTimers();
    await eventually(() => found(path) === 0);
  });

  test('leaves them when the database is closed, be it open elsewhere', async () => {
    const path = await newPath();
    const database = await open(path);
    const other = await open(path);
    await write(database);
    await erase(database);
    await database.close();
    expect(found(path)).toBe(0);
    expect(await other.query.selectFrom('settings').select('key').execute()).toEqual([]);
  });

  test('is overwritten over each connection', async () => {
    const database = await open(await newPath());
    const reader = await sql<{ secure_delete: number }>`select secure_delete from pragma_secure_delete`.execute(
      database.query,
    );
    const writer = await database.change(({ query }) =>
      sql<{ secure_delete: number }>`select secure_delete from pragma_secure_delete`.execute(query),
    );
    expect([reader.rows, writer.rows]).toEqual([[{ secure_delete: 1 }], [{ secure_delete: 1 }]]);
  });
});

describe('what an older version has deleted', () => {
  test('is taken out of the file once, when it is first opened', async () => {
    const path = await newPath();
    await (await open(path)).close();
    const older = new Sqlite(path);
    older.pragma('secure_delete = OFF');
    const insert = older.prepare('insert into settings (key, value) values (?, ?)');
    for (const { key, value } of rows) insert.run(key, value);
    older.exec('delete from settings');
    older.close();
    expect(found(path)).toBeGreaterThan(ROWS / 2);

    const database = await open(path);
    await vacuumOnce(database);
    expect(found(path)).toBe(0);
    const settings = await database.query.selectFrom('settings').selectAll().execute();
    expect(settings).toEqual([{ key: 'vacuumed_at', value: expect.stringMatching(/^20\d\d-/) }]);
    await vacuumOnce(database);
    expect(await database.query.selectFrom('settings').selectAll().execute()).toEqual(settings);
  });
});
