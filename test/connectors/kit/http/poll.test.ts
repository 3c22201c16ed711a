import { expect, test } from 'vitest';
import { pollUntil } from '../../../../src/connectors/kit/http/poll.ts';

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
