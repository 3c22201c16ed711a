import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { LocalDoorbell } from '../../../src/platform/streams/doorbell.ts';
import { followLog } from '../../../src/platform/streams/follow-log.ts';
import { openedLate } from '../../../src/platform/streams/opened-late.ts';
import { done, polled } from '../../../src/platform/streams/polled-stream.ts';

const value = (of: unknown) => ({ done: false, value: of });

/** A stream of promises that are kept by hand. */
function promised() {
  const asked: PromiseWithResolvers<IteratorResult<number>>[] = [];
  const end = vi.fn(async () => done());
  const source = {
    next() {
      const next = Promise.withResolvers<IteratorResult<number>>();
      asked.push(next);
      return next.promise;
    },
    return: end,
    [Symbol.asyncIterator]: () => source,
  };
  return { asked, end, stream: polled<number>(source) };
}

describe('a stream of promises that is polled', () => {
  test('is asked once for each step, and wakes who polls', async () => {
    const { asked, stream } = promised();
    const wake = vi.fn();
    expect([stream.poll(wake), stream.poll(wake)]).toEqual([undefined, undefined]);
    expect(asked).toHaveLength(1);
    asked[0]?.resolve({ done: false, value: 1 });
    await turn();
    expect(wake).toHaveBeenCalledTimes(1);
    expect(stream.poll(wake)).toEqual(value(1));
    expect(stream.poll(wake)).toBeUndefined();
    expect(asked).toHaveLength(2);
  });

  test('throws its failure, and ends', async () => {
    const { asked, end, stream } = promised();
    const wake = vi.fn();
    stream.poll(wake);
    asked[0]?.reject(new Error('it broke'));
    await turn();
    expect(wake).toHaveBeenCalledTimes(1);
    expect(() => stream.poll(wake)).toThrow('it broke');
    expect(await stream.return()).toEqual(done());
    expect(end).toHaveBeenCalledTimes(1);
  });

  test('is the stream itself where that can be polled', () => {
    const { stream } = promised();
    expect(polled(stream)).toBe(stream);
  });
});

describe('a followed log that is polled', () => {
  /** Follows what is in memory, from which it reads without a promise. */
  function inMemory() {
    const rows: number[] = [];
    const doorbell = new LocalDoorbell();
    const log = followLog<number>({
      doorbell,
      topics: ['log'],
      read: (after) => rows.slice(after),
      position: (row) => row,
      after: 0,
      isLast: (row) => row === 4,
    });
    const add = (...added: number[]) => {
      rows.push(...added);
      doorbell.ring('log');
    };
    return { doorbell, log, add };
  }

  test('gives in one turn what there is, and wakes when more may have come', () => {
    const { log, add } = inMemory();
    const wake = vi.fn();
    expect(log.poll(wake)).toBeUndefined();
    add(1, 2);
    expect(wake).toHaveBeenCalledTimes(1);
    expect([log.poll(wake), log.poll(wake), log.poll(wake)]).toEqual([value(1), value(2), undefined]);
    add();
    expect(wake).toHaveBeenCalledTimes(2);
    expect(log.poll(wake)).toBeUndefined();
  });

  test('ends with its last row, wakes nobody within a poll, and listens no more', () => {
    const { doorbell, log, add } = inMemory();
    const wake = vi.fn();
    log.poll(wake);
    add(1, 2, 3, 4);
    wake.mockClear();
    const steps = Array.from({ length: 5 }, () => log.poll(wake));
    expect(steps).toEqual([...[1, 2, 3, 4].map(value), done()]);
    expect(wake).not.toHaveBeenCalled();
    expect(doorbell.size).toBe(0);
  });

  test('wakes who waits when it is ended', async () => {
    const { log } = inMemory();
    const wake = vi.fn();
    log.poll(wake);
    await log.return();
    expect(wake).toHaveBeenCalledTimes(1);
    expect(log.poll(wake)).toEqual(done());
  });

  test.each([
    ['its last row', 4, () => undefined],
    ['whoever follows it', 0, () => undefined],
    ['its signal', 0, (signal: AbortController) => signal.abort()],
  ])('tells once that it is over, which %s brings about', async (_by, last, end) => {
    const [signal, onEnd] = [new AbortController(), vi.fn()];
    const log = followLog<number>({
      doorbell: new LocalDoorbell(),
      topics: ['log'],
      read: () => (last > 0 ? [last] : []),
      position: (row) => row,
      after: 0,
      isLast: () => true,
      signal: signal.signal,
      onEnd,
    });
    log.poll(() => undefined);
    end(signal);
    await log.return();
    expect(onEnd).toHaveBeenCalledTimes(1);
  });

  test('throws what a read without a promise throws, once', () => {
    const read = () => {
      throw new Error('it cannot be read');
    };
    const log = followLog({ doorbell: new LocalDoorbell(), topics: ['log'], read, position: () => 0, after: 0 });
    expect(() => log.poll(() => undefined)).toThrow('it cannot be read');
    expect(log.poll(() => undefined)).toEqual(done());
  });
});

describe('a stream that is opened late', () => {
  test('is opened by the first poll, and is what was opened from then on', async () => {
    const { asked, stream } = promised();
    const open = vi.fn(async () => stream);
    const late = openedLate(open);
    expect(open).not.toHaveBeenCalled();
    const wake = vi.fn();
    expect([late.poll(wake), late.poll(wake)]).toEqual([undefined, undefined]);
    await turn();
    expect(open).toHaveBeenCalledTimes(1);
    expect(wake).toHaveBeenCalledTimes(1);
    late.poll(wake);
    asked[0]?.resolve({ done: false, value: 1 });
    await turn();
    expect(late.poll(wake)).toEqual(value(1));
  });

  test('throws once why it could not be opened', async () => {
    const late = openedLate<number>(async () => {
      throw new Error('it is locked');
    });
    const wake = vi.fn();
    late.poll(wake);
    await turn();
    expect(wake).toHaveBeenCalledTimes(1);
    expect(() => late.poll(wake)).toThrow('it is locked');
    expect(late.poll(wake)).toEqual(done());
  });

  test('ends where there is nothing to open', async () => {
    const late = openedLate(async () => undefined);
    const wake = vi.fn();
    expect(late.poll(wake)).toBeUndefined();
    await turn();
    expect(wake).toHaveBeenCalledTimes(1);
    expect(late.poll(wake)).toEqual(done());
  });

  test('that is ended meanwhile ends what it opens', async () => {
    const { end, stream } = promised();
    const opening = Promise.withResolvers<typeof stream>();
    const late = openedLate(() => opening.promise);
    const waiting = late.next();
    const ending = late.return();
    opening.resolve(stream);
    expect(await waiting).toEqual(done());
    await ending;
    expect(end).toHaveBeenCalledTimes(1);
  });
});
