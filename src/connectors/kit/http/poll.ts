import { setTimeout as wait } from 'node:timers/promises';
import { Failure } from '../contract/failure.ts';

/** The first and the longest pause, in milliseconds. Each pause is half as long again as the one before. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 1_000;
const GROWTH = 1.5;
/** How often a peer is asked in vain: the longest test that there is, of five minutes, comes to 310. */
const MOST_IN_VAIN = 400;

/**
 * The pace at which a peer is asked again and again: it has a pause before each request, whatever the peer answers and
 * how soon. Pauses grow from 20 ms to 1 s while nothing comes.
 */
export class PollPace {
  readonly #sleep: (milliseconds: number) => Promise<unknown>;
  #pause = FIRST_PAUSE;
  #inVain = 0;

  /** `sleep` is for tests. */
  constructor(signal: AbortSignal, sleep = (milliseconds: number) => wait(milliseconds, undefined, { signal })) {
    this.#sleep = sleep;
  }

  /**
   * Waits before the next request: the last one came to nothing. Rejects when the signal aborts, and fails with TIMEOUT
   * after 400 requests in a row that came to nothing.
   */
  async wait(): Promise<void> {
    this.#inVain += 1;
    if (this.#inVain > MOST_IN_VAIN) {
      const hint = 'The server was asked hundreds of times and always said to ask again. Check its load and its log.';
      throw new Failure('TIMEOUT', { hint });
    }
    await this.#sleep(this.#pause);
    this.#pause = Math.min(this.#pause * GROWTH, LONGEST_PAUSE);
  }

  /** The last request has brought something: the next pause is short again. */
  goOn(): void {
    this.#pause = FIRST_PAUSE;
    this.#inVain = 0;
  }
}

/**
 * Asks again and again, at the pace of a PollPace, until there is an answer. It ends by that, by a failure, or by the
 * signal, which the test's deadline aborts.
 */
export async function pollUntil<Answer>(signal: AbortSignal, ask: () => Promise<Answer | undefined>): Promise<Answer> {
  const pace = new PollPace(signal);
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pace.wait();
  }
}
