import type { CheckProgress, TestOutcome } from '../connectors/kit/checks/run-checks.ts';
import type { Tenancy } from '../connectors/kit/config/tenancy.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import type { EgressPolicy } from '../connectors/kit/network/addresses.ts';

/** One connection test, as the executor gets it. */
export interface TestJob {
  readonly testId: string;
  /** The connector's type: `POSTGRES`. */
  readonly type: string;
  /** Parsed, with its secrets in place. */
  readonly config: Record<string, unknown>;
  /** The plaintext of every secret in the config, for redaction. */
  readonly secrets: readonly string[];
  /** Public names, in order, as planChecks gives them. */
  readonly checks: readonly string[];
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** How clients are laid out inside the datastore; left out: unknown. */
  readonly tenancy?: Tenancy | null;
}

/** A host and port that a config names, and the config path that it stands at. */
export interface JudgedTarget {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** A bastion connects to it, not the gateway. */
  readonly tunnelled?: boolean;
}

export interface TargetVerdict {
  readonly path: string;
  /** `unresolved`: the name has no address, or none was found in time. */
  readonly verdict: 'allowed' | 'not-allowed' | 'unresolved';
}

/** What all tests of a child have in common. */
export interface DialerSettings {
  readonly policy: EgressPolicy;
  /**
   * `host:port` to the `address:port` that stands for it, and a CA that is trusted besides: for the project's own
   * tests.
   */
  readonly names?: Readonly<Record<string, string>>;
  readonly extraCa?: string;
}

/** From the gateway to the child. The first message is `start`. */
export type ToChild =
  | { readonly type: 'start'; readonly settings: DialerSettings }
  /** `run` numbers the attempt; `timeoutMs` is what was left until the deadline when the message was sent. */
  | { readonly type: 'run'; readonly run: number; readonly job: TestJob; readonly timeoutMs: number }
  | { readonly type: 'cancel'; readonly run: number }
  /** A part of a catalog has been taken: the next may be sent. */
  | { readonly type: 'taken'; readonly run: number }
  | {
      readonly type: 'judge';
      readonly judgement: number;
      readonly targets: readonly JudgedTarget[];
      readonly timeoutMs: number;
    }
  | { readonly type: 'stop' };

/** From the child to the gateway. */
export type FromChild =
  | { readonly type: 'ready' }
  /** The heartbeat. */
  | { readonly type: 'alive' }
  /** From now on, whatever the child is busy with belongs to this run. */
  | { readonly type: 'active'; readonly run: number }
  /** `writes`: the check writes to the datastore. */
  | { readonly type: 'event'; readonly run: number; readonly event: CheckProgress; readonly writes: boolean }
  /** A part of a catalog; the next is sent when this one has been taken. */
  | { readonly type: 'catalog'; readonly run: number; readonly entries: readonly CatalogEntry[] }
  | { readonly type: 'outcome'; readonly run: number; readonly outcome: TestOutcome }
  | { readonly type: 'judged'; readonly judgement: number; readonly verdicts: readonly TargetVerdict[] }
  /** Redacted. */
  | { readonly type: 'log'; readonly level: 'info' | 'error'; readonly testId: string | null; readonly text: string };

/** How often the child sends `alive`, in milliseconds. */
export const HEARTBEAT_MS = 250;
