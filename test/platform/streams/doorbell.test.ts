import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Change, Database } from '../../../src/platform/database/database.ts';
import { PostgresDoorbell } from '../../../src/platform/postgres/doorbell.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { type FollowOptions, followLog } from '../../../src/platform/streams/follow-log.ts';
import { describeEachDatabase, type TestDatabase } from '../../support/databases.ts';

describe('a doorbell in this process', () => {
  it('rings who listens to the topic until he stops', () => {
    const doorbell = new LocalDoorbell();
    const rung: string[] = [];
    const listener = () => rung.push('twice');
    const stopOne = doorbell.on('a', listener);
    const stopOther = doorbell.on('a', listener);
    doorbell.on('b', () => rung.push('b'));
    doorbell.ring('a');
    stopOne();
    stopOne();
    doorbell.ring('a');
    stopOther();
    doorbell.ring('a');
    doorbell.ring('c');
    doorbell.ringAll();
    expect(rung).toEqual(['twice', 'twice', 'twice', 'b']);
    expect(doorbell.size).toBe(1);
  });
});

describe('a followed log', () => {
  it('replays, follows, and ends with the last row', async () => {
    const log = new MemoryLog(3);
    const rows = log.follow({ isLast: (row) => row === 6 });
    const seen: number[] = [];
    for await (const row of rows) {
      seen.push(row);
      if (row === 3) setTimeout(() => log.add(3), 5);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
    expect(log.doorbell.size).toBe(0);
    expect(await rows.next()).toEqual({ done: true, value: undefined });
  });

  it('starts after its cursor', async () => {
    const log = new MemoryLog(5);
    const rows = log.follow({ after: 3 });
    expect(await rows.next()).toEqual({ done: false, value: 4 });
    await rows.return?.();
  });

  it.each([0, 1])('misses nothing that is added while it reads %i', async (length) => {
    const log = new MemoryLog(length);
    log.duringRead = () => {
      log.duringRead = undefined;
      log.add(1);
    };
    const rows = log.follow({ pageSize: 10 });
    expect(await take(rows, length + 1)).toEqual([1, 2].slice(0, length + 1));
    await rows.return?.();
  });

  it('ends at once by return() while it waits, and leaves no listener', async () => {
    const log = new MemoryLog(0);
    const rows = log.follow({ pollMs: 10_000 });
    const waiting = [rows.next(), rows.next()];
    await sleep(5);
    expect(log.doorbell.size).toBe(1);
    await rows.return?.();
    expect(await Promise.all(waiting)).toEqual([done, done]);
    expect(log.doorbell.size).toBe(0);
  });

  it('ends at once by return() while a read hangs', async () => {
    const log = new MemoryLog(0);
    log.hold = new Promise(() => undefined);
    const rows = log.follow();
    const waiting = rows.next();
    await rows.return?.();
    expect(await waiting).toEqual(done);
  });

  it('ends at once by its signal, before, while and after waiting', async () => {
    const log = new MemoryLog(1);
    expect(await log.follow({ signal: AbortSignal.abort() }).next()).toEqual(done);
    const controller = new AbortController();
    const rows = log.follow({ signal: controller.signal });
    expect(await rows.next()).toEqual({ done: false, value: 1 });
    const waiting = rows.next();
    controller.abort();
    expect(await waiting).toEqual(done);
    expect(await rows.next()).toEqual(done);
    expect(log.doorbell.size).toBe(0);
  });

  it('does not listen before it is asked, nor after return() without being asked', async () => {
    const log = new MemoryLog(1);
    const rows = log.follow();
    expect(log.doorbell.size).toBe(0);
    await rows.return?.();
    expect(await rows.next()).toEqual(done);
    expect(log.doorbell.size).toBe(0);
    expect(log.reads).toBe(0);
  });

  it('ends with the error of a read', async () => {
    const log = new MemoryLog(0);
    log.hold = Promise.reject(new Error('the database is away'));
    const rows = log.follow();
    const waiting = [rows.next(), rows.next()];
    await expect(waiting[0]).rejects.toThrow('the database is away');
    expect(await waiting[1]).toEqual(done);
    expect(log.doorbell.size).toBe(0);
  });

  it('does not read ahead of who reads slowly', async () => {
    const log = new MemoryLog(10);
    const rows = log.follow({ pageSize: 2 });
    await take(rows, 2);
    await sleep(5);
    expect(log.reads).toBe(1);
    await take(rows, 1);
    expect(log.reads).toBe(2);
    await rows.return?.();
  });

  it('saves the second look when the page was not full', async () => {
    const log = new MemoryLog(1);
    const rows = log.follow({ pageSize: 2 });
    await take(rows, 1);
    const waiting = rows.next();
    await sleep(5);
    expect(log.reads).toBe(1);
    log.add(1);
    expect(await waiting).toEqual({ done: false, value: 2 });
    await rows.return?.();
  });

  it('polls where nobody rings', async () => {
    const log = new MemoryLog(0);
    const rows = log.follow({ pollMs: 5 });
    const waiting = rows.next();
    log.addSilently(1);
    expect(await waiting).toEqual({ done: false, value: 1 });
    await rows.return?.();
  });

  it('serves several who ask at once, in order', async () => {
    const log = new MemoryLog(2);
    const rows = log.follow();
    const asked = [rows.next(), rows.next(), rows.next()];
    setTimeout(() => log.add(1), 5);
    expect((await Promise.all(asked)).map((result) => result.value)).toEqual([1, 2, 3]);
    await rows.return?.();
  });
});

const TOTAL = 200;

describeEachDatabase('a log in the database', (open, kind) => {
  it('is followed without a gap or a duplicate, in two processes, from anywhere', async () => {
    const opened = await open();
    const other = await opened.openAgain();
    await opened.database.query
      .insertInto('journal_heads')
      .values({ environment_id: 'log', sequence: 0, mac: '' })
      .execute();
    const early = Array.from({ length: 4 }, (_, index) =>
      collect(index % 2 ? opened : other, 0, index % 2 ? 7 : undefined),
    );
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      const at = writer % 2 ? opened.database : other.database;
      for (let count = 0; count < TOTAL / 8; count += 1) {
        await at.change(addRow);
        // SQLite rings within one process: the other one's writes are heard of when this one writes
        if (kind === 'sqlite') for (const { doorbell } of [opened, other]) doorbell.ring('log');
      }
    });
    await sleep(10);
    const middle = collect(opened, 20);
    await Promise.all(writers);
    const late = collect(other, TOTAL - 5);
    const whole = Array.from({ length: TOTAL }, (_, index) => index + 1);
    for (const seen of await Promise.all(early)) expect(seen).toEqual(whole);
    expect(await middle).toEqual(whole.slice(20));
    expect(await late).toEqual(whole.slice(TOTAL - 5));
  });

  if (kind === 'postgres')
    it('is heard of on every replica', async () => {
      const opened = await open();
      const other = await opened.openAgain();
      const heard = new Promise<void>((resolve) => other.doorbell.on('far', resolve));
      await opened.database.change(async (change) => change.ring('far'));
      await heard;
    });

  if (kind === 'postgres')
    it('is polled in case a ring was lost', async () => {
      const { url } = await open();
      const doorbell = await PostgresDoorbell.open({ url, pollMs: 5 });
      await new Promise<void>((resolve) => doorbell.on('never rung', resolve));
      await doorbell.close();
    });
});

const done = { done: true, value: undefined };

/** A log of 1, 2, 3, … that can be slow. */
class MemoryLog {
  readonly doorbell = new LocalDoorbell();
  reads = 0;
  hold: Promise<void> | undefined;
  duringRead: (() => void) | undefined;
  #length: number;

  constructor(length: number) {
    this.#length = length;
  }

  add(count: number): void {
    this.addSilently(count);
    this.doorbell.ring('log');
  }

  addSilently(count: number): void {
    this.#length += count;
  }

  follow(options: Partial<FollowOptions<number, number, number>> = {}): AsyncIterableIterator<number> {
    const { pageSize = Number.POSITIVE_INFINITY } = options;
    const read = async (after: number) => {
      this.reads += 1;
      const length = this.#length;
      this.duringRead?.();
      await this.hold;
      return Array.from({ length: Math.min(length - after, pageSize) }, (_, index) => after + index + 1);
    };
    return followLog({ doorbell: this.doorbell, topics: ['log'], read, position: (row) => row, after: 0, ...options });
  }
}

async function take(rows: AsyncIterableIterator<number>, count: number): Promise<number[]> {
  const taken: number[] = [];
  while (taken.length < count) taken.push((await rows.next()).value);
  return taken;
}

async function addRow(change: Change): Promise<void> {
  const head = await change.query
    .updateTable('journal_heads')
    .set((eb) => ({ sequence: eb('sequence', '+', 1) }))
    .where('environment_id', '=', 'log')
    .returning('sequence')
    .executeTakeFirstOrThrow();
  const texts = {
    id: `log ${head.sequence}`,
    at: '',
    kind: '',
    action: '',
    actor: '',
    subject_type: '',
    subject_id: '',
    detail: '',
    mac: '',
  };
  await change.query
    .insertInto('journal')
    .values({ environment_id: 'log', sequence: head.sequence, ...texts })
    .execute();
  change.ring('log');
}

function readRows(database: Database, after: number, limit: number): Promise<{ sequence: number }[]> {
  return database.query
    .selectFrom('journal')
    .select('sequence')
    .where('environment_id', '=', 'log')
    .where('sequence', '>', after)
    .orderBy('sequence')
    .limit(limit)
    .execute();
}

async function collect(at: TestDatabase, after: number, pageSize?: number): Promise<number[]> {
  const rows = followLog({
    doorbell: at.doorbell,
    topics: ['log'],
    read: (cursor: number) => readRows(at.database, cursor, pageSize ?? 1_000),
    position: (row) => row.sequence,
    after,
    isLast: (row) => row.sequence === TOTAL,
    ...(pageSize === undefined ? {} : { pageSize }),
  });
  const seen: number[] = [];
  for await (const row of rows) seen.push(row.sequence);
  return seen;
}
