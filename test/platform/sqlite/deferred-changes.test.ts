import { copyFile, readFile, rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  Database,
  type DatabaseOptions,
  DatabaseUnavailableError,
  isForeignKeyViolation,
  isUniqueViolation,
} from '../../../src/platform/database/database.ts';
import { verifyJournal } from '../../../src/platform/journal/journal.ts';
import type { Keyring } from '../../../src/platform/keys/keyring.ts';
import { SqliteFile } from '../../../src/platform/sqlite/file.ts';
import { storeGroup } from '../../../src/platform/sqlite/thread-group.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { newTestDatabase } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { newKeyring } from '../../support/keys.ts';
import { LinkedChanges, NotAsReadError } from '../../support/linked-changes.ts';
import { breakSqlite } from '../../support/sqlite-faults.ts';
import { countRuns } from '../../support/sqlite-runs.ts';

const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** The threads that were started since. */
function watchThreads(): Worker[] {
  const threads: Worker[] = [];
  const add = (thread: Worker) => threads.push(thread);
  process.on('worker', add);
  endings.push(() => process.off('worker', add));
  return threads;
}

describe('changes of SQLite that wait for no answer', () => {
  let keyring: Keyring;
  let database: Database;
  let changes: LinkedChanges;
  let url: string;
  let path: string;
  let threads: Worker[];
  const threadEnds: unknown[] = [];

  const open = async (options: Partial<DatabaseOptions> = {}) => {
    const opened = await Database.open({ url, doorbell: new LocalDoorbell(), ...options });
    endings.push(() => opened.close());
    return opened;
  };

  beforeEach(async () => {
    threads = watchThreads();
    threadEnds.length = 0;
    keyring = await newKeyring();
    const made = await newTestDatabase('sqlite');
    url = made.url;
    path = url.slice('sqlite:'.length);
    endings.push(made.remove);
    database = await open({ onThreadEnd: (error) => threadEnds.push(error) });
    changes = new LinkedChanges(database, keyring);
  });

  let count = 0;
  /** Changes several settings at once, until that goes by the thread. */
  const useThread = async () => {
    const here = countRuns('commit');
    await eventually(async () => {
      const before = here.runs();
      count += 1;
      await Promise.all([changes.insert(`warm-${count}-a`), changes.insert(`warm-${count}-b`)]);
      return here.runs() === before;
    });
    here.restore();
  };
  const valuesOf = async (from = database) => {
    const rows = await from.query
      .selectFrom('settings')
      .selectAll()
      .where('key', 'like', 'k-%')
      .orderBy('key')
      .execute();
    return rows.map(({ key, value }) => `${key}=${value}`);
  };
  const verified = (chain = 'e') => verifyJournal(database.query, keyring, chain);
  const keys = Array.from({ length: 30 }, (_, at) => `k-${String(at).padStart(2, '0')}`);

  it('are stored by a thread, and are there for every read that comes after', async () => {
    await useThread();
    const here = countRuns('commit');
    endings.push(here.restore);
    const seen = await Promise.all(
      keys.map(async (key) => {
        await changes.insert(key, 'mine');
        const row = await database.query.selectFrom('settings').select('value').where('key', '=', key).execute();
        return row[0]?.value;
      }),
    );
    expect(seen).toEqual(keys.map(() => 'mine'));
    expect(here.runs()).toBe(0);
    expect(threads.length).toBe(1);
    expect((await verified()).brokenAt).toBeNull();
  });

  it('have their places in the journal in the order of asking, whatever chains they belong to', async () => {
    await useThread();
    const { intact } = await verified();
    const places = await Promise.all(keys.map((key, at) => changes.insert(key, 'new', at % 3 === 0 ? 'other' : 'e')));
    const sequences = (isOther: boolean) =>
      places.flatMap(({ sequence }, at) => ((at % 3 === 0) === isOther ? [sequence] : []));
    expect(sequences(true)).toEqual(Array.from({ length: 10 }, (_, at) => at + 1));
    expect(sequences(false)).toEqual(Array.from({ length: 20 }, (_, at) => intact + at + 1));
    expect([await verified('other'), await verified()]).toEqual([
      { intact: 10, brokenAt: null },
      { intact: intact + 20, brokenAt: null },
    ]);
  });

  it('fail each by itself, with its own reason', async () => {
    await Promise.all(keys.map((key) => changes.insert(key, '0')));
    await useThread();
    const outcomes = await Promise.allSettled([
      ...keys.map((key, at) => changes.update({ key, from: at % 5 === 2 ? 'another' : '0', to: '1' })),
      changes.insert('k-00'),
      changes.insert('k-new'),
    ]);
    const refused = outcomes.flatMap((one, at) => (one.status === 'rejected' ? [[at, one.reason] as const] : []));
    expect(refused.map(([at]) => at)).toEqual([2, 7, 12, 17, 22, 27, 30]);
    for (const [at, reason] of refused.slice(0, -1)) expect(reason).toEqual(new NotAsReadError(keys[at]));
    expect(isUniqueViolation(refused.at(-1)?.[1], 'key')).toBe(true);
    expect(await valuesOf()).toEqual([...keys.map((key, at) => `${key}=${at % 5 === 2 ? 0 : 1}`), 'k-new=new']);
    expect((await verified()).brokenAt).toBeNull();
    expect(threadEnds).toEqual([]);
  });

  it('of the same row find what those before them have stored', async () => {
    await changes.insert('k-hot', '0');
    await useThread();
    const outcomes = await Promise.allSettled(keys.map((to) => changes.update({ key: 'k-hot', from: '0', to })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    for (const one of outcomes) if (one.status === 'rejected') expect(one.reason).toEqual(new NotAsReadError('k-hot'));
    expect((await verified()).brokenAt).toBeNull();
  });

  it('fail alone by a constraint that COMMIT judges', async () => {
    await sql`create table named (id text primary key)`.execute(database.query);
    await sql`create table naming (name text references named (id) deferrable initially deferred)`.execute(
      database.query,
    );
    await sql`create trigger names after insert on settings when new.value = 'nobody'
      begin insert into naming values (new.value); end`.execute(database.query);
    await useThread();
    const outcomes = await Promise.allSettled([
      ...keys.map((key) => changes.insert(key)),
      changes.insert('k-nobody', 'nobody'),
    ]);
    const [refused, ...others] = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused?.status === 'rejected' && isForeignKeyViolation(refused.reason)).toBe(true);
    expect(others).toEqual([]);
    expect(await valuesOf()).toEqual(keys.map((key) => `${key}=new`));
    expect((await verified()).brokenAt).toBeNull();
  });

  it('say whether they have written a row', async () => {
    await changes.insert('k-1');
    await useThread();
    expect(await Promise.all([changes.delete('k-1'), changes.delete('k-2')])).toEqual([true, false]);
    expect(await changes.delete('k-1')).toBe(false);
  });

  it('take turns with those that wait for answers', async () => {
    await useThread();
    const waits = (key: string) =>
      database.change(async ({ query }) => {
        const { rows } = await sql<{ count: number }>`select count(*) as count from settings`.execute(query);
        await query.insertInto('settings').values({ key, value: 'waited' }).execute();
        return rows[0]?.count ?? 0;
      });
    const mixed = keys.map((key, at) => (at % 3 === 0 ? waits(key) : changes.insert(key)));
    await Promise.all([...mixed, ...keys.slice(0, 3).map((key) => changes.insert(`${key}-more`))]);
    expect((await valuesOf()).length).toBe(33);
    expect((await verified()).brokenAt).toBeNull();
  });

  it('are stored by the writer when they turn out to wait for an answer', async () => {
    await useThread();
    const { intact } = await verified();
    const seen = await Promise.all(
      keys.map((key) =>
        database.change(async (change) => {
          await new LinkedChanges({ change: (work: (change: unknown) => unknown) => work(change) } as never, keyring)
            // within this change instead of one of its own
            .insert(key);
          const rows = await change.query.selectFrom('settings').select('key').where('key', '=', key).execute();
          return rows.length;
        }),
      ),
    );
    expect(seen).toEqual(keys.map(() => 1));
    expect(await verified()).toEqual({ intact: intact + 30, brokenAt: null });
  });

  it('go on where a command beside the gateway has made their chain longer', async () => {
    const other = await open();
    const others = new LinkedChanges(other, keyring);
    await useThread();
    const { intact } = await verified();
    for (const [at, key] of keys.entries())
      await Promise.all([changes.insert(`${key}-a`), changes.insert(`${key}-b`), at % 2 === 0 && others.insert(key)]);
    expect((await valuesOf()).length).toBe(75);
    expect(await verified()).toEqual({ intact: intact + 75, brokenAt: null });
  });

  it('wait for the lock of another process, which does not hold the event loop', async () => {
    await useThread();
    const other = new Sqlite(path);
    endings.push(() => other.close());
    other.exec('begin immediate');
    const stored = Promise.all(keys.map((key) => changes.insert(key)));
    for (let turns = 0; turns < 20; turns += 1) await sleep(5);
    expect(await valuesOf()).toEqual([]);
    other.exec('rollback');
    await stored;
    expect((await valuesOf()).length).toBe(30);
  });

  it('are unavailable when that lock is held for longer, and go on after it', async () => {
    await useThread();
    const other = new Sqlite(path);
    endings.push(() => other.close());
    other.exec('begin immediate');
    const outcomes = await Promise.allSettled(keys.map((key) => changes.insert(key)));
    for (const one of outcomes)
      expect(one).toMatchObject({ status: 'rejected', reason: { cause: { code: 'SQLITE_BUSY' } } });
    other.exec('rollback');
    await Promise.all(keys.map((key) => changes.insert(key)));
    expect((await valuesOf()).length).toBe(30);
    expect((await verified()).brokenAt).toBeNull();
    expect(threadEnds).toEqual([]);
  });

  it('that a thread has when it dies are unavailable, and later ones are stored without it', async () => {
    await useThread();
    const other = new Sqlite(path);
    endings.push(() => other.close());
    // until then the thread waits in the middle of the group
    other.exec('begin immediate');
    const outcomes = Promise.allSettled(keys.map((key) => changes.insert(key)));
    await sleep(20);
    const ended = threads[0]?.terminate();
    await sleep(20);
    other.exec('rollback');
    await ended;
    const [lost, stored] = [[] as unknown[], [] as string[]];
    for (const [at, one] of (await outcomes).entries()) {
      if (one.status === 'fulfilled') stored.push(`${keys[at]}=new`);
      else lost.push(one.reason);
    }
    expect(lost.length).toBeGreaterThan(0);
    for (const reason of lost) expect(reason).toBeInstanceOf(DatabaseUnavailableError);
    expect(threadEnds.length).toBe(1);
    const found = await valuesOf();
    for (const one of stored) expect(found).toContain(one);
    await Promise.all(keys.map((key) => changes.insert(`${key}-later`)));
    expect((await valuesOf()).length).toBe(found.length + 30);
    expect((await verified()).brokenAt).toBeNull();
  });

  it('that wait for their turn while the thread dies are stored without it', async () => {
    await useThread();
    const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const held = database.change(async ({ query }) => {
      await query.insertInto('settings').values({ key: 'turn', value: 'taken' }).execute();
      begun.resolve();
      await over.promise;
    });
    await begun.promise;
    const stored = Promise.all(keys.map((key) => changes.insert(key)));
    await sleep(20);
    await threads[0]?.terminate();
    over.resolve();
    await Promise.all([held, stored]);
    expect(await valuesOf()).toEqual(keys.map((key) => `${key}=new`));
    expect((await verified()).brokenAt).toBeNull();
  });

  it('are stored without a thread where none can be started', async () => {
    const end = (thread: Worker) => void thread.terminate();
    process.on('worker', end);
    endings.push(() => process.off('worker', end));
    for (let round = 0; threadEnds.length === 0; round += 1)
      await Promise.all(keys.map((key) => changes.insert(`${key}-${round}`)));
    await Promise.all(keys.map((key) => changes.insert(key)));
    expect(threads.length).toBe(1);
    expect((await verified()).brokenAt).toBeNull();
  });

  it('are stored in the file that was opened, not in one that has taken its place', async () => {
    const { url: otherUrl, remove } = await newTestDatabase('sqlite');
    endings.push(remove);
    const other = otherUrl.slice('sqlite:'.length);
    await rename(path, `${path}.before`);
    await copyFile(other, path);
    for (let round = 0; threadEnds.length === 0; round += 1)
      await Promise.all(keys.map((key) => changes.insert(`${key}-${round}`)));
    expect(threadEnds).toMatchObject([{ cause: { message: expect.stringContaining('replaced') } }]);
    await Promise.all(keys.map((key) => changes.insert(key)));
    expect((await valuesOf()).length).toBeGreaterThanOrEqual(30);
    expect((await readFile(path)).equals(await readFile(other))).toBe(true);
  });

  it('are stored before the database closes', async () => {
    await useThread();
    const { intact } = await verified();
    const stored = Promise.all(keys.map((key) => changes.insert(key)));
    await database.close();
    await stored;
    database = await open();
    expect((await valuesOf()).length).toBe(30);
    expect(await verified()).toEqual({ intact: intact + 30, brokenAt: null });
  });

  it('start no thread one by one, but where the disk takes long for a COMMIT', async () => {
    for (const key of keys.slice(0, 10)) await changes.insert(key);
    expect(threads).toEqual([]);
    const slow = countRuns('commit', () => {
      for (const end = performance.now() + 3; performance.now() < end; );
    });
    endings.push(slow.restore);
    await eventually(async () => {
      const before = slow.runs();
      count += 1;
      await changes.insert(`slow-${count}`);
      return slow.runs() === before;
    });
    expect(threads.length).toBe(1);
    expect((await verified()).brokenAt).toBeNull();
  });
});

describe('a group in a thread', () => {
  it('is stored as a whole or not at all, whatever SQLite refuses', async () => {
    const { url, remove } = await newTestDatabase('sqlite');
    endings.push(remove);
    const handle = new Sqlite(url.slice('sqlite:'.length));
    const file = new SqliteFile(handle);
    endings.push(() => file.close());
    const group = {
      texts: ['insert into settings (key, value) values (?, ?)', 'update settings set value = ? where key = ?'],
      steps: [
        [0, ['k-1', '1'], false],
        [0, ['k-2', '1'], false],
        [1, ['2', 'k-1'], true],
      ],
    } as const;
    const faults = breakSqlite();
    endings.push(faults.restore);
    const keys = () => handle.prepare(`select key, value from settings where key like 'k-%'`).raw().all();
    for (const [write, step] of [0, 1, 2, 3].entries()) {
      faults.failAt(write + 1, 20);
      expect(storeGroup(file, group)).toMatchObject({ isStored: false, step, code: 'SQLITE_FULL' });
      await sleep(40);
      expect(keys()).toEqual([]);
    }
    const missing = { ...group, steps: [...group.steps, [1, ['2', 'k-3'], true] as const] };
    expect(storeGroup(file, missing)).toMatchObject({ isStored: false, step: 3, code: '' });
    expect(keys()).toEqual([]);
    expect(storeGroup(file, group)).toMatchObject({ isStored: true, counts: [1, 1, 1] });
    expect(keys()).toEqual([
      ['k-1', '2'],
      ['k-2', '1'],
    ]);
  });
});
