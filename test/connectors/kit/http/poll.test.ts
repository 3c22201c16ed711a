import { describe, expect, test } from 'vitest';
import { PollPace, pollUntil } from '../../../../src/connectors/kit/http/poll.ts';

test('asks until there is an answer', async () => {
  let asked = 0;
  const answer = await pollUntil(new AbortController().signal, async () => {
    asked += 1;
    return asked < 3 ? undefined : asked;
  });
  expect(answer).toBe(3);
});

test('passes a failure on', async () => {
  const ask = () => Promise.reject(new Error('refused'));
  await expect(pollUntil(new AbortController().signal, ask)).rejects.toThrow('refused');
});

test('ends with the signal, while it waits', async () => {
  const abort = new AbortController();
  const polling = pollUntil(abort.signal, async () => undefined);
  setTimeout(() => abort.abort('deadline'), 20);
  await expect(polling).rejects.toMatchObject({ name: 'AbortError' });
});

describe('the pace', () => {
  const paced = () => {
    const pauses: number[] = [];
    return { pauses, pace: new PollPace(new AbortController().signal, async (pause) => void pauses.push(pause)) };
  };

  test('has a pause from the first request on, which grows to a second', async () => {
    const { pauses, pace } = paced();
    for (let asked = 0; asked < 30; asked += 1) await pace.wait();
    expect(pauses.slice(0, 3)).toEqual([20, 30, 45]);
    expect(pauses).toEqual(pauses.toSorted((one, other) => one - other));
    expect(pauses.at(-1)).toBe(1_000);
  });

  test('is that of the beginning when something has come', async () => {
    const { pauses, pace } = paced();
    await pace.wait();
    await pace.wait();
    pace.goOn();
    await pace.wait();
    expect(pauses).toEqual([20, 30, 20]);
  });

  test('lasts as long as the longest test, and has an end', async () => {
    const { pauses, pace } = paced();
    for (let asked = 0; asked < 400; asked += 1) await pace.wait();
    expect(pauses.reduce((sum, pause) => sum + pause)).toBeGreaterThan(300_000);
    await expect(pace.wait()).rejects.toMatchObject({ report: { code: 'TIMEOUT' } });
    expect(pauses).toHaveLength(400);
  });
});
