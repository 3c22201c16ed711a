import type { CleanUp, TestContext } from '../contract/connector.ts';
import { unlessAborted } from './unless-aborted.ts';

/** How long all clean-ups of a test may take together, in milliseconds from the end of the test on. */
export const CLEAN_UP_MS = 1_000;

/**
 * What a test has opened at the other side and has to end there: statements, sessions. A test that is over does it
 * whatever its end was, with nobody waiting for it.
 */
export class CleanUps {
  readonly #due = new Set<{ readonly cleanUp: CleanUp; readonly leaves: string | undefined }>();

  /** Has the clean-up done at the end of the test. Gives what takes that back. `leaves` names what it is to remove. */
  add(cleanUp: CleanUp, leaves?: string): () => void {
    const entry = { cleanUp, leaves };
    this.#due.add(entry);
    return () => this.#due.delete(entry);
  }

  /**
   * Does what is due, the newest first, one after the other, and settles after `timeoutMs` at the latest. `onError` is
   * told what fails: it changes nothing of the test's outcome.
   */
  async run(
    { dialer, signal }: Pick<TestContext<unknown>, 'dialer' | 'signal'>,
    timeoutMs: number,
    onError: (error: unknown) => void,
  ): Promise<void> {
    if (this.#due.size === 0) return;
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(new Error('A clean-up was not done in time.')), timeoutMs);
    // the sockets of a test that was aborted are gone
    const ending = { signal: end.signal, dialer: signal.aborted ? dialer.afterwards(end.signal) : dialer };
    for (const { cleanUp, leaves } of [...this.#due].reverse()) {
      try {
        await unlessAborted(() => cleanUp(ending), end.signal);
      } catch (error) {
        onError(leaves === undefined ? error : new Error(`${leaves} may be left there.`, { cause: error }));
      }
    }
    clearTimeout(timer);
    end.abort(new Error('The clean-up is over.'));
  }
}
