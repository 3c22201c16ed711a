import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Change,
  Database,
  isForeignKeyViolation,
  isUniqueViolation,
  parseDatabaseUrl,
} from '../../../src/platform/database/database.ts';
import { migrateToLatest } from '../../../src/platform/database/migrate.ts';
import { PreparedStatements } from '../../../src/platform/database/prepared-statements.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { describeEachDatabase, type TestDatabase } from '../../support/databases.ts';

interface Setting {
  readonly key: string;
  readonly value: string;
}
const kept = new PreparedStatements<Setting>();

async function putKept(database: Pick<Change, 'kind' | 'query'>, setting: Setting): Promise<void> {
  const insert = (place: <Value>(of: (values: Setting) => Value) => Value) =>
    database.query.insertInto('settings').values({ key: place(({ key }) => key), value: place(({ value }) => value) });
  await kept.run(database, 'put', insert, setting);
}

async function readKept(database: Pick<Database, 'kind' | 'query'>, key: string): Promise<string | undefined> {
  const { rows } = await kept.run(
    database,
    'read',
    (place) =>
      database.query
        .selectFrom('settings')
        .select('value')
        .where(
          'key',
          '=',
          place((values) => values.key),
        ),
    { key, value: '' },
  );
  return rows[0]?.value;
}

describeEachDatabase('the database', (open) => {
  let opened: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    opened = await open();
    database = opened.database;
  });

  it('stores a change and gives back what the work returned', async () => {
    const result = await database.change(async (change) => {
      await change.query.insertInto('settings').values({ key: 'stored', value: '1' }).execute();
      return 'done';
    });
    expect(result).toBe('done');
    expect(await settingOf(database, 'stored')).toBe('1');
  });

  it('stores nothing of a change that throws, and passes the error on', async () => {
    const failed = database.change(async (change) => {
      await change.query.insertInto('settings').values({ key: 'undone', value: '1' }).execute();
      throw new Error('changed its mind');
    });
    await expect(failed).rejects.toThrow('changed its mind');
    expect(await settingOf(database, 'undone')).toBeUndefined();
  });

  it('shows readers nothing of a change that is not stored yet, and does not make them wait', async () => {
    const gate = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const change = database.change(async ({ query }) => {
      await query.insertInto('settings').values({ key: 'half', value: '1' }).execute();
      written.resolve();
      await gate.promise;
    });
    await written.promise;
    expect(await settingOf(database, 'half')).toBeUndefined();
    gate.resolve();
    await change;
    expect(await settingOf(database, 'half')).toBe('1');
  });

  it('runs kept statements as others: each change sees its own, and nobody else’s before it is stored', async () => {
    const gate = Promise.withResolvers<void>();
    const written = Promise.withResolvers<Change>();
    const running = database.change(async (change) => {
      await putKept(change, { key: 'kept', value: '1' });
      expect(await readKept(change, 'kept')).toBe('1');
      expect(await putKept(change, { key: 'kept', value: '2' }).catch(isUniqueViolation)).toBe(true);
      written.resolve(change);
      await gate.promise;
    });
    // Postgres takes nothing more of a change after a statement that failed
    const expected = database.kind === 'sqlite' ? '1' : undefined;
    const change = await written.promise;
    expect(await readKept(database, 'kept')).toBeUndefined();
    gate.resolve();
    await running.catch((error: unknown) => expect(database.kind, String(error)).toBe('postgres'));
    expect(await readKept(database, 'kept')).toBe(expected);
    await expect(putKept(change, { key: 'late', value: '1' })).rejects.toThrow();
    await expect(database.change(() => readKept(database, 'kept'))).rejects.toThrow(/^Inside of a change/);
  });

  it('keeps single writes out of a change that runs', async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const failed = database.change(async ({ query }) => {
      await query.insertInto('settings').values({ key: 'a', value: 'change' }).execute();
      started.resolve();
      await gate.promise;
      throw new Error('rolled back');
    });
    await started.promise;
    const single = database.query.insertInto('settings').values({ key: 'b', value: 'single' }).execute();
    await turn();
    gate.resolve();
    await expect(failed).rejects.toThrow('rolled back');
    await single;
    expect(await settingOf(database, 'a')).toBeUndefined();
    expect(await settingOf(database, 'b')).toBe('single');
  });

  it('runs 40 changes of one row without losing one', async () => {
    await database.query.insertInto('settings').values({ key: 'count', value: '0' }).execute();
    const increment = () =>
      database.change(async ({ query }) => {
        await query
          .updateTable('settings')
          .set({ value: sql`cast(cast(value as integer) + 1 as text)` })
          .where('key', '=', 'count')
          .execute();
      });
    await Promise.all(Array.from({ length: 40 }, increment));
    expect(await settingOf(database, 'count')).toBe('40');
  });

  it('refuses to be asked past a change from inside of it, instead of waiting for ever', async () => {
    const read = database.change(() => settingOf(database, 'x'));
    await expect(read).rejects.toThrow('Inside of a change use its own query');
    const nested = database.change(() => database.change(async () => undefined));
    await expect(nested).rejects.toThrow('Inside of a change use its own query');
    const gate = Promise.withResolvers<void>();
    const startInside = async () => {
      await gate.promise;
      return settingOf(database, 'stored');
    };
    // what was started inside but asks afterwards may
    const { behind } = await database.change(async () => ({ behind: startInside() }));
    gate.resolve();
    expect(await behind).toBe('1');
  });

  it('rings after the commit, each topic once, and not at all when nothing is stored', async () => {
    const rung: string[] = [];
    const seen: (string | undefined)[] = [];
    const first = Promise.withResolvers<void>();
    opened.doorbell.on('topic', () => {
      rung.push('topic');
      first.resolve(settingOf(database, 'rings').then((value) => void seen.push(value)));
    });
    await expect(
      database.change(async (change) => {
        change.ring('topic');
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await database.change(async (change) => {
      change.ring('topic');
      change.ring('topic');
      await change.query.insertInto('settings').values({ key: 'rings', value: '1' }).execute();
      await turn();
      expect(rung).toEqual([]);
    });
    await first.promise;
    expect(rung).toEqual(['topic']);
    expect(seen).toEqual(['1']);
  });

  it('counts statements', async () => {
    opened.statements.length = 0;
    await database.change(async ({ query }) => {
      await query.selectFrom('settings').selectAll().execute();
    });
    await settingOf(database, 'x');
    expect(opened.statements).toHaveLength(2);
    expect(opened.statements[0]).toBe('select * from "settings"');
  });

  it('tells which rule a row breaks', async () => {
    const environment = { id: 'e1', name: 'one', created_at: '', updated_at: '', created_by: '' };
    await database.query.insertInto('environments').values(environment).execute();
    const sameName = await failure(
      database.query
        .insertInto('environments')
        .values({ ...environment, id: 'e2' })
        .execute(),
    );
    expect(isUniqueViolation(sameName)).toBe(true);
    expect(isUniqueViolation(sameName, 'name')).toBe(true);
    expect(isUniqueViolation(sameName, 'environments.name')).toBe(true);
    expect(isUniqueViolation(sameName, 'id')).toBe(false);
    expect(isForeignKeyViolation(sameName)).toBe(false);
    const sameId = await failure(
      database.query
        .insertInto('environments')
        .values({ ...environment, name: 'two' })
        .execute(),
    );
    expect(isUniqueViolation(sameId, 'id')).toBe(true);
    expect(isUniqueViolation(sameId, 'name')).toBe(false);
    await database.query.insertInto('datastores').values(datastore('d1', 'a')).execute();
    const samePair = await failure(database.query.insertInto('datastores').values(datastore('d2', 'a')).execute());
    expect(isUniqueViolation(samePair, ['environment_id', 'name'])).toBe(true);
    expect(isUniqueViolation(samePair, 'name')).toBe(false);
    const held = await failure(database.query.deleteFrom('environments').where('id', '=', 'e1').execute());
    expect(isForeignKeyViolation(held)).toBe(true);
    expect(isUniqueViolation(held)).toBe(false);
    const orphan = await failure(
      database.query
        .insertInto('datastores')
        .values({ ...datastore('d3', 'b'), environment_id: 'none' })
        .execute(),
    );
    expect(isForeignKeyViolation(orphan)).toBe(true);
    expect(isUniqueViolation(new Error('another'))).toBe(false);
  });

  it('orders text by its bytes and counts in numbers', async () => {
    const names = ['b', 'B', 'a', 'Z', 'ä', '_', '10', '9', 'a b', 'ab', '𝄞', '\uffee'];
    await database.query
      .insertInto('retired_ids')
      .values(names.map((id) => ({ id, at: '' })))
      .execute();
    const rows = await database.query.selectFrom('retired_ids').select('id').orderBy('id').execute();
    expect(rows.map((row) => row.id)).toEqual(
      [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    const counted = await database.query
      .selectFrom('retired_ids')
      .select((eb) => eb.fn.countAll().as('count'))
      .executeTakeFirstOrThrow();
    expect(counted.count).toBe(names.length);
  });

  it('waits for the change of another process without holding this one up', async () => {
    const other = await opened.openAgain();
    const gate = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    await database.query.insertInto('settings').values({ key: 'shared', value: 'start' }).execute();
    const append = (at: Database, text: string, wait?: Promise<void>) =>
      at.change(async ({ query }) => {
        await query
          .updateTable('settings')
          .set((eb) => ({ value: sql`${eb.ref('value')} || ${text}` }))
          .where('key', '=', 'shared')
          .execute();
        locked.resolve();
        await wait;
      });
    const first = append(database, ' first', gate.promise);
    await locked.promise;
    const second = append(other.database, ' second');
    setTimeout(gate.resolve, 50);
    await Promise.all([first, second]);
    expect(await settingOf(other.database, 'shared')).toBe('start first second');
  });

  it('says that it is there', async () => {
    await expect(database.ping()).resolves.toBeUndefined();
  });

  it('is closed after close()', async () => {
    const other = await opened.openAgain();
    await other.database.close();
    await expect(settingOf(other.database, 'x')).rejects.toThrow();
    await expect(other.database.ping()).rejects.toThrow();
  });
});

describeEachDatabase('a closing database', (open) => {
  it('waits for the running change', async () => {
    const { database, openAgain } = await open();
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const change = database.change(async ({ query }) => {
      started.resolve();
      await gate.promise;
      await query.insertInto('settings').values({ key: 'last', value: '1' }).execute();
    });
    await started.promise;
    const closed = database.close();
    gate.resolve();
    await change;
    await closed;
    expect(await settingOf((await openAgain()).database, 'last')).toBe('1');
  });
});

describe('database URLs', () => {
  it('knows its forms', () => {
    expect(parseDatabaseUrl('sqlite:./data/gateway.db')).toEqual({ kind: 'sqlite', path: './data/gateway.db' });
    expect(parseDatabaseUrl('sqlite:/var/lib/g.db')).toEqual({ kind: 'sqlite', path: '/var/lib/g.db' });
    expect(parseDatabaseUrl('sqlite::memory:')).toEqual({ kind: 'sqlite', path: ':memory:' });
    expect(parseDatabaseUrl('postgresql://u@h/d').kind).toBe('postgres');
    expect(parseDatabaseUrl('postgres://u@h/d').kind).toBe('postgres');
  });

  it.each(['', 'sqlite:', 'sqlite://x/y', 'mysql://u:hunter2@h/d', 'postgres:h', './gateway.db'])(
    'refuses %j without echoing it',
    (url) => {
      expect(() => parseDatabaseUrl(url)).toThrow(/^The database URL must be sqlite:PATH/);
      expect(() => parseDatabaseUrl(url)).not.toThrow(/hunter2/);
    },
  );

  it('rejects at once when no Postgres answers', async () => {
    const doorbell = new LocalDoorbell();
    await expect(Database.open({ url: 'postgres://u:hunter2@127.0.0.1:1/d', doorbell })).rejects.toThrow(
      'ECONNREFUSED',
    );
  });
});

describe('SQLite', () => {
  it('works in memory, one after the other', async () => {
    const database = await Database.open({ url: 'sqlite::memory:', doorbell: new LocalDoorbell() });
    await migrateToLatest(database);
    const change = database.change(async ({ query }) => {
      await turn();
      await query.insertInto('settings').values({ key: 'memory', value: '1' }).execute();
    });
    expect(await settingOf(database, 'memory')).toBe('1');
    await change;
    await database.close();
  });
});

describeEachDatabase('files and settings', (open, kind) => {
  if (kind === 'sqlite')
    it('keeps everything to its owner and syncs every commit', async () => {
      const { database, url } = await open();
      const path = url.slice('sqlite:'.length);
      for (const suffix of ['', '-wal', '-shm']) expect((await stat(path + suffix)).mode & 0o777).toBe(0o600);
      const nested = await Database.open({
        url: `sqlite:${dirname(path)}/deeper/still/g.db`,
        doorbell: new LocalDoorbell(),
      });
      await nested.close();
      expect((await stat(`${dirname(path)}/deeper`)).mode & 0o777).toBe(0o700);
      const pragmas = await database.change(async ({ query }) => {
        const names = ['journal_mode', 'synchronous', 'foreign_keys'];
        const rows = await Promise.all(
          names.map((name) => sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(query)),
        );
        return rows.map(({ rows: [row] }) => Object.values(row ?? {})[0]);
      });
      expect(pragmas).toEqual(['wal', 2, 1]);
    });

  if (kind === 'sqlite')
    it('writes no temporary files once migrations are over', async () => {
      const { database } = await open();
      const where = () => sql<{ temp_store: number }>`pragma temp_store`.execute(database.query);
      expect((await where()).rows).toEqual([{ temp_store: 0 }]);
      database.expectShortStatements();
      expect((await where()).rows).toEqual([{ temp_store: 2 }]);
    });

  if (kind === 'postgres')
    it('does a change again that lost a deadlock', async () => {
      const { database } = await open();
      await database.query
        .insertInto('settings')
        .values([
          { key: 'a', value: '0' },
          { key: 'b', value: '0' },
        ])
        .execute();
      let attempts = 0;
      const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const touch = (first: string, second: string, me: number) =>
        database.change(async ({ query }) => {
          attempts += 1;
          const add = (key: string) =>
            query
              .updateTable('settings')
              .set({ value: sql`cast(cast(value as integer) + 1 as text)` })
              .where('key', '=', key)
              .execute();
          await add(first);
          both[me]?.resolve();
          await Promise.all(both.map((one) => one.promise));
          await add(second);
        });
      await Promise.all([touch('a', 'b', 0), touch('b', 'a', 1)]);
      // the one that lost can take its row again before the one that waits for it wakes up, and lose once more
      expect(attempts).toBeGreaterThan(2);
      expect(await settingOf(database, 'a')).toBe('2');
      expect(await settingOf(database, 'b')).toBe('2');
    });
});

async function settingOf(database: Database, key: string): Promise<string | undefined> {
  const row = await database.query.selectFrom('settings').select('value').where('key', '=', key).executeTakeFirst();
  return row?.value;
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error,
  );
}

function datastore(id: string, name: string) {
  const texts = { type: 'POSTGRES', label: name, label_folded: name, config: '{}', secrets: '[]' };
  const times = { created_at: '', updated_at: '', created_by: '', updated_by: '' };
  return { id, environment_id: 'e1', name, version: 1, ...texts, ...times };
}
