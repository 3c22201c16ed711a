import type { TestJob } from '../../executor/executor.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';

/** What a lease is sealed for, as HPKE's `info`. */
export const LEASE_INFO = 'datastore-gateway lease';

/** A test that a worker has taken, as a gateway tells it. */
export interface SealedLease {
  readonly testId: string;
  readonly attempt: number;
  readonly sequence: number;
  /** A LeaseContent, sealed to the worker's key in the place leasePlace(). */
  readonly sealed: string;
}

/** What is sealed in a lease, as JSON. */
export interface LeaseContent {
  readonly test: ConnectionTest;
  readonly deadlineAt: string;
  readonly traceparent: string | null;
  /** Its time is what is left until the deadline. */
  readonly job: Omit<TestJob, 'timeoutMs'>;
}

/** A lease opens for the worker and the attempt that it was made for. */
export function leasePlace(workerId: string, { testId, attempt }: Pick<SealedLease, 'testId' | 'attempt'>): string[] {
  return [workerId, testId, String(attempt)];
}
