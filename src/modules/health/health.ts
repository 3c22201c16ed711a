import type { CertificateState } from './certificates.ts';

/** What the last health checks found. */
export const healthStatuses = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY'] as const;
export type HealthStatus = (typeof healthStatuses)[number];
export type HealthResult = Exclude<HealthStatus, 'UNKNOWN'>;

/** How a datastore is, as its health checks see it. */
export interface Health {
  readonly status: HealthStatus;
  /** ISO 8601; null while nothing is known. */
  readonly since: string | null;
  /** A result that differs from the status once: the second one in a row changes it. */
  readonly differing: HealthResult | null;
  /** How many checks in a row have failed. */
  readonly failures: number;
  readonly nextCheckAt: string | null;
  /** Why no more checks are made; null while they are. */
  readonly pausedReason: string | null;
  readonly certificates: CertificateState;
}

/** Before the first check. */
export const unknownHealth: Health = {
  status: 'UNKNOWN',
  since: null,
  differing: null,
  failures: 0,
  nextCheckAt: null,
  pausedReason: null,
  certificates: { expiresAt: null, told: [] },
};

const MINUTE_MS = 60_000;
/** While checks fail they come less and less often, up to this many times the wanted pause, and a day. */
const MOST_BACKOFF = 8;
const LONGEST_PAUSE_MINUTES = 1_440;
/** Up to how much of a pause a check may come earlier, so that those of one minute spread out. */
const SPREAD = 0.1;
/** After so many refused sign-ins in a row no more are tried: many servers lock an account that goes on. */
const MOST_REFUSALS = 5;
const REFUSED =
  'The server refused the sign-in five times in a row. No more is tried, so that it locks no account: change the datastore, or set checkEveryMinutes again.';

/** What came of a check. */
export interface CheckOutcome {
  readonly result: HealthResult;
  /** The cause of the failure; null when it passed. */
  readonly cause: string | null;
  readonly at: Date;
}

/** The health after one more check. `random` is from 0 to 1. */
export function afterCheck(before: Health, outcome: CheckOutcome, everyMinutes: number, random: number): Health {
  const { result, cause, at } = outcome;
  const failures = result === 'HEALTHY' ? 0 : before.failures + 1;
  const changes = before.status === 'UNKNOWN' || (before.status !== result && before.differing === result);
  const isPaused = cause === 'AUTHENTICATION' && failures >= MOST_REFUSALS;
  return {
    status: changes ? result : before.status,
    since: changes ? at.toISOString() : before.since,
    differing: changes || before.status === result ? null : result,
    failures,
    nextCheckAt: isPaused ? null : new Date(at.getTime() + pauseMs(everyMinutes, failures, random)).toISOString(),
    pausedReason: isPaused ? REFUSED : null,
    certificates: before.certificates,
  };
}

/** How long it is from one check to the next while all is well, in milliseconds. */
export function intervalMs(everyMinutes: number): number {
  return everyMinutes * MINUTE_MS;
}

/** The pause before the next check, in milliseconds. */
function pauseMs(everyMinutes: number, failures: number, random: number): number {
  const backoff = Math.min(2 ** Math.max(0, failures - 1), MOST_BACKOFF);
  const minutes = Math.max(everyMinutes, Math.min(everyMinutes * backoff, LONGEST_PAUSE_MINUTES));
  return intervalMs(minutes) * (1 - random * SPREAD);
}

/** When the first check comes: within a minute, so that its result is soon there. */
export function firstCheckAt(now: number, random: number): string {
  return new Date(now + random * MINUTE_MS).toISOString();
}
