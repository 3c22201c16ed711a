import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Database, DatabaseUnavailableError, isForeignKeyViolation } from '../../../src/platform/database/database.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { newTestDatabase } from '../../support/databases.ts';
import { breakSqlite } from '../../support/sqlite-faults.ts';
import { countRuns } from '../../support/sqlite-runs.ts';

/** How long a disk is full here. */
const SHORT_MS = 20;

/** Lets no time pass, so that no group gets too old to be joined, however slow the machine is. */
function stopTime(): { restore(): void } {
  const stopped = vi.spyOn(performance, 'now').mockReturnValue(performance.now());
  return { restore: () => stopped.mockRestore() };
}

describe('changes of SQLite that wait for one another', () => {
  let database: Database;
  const endings: (() => unknown)[] = [];

  beforeEach(async () => {
    const { url, remove } = await newTestDatabase('sqlite');
    database = await Database.open({ url, doorbell: new LocalDoorbell() });
    endings.push(remove, () => database.close());
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });

  const put = (key: string, fails = false) =>
    database.change(async ({ query }) => {
      await query.insertInto('settings').values({ key, value: '1' }).execute();
      if (fails) throw new Error(`${key} changed its mind`);
      return key;
    });
  const single = (key: string) => database.query.insertInto('settings').values({ key, value: '1' }).execute();
  const stored = async () => {
    const rows = await database.query.selectFrom('settings').select('key').where('key', 'like', 'g-%').execute();
    return rows.map(({ key }) => key).sort();
  };

  it('share a COMMIT, in the order of asking', async () => {
    const counted = countRuns('commit');
    endings.push(counted.restore, stopTime().restore);
    const keys = Array.from({ length: 50 }, (_, index) => `g-${String(index).padStart(2, '0')}`);
    const ends: string[] = [];
    await Promise.all(keys.map((key) => put(key).then((done) => ends.push(done))));
    expect(ends).toEqual(keys);
    expect(await stored()).toEqual(keys);
    expect(counted.runs()).toBeLessThan(keys.length / 2);
  });

  it('share it where each comes a turn of the event loop later and the disk is slow', async () => {
    let now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    const counted = countRuns('commit', () => {
      now += 3;
    });
    endings.push(counted.restore, () => clock.mockRestore());
    for (const key of ['g-a', 'g-b', 'g-c']) await put(key);
    const before = counted.runs();
    const keys = Array.from({ length: 50 }, (_, index) => `g-${String(index).padStart(2, '0')}`);
    const changes: Promise<string>[] = [];
    for (const key of keys) {
      changes.push(put(key));
      await turn();
    }
    expect(await Promise.all(changes)).toEqual(keys);
    expect(counted.runs() - before).toBeLessThan(keys.length / 5);
  });

  it('share it with single statements', async () => {
    const counted = countRuns('commit');
    endings.push(counted.restore, stopTime().restore);
    await Promise.all([put('g-a'), single('g-b'), put('g-c'), single('g-d')]);
    expect(await stored()).toEqual(['g-a', 'g-b', 'g-c', 'g-d']);
    expect(counted.runs()).toBeLessThan(4);
  });

  it('fail alone, whether the work throws or a statement is refused', async () => {
    const made = [put('g-1'), put('g-2', true), put('g-3'), put('g-3'), put('g-4')];
    const outcomes = await Promise.allSettled(made);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(await stored()).toEqual(['g-1', 'g-3', 'g-4']);
  });

  it('have savepoints only after one was taken back, with which all others of its group were', async () => {
    const counted = countRuns('savepoint gateway_change');
    endings.push(counted.restore, stopTime().restore);
    await Promise.all([put('g-1'), put('g-2')]);
    expect(counted.runs()).toBe(0);
    const outcomes = await Promise.allSettled([put('g-3'), put('g-4', true), put('g-5')]);
    expect(outcomes).toMatchObject([{ value: 'g-3' }, { reason: new Error('g-4 changed its mind') }, { value: 'g-5' }]);
    expect(await stored()).toEqual(['g-1', 'g-2', 'g-3', 'g-5']);
    expect(counted.runs()).toBeGreaterThan(0);
  });

  it('are made again, single statements too, when one of their group is taken back', async () => {
    const counted = countRuns('rollback');
    endings.push(counted.restore, stopTime().restore);
    const outcomes = await Promise.allSettled([put('g-1'), single('g-2'), put('g-3', true), single('g-4')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await stored()).toEqual(['g-1', 'g-2', 'g-4']);
    expect(counted.runs()).toBe(1);
  });

  it('stay when a single statement of their group is refused', async () => {
    await put('g-1');
    const counted = countRuns('rollback');
    endings.push(counted.restore, stopTime().restore);
    const outcomes = await Promise.allSettled([put('g-2'), single('g-1'), put('g-3')]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await stored()).toEqual(['g-1', 'g-2', 'g-3']);
    expect(counted.runs()).toBe(0);
  });

  it('fail alone by a constraint that COMMIT judges', async () => {
    await sql`create table named (id text primary key)`.execute(database.query);
    await sql`create table naming (name text references named (id) deferrable initially deferred)`.execute(
      database.query,
    );
    const name = (text: string) =>
      database.change(({ query }) => sql`insert into naming values (${text})`.execute(query));
    const outcomes = await Promise.allSettled([put('g-1'), name('nobody'), put('g-2'), put('g-3')]);
    const [, refused] = outcomes;
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(refused?.status === 'rejected' && isForeignKeyViolation(refused.reason)).toBe(true);
    expect(await stored()).toEqual(['g-1', 'g-2', 'g-3']);
    await put('g-4');
    expect(await stored()).toContain('g-4');
  });

  it('are told to be stored after the COMMIT, and all fail with one that fails', async () => {
    const faults = breakSqlite();
    const time = stopTime();
    endings.push(faults.restore, time.restore);
    // three changes write, then comes the COMMIT
    faults.failAt(4, SHORT_MS);
    const outcomes = await Promise.allSettled([put('g-1'), put('g-2'), put('g-3')]);
    const reasons = outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason);
    expect(reasons.map((reason) => reason instanceof DatabaseUnavailableError)).toEqual([true, true, true]);
    expect(await stored()).toEqual([]);
    time.restore();
    await sleep(2 * SHORT_MS);
    expect(await put('g-4')).toBe('g-4');
    expect(await stored()).toEqual(['g-4']);
  });

  it('are seen by no reader before the COMMIT', async () => {
    const gate = Promise.withResolvers<void>();
    const isRunning = Promise.withResolvers<void>();
    let isTold = false;
    const first = put('g-1').then(() => {
      isTold = true;
    });
    const second = database.change(async () => {
      isRunning.resolve();
      await gate.promise;
    });
    await isRunning.promise;
    await turn();
    expect([isTold, await stored()]).toEqual([false, []]);
    gate.resolve();
    await Promise.all([first, second]);
    expect(await stored()).toEqual(['g-1']);
  });
});
