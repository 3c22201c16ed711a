import { Failure, type FailureDetails } from '../contract/failure.ts';

/** The checks that end before the peer's own protocol has had a word. */
const ON_THE_WAY = /\/(endpoint\/\w+|tunnel\/open|tls\/handshake)$/;
const LATE_HINT =
  'What was asked before was answered, so the way there is right: the server is starting, asleep or busy, or something is locked there. ' +
  'Look at its load, or raise timeoutMs.';

/**
 * The failure of a test that was too slow. `passed` are the public names of the checks that went well: once the peer
 * has answered, neither address nor firewall can be at fault. `waiting` is what a check was known to wait for.
 */
export function timeoutFailure(passed: readonly string[], waiting: FailureDetails = {}): Failure {
  const hasAnswered = passed.some((name) => !ON_THE_WAY.test(name));
  return new Failure('TIMEOUT', { ...(hasAnswered ? { hint: LATE_HINT } : {}), ...waiting });
}
