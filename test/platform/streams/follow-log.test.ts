import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DatabaseUnavailableError } from '../../../src/platform/database/errors.ts';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { followLog } from '../../../src/platform/streams/follow-log.ts';

describe('a log whose database is away', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A log of three rows, whose reads fail with the error while there is one. */
  function opened() {
    const log = { error: undefined as unknown, reads: 0 };
    const rows = followLog<number>({
      doorbell: new LocalDoorbell(),
      topics: ['log'],
      read: async (after) => {
        log.reads += 1;
        if (log.error !== undefined) throw log.error;
        return [1, 2, 3].filter((row) => row > after).slice(0, 1);
      },
      position: (row) => row,
      after: 0,
      pageSize: 1,
      isLast: (row) => row === 3,
    });
    return { log, rows };
  }
  const all = async (rows: AsyncIterable<number>) => {
    const taken: number[] = [];
    for await (const row of rows) taken.push(row);
    return taken;
  };
  const away = new DatabaseUnavailableError(new Error('read ECONNRESET'));

  test.each([
    ['from the start', 0],
    ['in the middle', 1],
  ])('goes on where it was once it is back: %s', async (_title, before) => {
    const { log, rows } = opened();
    for (let row = 1; row <= before; row += 1) expect(await rows.next()).toEqual({ done: false, value: row });
    log.error = away;
    const left = all(rows);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(log.reads).toBeGreaterThan(50);
    log.error = undefined;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await left).toEqual([1, 2, 3].slice(before));
    expect(vi.getTimerCount()).toBe(0);
  });

  test('fails after a minute', async () => {
    const { log, rows } = opened();
    log.error = away;
    const failed = expect(rows.next()).rejects.toBe(away);
    await vi.advanceTimersByTimeAsync(61_000);
    await failed;
    expect(await rows.next()).toEqual({ done: true, value: undefined });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends at once when it is left', async () => {
    const { log, rows } = opened();
    log.error = away;
    const waiting = rows.next();
    await vi.advanceTimersByTimeAsync(100);
    await rows.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('is not one whose read fails by itself: that one fails at once', async () => {
    const { log, rows } = opened();
    log.error = new Error('no such column');
    await expect(rows.next()).rejects.toBe(log.error);
  });
});
