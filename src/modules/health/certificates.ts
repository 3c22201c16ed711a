import type { CheckResult } from '../connection-tests/test.ts';

/** A certificate that a server has shown. */
export interface SeenCertificate {
  /** The SHA-256 of it, as `openssl x509 -fingerprint` prints it. */
  readonly fingerprint: string;
  /** ISO 8601. */
  readonly expiresAt: string;
}

/** So long before its end a certificate is told of, in milliseconds: as long as a check of it makes a warning. */
const SOON_MS = 14 * 86_400_000;
/** How many certificates of a datastore are remembered as told: those of the servers behind one name, say. */
const MOST_TOLD = 20;

const FINGERPRINT = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** The certificates that a test has seen, each once. What a check says without their form is none. */
export function certificatesOf(checks: readonly CheckResult[]): SeenCertificate[] {
  const seen = new Map<string, SeenCertificate>();
  for (const { evidence } of checks) {
    const found = (wanted: string) => evidence.find(({ name }) => name === wanted)?.value ?? '';
    const [fingerprint, expiresAt] = [found('fingerprintSha256'), found('expiresAt')];
    if (FINGERPRINT.test(fingerprint) && INSTANT.test(expiresAt)) seen.set(fingerprint, { fingerprint, expiresAt });
  }
  return [...seen.values()];
}

/** What is known of the certificates of a datastore. */
export interface CertificateState {
  /** When the first one ends of those that were seen last; null where none was. */
  readonly expiresAt: string | null;
  /** The fingerprints of those that were told of, the newest last. */
  readonly told: readonly string[];
}

/**
 * What is known after one more test, and of which certificates to tell now. A test that came to no certificate says
 * nothing about it when it failed, and that there is none when it passed.
 */
export function afterTest(
  before: CertificateState,
  { status, checks }: { readonly status: string; readonly checks: readonly CheckResult[] },
  now: number,
): { readonly state: CertificateState; readonly toTell: readonly SeenCertificate[] } {
  const seen = certificatesOf(checks);
  if (seen.length === 0) return { state: status === 'PASSED' ? { ...before, expiresAt: null } : before, toTell: [] };
  const ends = seen.map(({ expiresAt }) => expiresAt).toSorted();
  const soon = seen.filter(({ expiresAt }) => Date.parse(expiresAt) - now < SOON_MS);
  const toTell = soon.filter(({ fingerprint }) => !before.told.includes(fingerprint));
  // one that is seen again is remembered before those that are gone
  const again = soon.map(({ fingerprint }) => fingerprint);
  const told = [...before.told.filter((fingerprint) => !again.includes(fingerprint)), ...again].slice(-MOST_TOLD);
  return { state: { expiresAt: ends[0] ?? null, told }, toTell };
}
