import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 2_000;

/**
 * Asks again and again, at longer and longer intervals of up to 2 s, until there is an answer. Ends by that, by a failure, or by the
 * signal, which the test's deadline aborts.
 */
export async function pollUntil<Answer>(signal: AbortSignal, ask: () => Promise<Answer | undefined>): Promise<Answer> {
  for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(pause, undefined, { signal });
  }
}
