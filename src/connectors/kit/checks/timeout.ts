import { Failure, type FailureDetails } from '../contract/failure.ts';

/** The checks that end before the peer's own protocol has had a word. */
const ON_THE_WAY = /\/(endpoint\/\w+|tunnel\/open|tls\/handshake)$/;
const LATE_HINT =
  'What was asked before was answered, so the way there is right: the server is starting, asleep or busy, or something is locked there. ' +
  'Look at its load, or raise timeoutMs.';
const LOST_HINT =
  'What was asked before was answered, so the way there is right: the server was stopped or started anew, or something between ended the connection. ' +
  'Try again, and look at the server’s own log.';

/** How far a test has come when its time is over. */
export interface TestStanding {
  /** Whether a check has begun. */
  readonly begun: boolean;
  /** The public names of the checks that went well. */
  readonly passed: readonly string[];
  /** What the running check is known to wait for. */
  readonly waiting?: FailureDetails;
}

/**
 * The failure of a test that was too slow. Once the peer has answered, neither address nor firewall can be at fault;
 * before the first check nobody was asked at all.
 */
export function timeoutFailure({ begun, passed, waiting }: TestStanding): Failure {
  if (!begun) return new Failure('NOT_BEGUN');
  return new Failure('TIMEOUT', { ...(hasAnswered(passed) ? { hint: LATE_HINT } : {}), ...waiting });
}

/** The hint of a lost connection that says nothing more of itself; undefined before the peer has answered. */
export function lostHint(passed: readonly string[]): string | undefined {
  return hasAnswered(passed) ? LOST_HINT : undefined;
}

function hasAnswered(passed: readonly string[]): boolean {
  return passed.some((name) => !ON_THE_WAY.test(name));
}
