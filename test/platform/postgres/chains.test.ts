import { setTimeout as sleep, setImmediate as turnOfLoop } from 'node:timers/promises';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Database, DatabaseUnavailableError } from '../../../src/platform/database/database.ts';
import { verifyJournal } from '../../../src/platform/journal/journal.ts';
import type { Keyring } from '../../../src/platform/keys/keyring.ts';
import { describeEachDatabase } from '../../support/databases.ts';
import { eventually } from '../../support/eventually.ts';
import { newKeyring } from '../../support/keys.ts';
import { LinkedChanges, NotAsReadError, type SettingUpdate } from '../../support/linked-changes.ts';

/** Has another process's change hold the row of a setting. @returns what lets it go */
async function holdRow(database: Database, key: string): Promise<() => Promise<void>> {
  const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holds = database.change(async ({ query }) => {
    await query.selectFrom('settings').selectAll().where('key', '=', key).forUpdate().execute();
    held.resolve();
    await free.promise;
  });
  await held.promise;
  return () => {
    free.resolve();
    return holds;
  };
}

describeEachDatabase('changes that make the same chain longer', (open, kind) => {
  let keyring: Keyring;
  beforeAll(async () => {
    keyring = await newKeyring();
  });

  const opened = async (keys: readonly string[]) => {
    const test = await open();
    for (const key of keys) await test.database.query.insertInto('settings').values({ key, value: '0' }).execute();
    return test;
  };
  const update = (database: Database, setting: SettingUpdate) => new LinkedChanges(database, keyring).update(setting);
  const insert = (database: Database, key: string, value?: string) =>
    new LinkedChanges(database, keyring).insert(key, value);
  const setTo = async (database: Database, to: string) =>
    (await database.query.selectFrom('settings').select('key').where('value', '=', to).orderBy('key').execute()).map(
      ({ key }) => key,
    );
  const twenty = Array.from({ length: 20 }, (_, at) => `key-${String(at).padStart(2, '0')}`);

  it('are all stored, in the order of their places', async () => {
    const { database, journaled } = await opened(twenty);
    const places = await Promise.all(twenty.map((key) => update(database, { key, from: '0', to: '1' })));
    expect(new Set(places.map(({ sequence }) => sequence)).size).toBe(20);
    expect(await setTo(database, '1')).toEqual(twenty);
    const entries = await database.query.selectFrom('journal').select(['sequence', 'subject_id', 'mac']).execute();
    expect(new Set(entries.map((entry) => `${entry.subject_id} ${entry.sequence}`))).toEqual(
      new Set(places.map(({ sequence }, at) => `${twenty[at]} ${sequence}`)),
    );
    expect(new Set(journaled.map((head) => `${head.sequence} ${head.mac}`))).toEqual(
      new Set(entries.map((entry) => `${entry.sequence} ${entry.mac}`)),
    );
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 20, brokenAt: null });
  });

  it('fail each by itself', async () => {
    const { database, journaled } = await opened(twenty);
    const outcomes = await Promise.allSettled([
      ...twenty.map((key, at) => update(database, { key, from: at % 5 === 2 ? 'another' : '0', to: '1' })),
      ...['key-00', 'key-07', 'new'].map((key) => insert(database, key)),
    ]);
    const refused = outcomes.flatMap((one, at) => (one.status === 'rejected' ? [[at, one.reason] as const] : []));
    expect(refused.map(([at]) => at)).toEqual([2, 7, 12, 17, 20, 21]);
    for (const [at, reason] of refused.slice(0, 4)) expect(reason).toEqual(new NotAsReadError(twenty[at]));
    for (const [, reason] of refused.slice(4)) expect(reason).not.toBeInstanceOf(NotAsReadError);
    expect(await setTo(database, '1')).toEqual(twenty.filter((_, at) => at % 5 !== 2));
    expect(await setTo(database, 'new')).toEqual(['new']);
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 17, brokenAt: null });
    const entries = await database.query.selectFrom('journal').select('mac').execute();
    expect(new Set(journaled.map(({ mac }) => mac))).toEqual(new Set(entries.map(({ mac }) => mac)));
  });

  it('find what those before them have stored', async () => {
    const { database } = await opened(['hot']);
    const outcomes = await Promise.allSettled(twenty.map(() => update(database, { key: 'hot', from: '0', to: '1' })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1);
    for (const one of outcomes) if (one.status === 'rejected') expect(one.reason).toEqual(new NotAsReadError('hot'));
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 1, brokenAt: null });
  });

  it('store every text as it is', async () => {
    const { database } = await opened([]);
    const texts = ['"', '\\', '\\"', '{"a":"b\\\\c"}', 'null', '', ' ', ',', '{}', "'", 'é 😀 \u202e', 'a\nb\tc', '$1'];
    await Promise.all(texts.map((text, at) => insert(database, `text-${at}`, text)));
    const rows = await database.query.selectFrom('settings').selectAll().where('key', 'like', 'text-%').execute();
    expect(new Map(rows.map(({ key, value }) => [key, value]))).toEqual(
      new Map(texts.map((text, at) => [`text-${at}`, text])),
    );
  });

  if (kind === 'sqlite') return;

  it('are one statement where they do the same', async () => {
    const { database } = await opened(twenty);
    await sql`create table counted (rows bigint not null)`.execute(database.query);
    await sql`create function count_changed() returns trigger language plpgsql as $$
      begin insert into counted select count(*) from changed; return null; end $$`.execute(database.query);
    await sql`create trigger counts after update on settings referencing new table as changed
      for each statement execute function count_changed()`.execute(database.query);
    await Promise.all(twenty.map((key) => update(database, { key, from: '0', to: '1' })));
    expect((await sql`select rows from counted`.execute(database.query)).rows).toEqual([{ rows: 20 }]);
    expect(await setTo(database, '1')).toEqual(twenty);
  });

  it('are one transaction where they come at once', async () => {
    const { database } = await opened(twenty);
    await Promise.all(twenty.map((key) => update(database, { key, from: '0', to: '1' })));
    const { rows } = await sql`select distinct xmin::text from journal`.execute(database.query);
    expect(rows.length).toBe(1);
  });

  it('take their rows in one order, whoever stores them', async () => {
    const { database, openAgain } = await opened(twenty);
    const other = await openAgain();
    for (let round = 0; round < 10; round += 1) {
      const [from, to] = [String(round), String(round + 1)];
      const ours = twenty.map((key) => update(database, { key, from, to }));
      const theirs = twenty.toReversed().map((key) => update(other.database, { key, from, to }));
      const outcomes = await Promise.allSettled([...ours, ...theirs]);
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(20);
      expect(await setTo(database, to)).toEqual(twenty);
    }
    await other.database.close();
    const deadlocks = sql<{
      deadlocks: number;
    }>`select deadlocks from pg_stat_database where datname = current_database()`;
    expect((await deadlocks.execute(database.query)).rows).toEqual([{ deadlocks: 0 }]);
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 200, brokenAt: null });
  });

  it('go on behind what another process has stored, however long none had', async () => {
    const { database, openAgain } = await opened(['one', 'other']);
    const other = await openAgain();
    const write = (by: Database, key: string, from: number) =>
      update(by, { key, from: String(from), to: String(from + 1) });
    let length = 0;
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 15; count += 1) {
        length += 1;
        expect(await write(database, 'one', round * 15 + count)).toEqual({ sequence: length });
      }
      length += 1;
      expect(await write(other.database, 'other', round)).toEqual({ sequence: length });
    }
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: length, brokenAt: null });
  });

  it('wait for a second at most for a row that one of them needs', async () => {
    const { database, openAgain } = await opened(twenty);
    const other = await openAgain();
    const letGo = await holdRow(other.database, 'key-03');
    const all = twenty.map((key) => update(database, { key, from: '0', to: '1' }));
    await Promise.all(all.filter((_, at) => at !== 3));
    expect(await setTo(database, '1')).toEqual(twenty.filter((key) => key !== 'key-03'));
    await letGo();
    expect(await all[3]).toEqual({ sequence: 20 });
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 20, brokenAt: null });
  });

  it('are all told that the database is away, and nothing of them is stored, when their connection breaks', async () => {
    const { database, openAgain } = await opened(twenty);
    const other = await openAgain();
    await update(database, { key: 'key-00', from: '0', to: '1' });
    const [held, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holds = other.database.change(async ({ query }) => {
      await query.selectFrom('journal_heads').selectAll().forUpdate().execute();
      held.resolve();
      await free.promise;
    });
    await held.promise;
    let left = twenty.length - 1;
    const outcomes = Promise.allSettled(
      twenty.slice(1).map((key) =>
        update(database, { key, from: '0', to: '1' }).finally(() => {
          left -= 1;
        }),
      ),
    );
    const terminate = sql`select pg_terminate_backend(pid) from (select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' offset 0) as waiting`;
    await eventually(async () => {
      await terminate.execute(other.database.query);
      return left === 0;
    }).finally(() => free.resolve());
    for (const one of await outcomes)
      expect(one).toEqual({ status: 'rejected', reason: expect.any(DatabaseUnavailableError) });
    await holds;
    expect(await setTo(database, '1')).toEqual(['key-00']);
    expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 1, brokenAt: null });
  });

  describe('of which a group goes behind another one that has no answer yet', () => {
    const [first, second] = [twenty.slice(0, 10), twenty.slice(10)];

    /** A database that lets nobody set a value to 'late' while its gate is closed. */
    const gated = async () => {
      const test = await opened([...twenty, 'warm']);
      const { query } = test.database;
      await sql`create table gate (closed integer not null)`.execute(query);
      await sql`create function wait_at_gate() returns trigger language plpgsql as $$
        begin
          while exists (select from gate) loop perform pg_sleep(.005); end loop;
          return new;
        end $$`.execute(query);
      await sql`create trigger waits before update on settings for each row when (new.value = 'late')
        execute function wait_at_gate()`.execute(query);
      // the chain has ended for so long where this process has left it that it is expected to again
      for (let count = 0; count < 10; count += 1)
        await update(test.database, { key: 'warm', from: String(count), to: String(count + 1) });
      await sql`insert into gate values (1)`.execute(query);
      return test;
    };
    const openGate = (database: Database) => sql`delete from gate`.execute(database.query);
    /** Sends changes of which the first one waits at the gate, and others behind them. */
    const sendBoth = async (database: Database, ahead: readonly SettingUpdate[], behind: readonly SettingUpdate[]) => {
      const [{ key = '' } = {}] = ahead;
      const all = [{ key, from: '0', to: 'late' }, ...ahead.slice(1)].map((setting) => update(database, setting));
      const outcomes = Promise.allSettled(all);
      const sleeping = sql`select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`;
      await eventually(async () => (await sleeping.execute(database.query)).rows.length === 1);
      const later = Promise.allSettled(behind.map((setting) => update(database, setting)));
      // what comes in one turn of the event loop is sent in the next one
      for (let turn = 0; turn < 5; turn += 1) await turnOfLoop();
      return { outcomes: Promise.all([outcomes, later]).then((both) => both.flat()) };
    };
    const changed = (keys: readonly string[], from = '0') => keys.map((key) => ({ key, from, to: '1' }));
    const refusedOf = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
      outcomes.flatMap((one, at) => (one.status === 'rejected' ? [[at, one.reason]] : []));

    it('are all stored, one group after the other', async () => {
      const { database } = await gated();
      const { outcomes } = await sendBoth(database, changed(first), changed(second));
      await openGate(database);
      const places = (await outcomes).map((one) => (one.status === 'fulfilled' ? one.value.sequence : undefined));
      expect(new Set(places.slice(0, 10))).toEqual(new Set(Array.from({ length: 10 }, (_, at) => at + 11)));
      expect(new Set(places.slice(10))).toEqual(new Set(Array.from({ length: 10 }, (_, at) => at + 21)));
      expect(await setTo(database, '1')).toEqual(twenty.slice(1));
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 30, brokenAt: null });
    });

    it('wait where somebody else waits for the connection', async () => {
      const { database, openAgain } = await gated();
      const other = await openAgain();
      const { outcomes } = await sendBoth(database, changed(first), []);
      const nine = Array.from({ length: 9 }, (_, at) => `nobody's-${at}`);
      const letGo = await Promise.all(nine.map((key) => holdRow(database, key)));
      const reading = setTo(database, '1');
      await eventually(async () => database.connections()?.waiting === 1);
      const later = Promise.all(changed(second).map((setting) => update(database, setting)));
      for (let turn = 0; turn < 5; turn += 1) await turnOfLoop();
      await openGate(other.database);
      const read = await reading;
      for (const free of letGo) await free();
      await Promise.all([outcomes, later]);
      expect(read).toEqual(first.slice(1));
      expect(await setTo(database, '1')).toEqual(twenty.slice(1));
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 30, brokenAt: null });
    });

    it('are told that the database is away, and not stored, when the connection of both breaks', async () => {
      const { database } = await gated();
      const { outcomes } = await sendBoth(database, changed(first), changed(second));
      const terminated = await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'`.execute(database.query);
      expect(terminated.rows.length).toBe(1);
      for (const one of await outcomes)
        expect(one).toEqual({ status: 'rejected', reason: expect.any(DatabaseUnavailableError) });
      await openGate(database);
      expect(await setTo(database, '0')).toEqual(twenty);
      await Promise.all(changed(twenty).map((setting) => update(database, setting)));
      expect(await setTo(database, '1')).toEqual(twenty);
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 30, brokenAt: null });
    });

    it('fail each by itself, in either group', async () => {
      const { database, journaled } = await gated();
      const ahead = changed(first).with(4, { key: 'key-04', from: 'another', to: '1' });
      // of what the first group changes the second one has read what was there before
      const behind = [...changed(second).with(7, { key: 'key-17', from: 'another', to: '1' }), ...changed(['key-05'])];
      const { outcomes } = await sendBoth(database, ahead, behind);
      await openGate(database);
      const refused = refusedOf(await outcomes);
      expect(refused).toEqual(
        ['key-04', 'key-17', 'key-05'].map((key, at) => [[4, 17, 20][at], new NotAsReadError(key)]),
      );
      expect(await setTo(database, '0')).toEqual(['key-04', 'key-17']);
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 28, brokenAt: null });
      const entries = await database.query.selectFrom('journal').select('mac').execute();
      expect(new Set(journaled.map(({ mac }) => mac))).toEqual(new Set(entries.map(({ mac }) => mac)));
    });

    it('are stored behind a group that its COMMIT refuses', async () => {
      const { database } = await gated();
      await sql`create function refuse_setting() returns trigger language plpgsql as $$
        begin raise exception 'refused'; end $$`.execute(database.query);
      await sql`create constraint trigger refuses after update on settings deferrable initially deferred
        for each row when (new.value = 'refused') execute function refuse_setting()`.execute(database.query);
      const ahead = changed(first).with(6, { key: 'key-06', from: '0', to: 'refused' });
      const { outcomes } = await sendBoth(database, ahead, changed(second));
      await openGate(database);
      expect(refusedOf(await outcomes)).toEqual([[6, expect.objectContaining({ message: 'refused' })]]);
      expect(await setTo(database, '1')).toEqual(twenty.filter((_, at) => at !== 0 && at !== 6));
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 29, brokenAt: null });
    });

    it('are made again where another process has made the chain longer meanwhile', async () => {
      const { database, openAgain } = await gated();
      const other = await openAgain();
      const { outcomes } = await sendBoth(database, changed(first), changed(second));
      expect(await update(other.database, { key: 'warm', from: '10', to: '11' })).toEqual({ sequence: 11 });
      await openGate(database);
      expect(refusedOf(await outcomes)).toEqual([]);
      expect(await setTo(database, '1')).toEqual(twenty.slice(1));
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 31, brokenAt: null });
    });

    it('wait for a second at most for a row that one of the first group needs', async () => {
      const { database, openAgain } = await gated();
      const other = await openAgain();
      const letGo = await holdRow(other.database, 'key-03');
      const { outcomes } = await sendBoth(database, changed(first), changed(second));
      await openGate(database);
      await eventually(async () => (await setTo(database, '1')).length === 18);
      await letGo();
      expect(refusedOf(await outcomes)).toEqual([]);
      expect(await setTo(database, '1')).toEqual(twenty.slice(1));
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 30, brokenAt: null });
    });

    it('are stored once each while two processes make the same chain longer', async () => {
      const { database, openAgain } = await opened([...twenty, 'theirs']);
      const other = await openAgain();
      const count = async (by: Database, key: string, to: number, pause: () => Promise<unknown>) => {
        for (let at = 0; at < to; at += 1) {
          await update(by, { key, from: String(at), to: String(at + 1) });
          await pause();
        }
      };
      const rest = () => sleep(20);
      await Promise.all([
        ...twenty.map((key) => count(database, key, 30, turnOfLoop)),
        count(other.database, 'theirs', 10, rest),
      ]);
      expect(await setTo(database, '30')).toEqual(twenty);
      expect(await verifyJournal(database.query, keyring, 'e')).toEqual({ intact: 610, brokenAt: null });
    });
  });
});
