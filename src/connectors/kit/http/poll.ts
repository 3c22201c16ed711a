import { setTimeout as sleep } from 'node:timers/promises';

/** The first and the longest pause, in milliseconds. Each pause is half as long again as the one before. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;
const GROWTH = 1.5;

/**
 * Asks again and again, at longer and longer intervals of up to 2 s, until there is an answer. It ends by that, by a
 * failure, or by the signal, which the test's deadline aborts.
 */
export async function pollUntil<Answer>(signal: AbortSignal, ask: () => Promise<Answer | undefined>): Promise<Answer> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * GROWTH, LONGEST_PAUSE)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(pause, undefined, { signal });
  }
}
