import type { ExecutionResult } from 'graphql';
import type { Polled } from '../platform/streams/polled-stream.ts';

/** What each request brings along to Yoga, whichever way it came. */
export interface Caller<Access> {
  readonly access: Access;
  readonly token: string;
  /** Undefined over WebSocket. */
  readonly request?: Request;
  readonly params?: {
    readonly operationName?: string | null;
    readonly extensions?: Readonly<Record<string, unknown>>;
  };
  /** What is learned of the answer on the way. Undefined over WebSocket. */
  readonly answer?: AnswerMark;
  /** Where a subscription's results are found by who masks their errors itself. Undefined over HTTP. */
  readonly opened?: { stream?: Polled<ExecutionResult> };
}

/** Whether an answer holds secrets, and so is never compressed: its length would tell of what is in it. */
export interface AnswerMark {
  holdsSecrets: boolean;
}
