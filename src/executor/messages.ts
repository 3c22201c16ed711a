import { z } from 'zod';
import type { CheckProgress } from '../connectors/kit/checks/run-checks.ts';
import type { Tenancy } from '../connectors/kit/config/tenancy.ts';
import { type CatalogEntry, catalogEntryKinds, catalogLimits } from '../connectors/kit/contract/catalog-entry.ts';
import { Failure, type FailureReport } from '../connectors/kit/contract/failure.ts';
import { listOf } from '../connectors/kit/http/answers.ts';
import type { EgressPolicy, HostAndPort } from '../connectors/kit/network/addresses.ts';
import { type FailureCode, failureCodes } from '../errors/check-failures.ts';

/** One connection test, as the executor gets it. */
export interface TestJob {
  readonly testId: string;
  /** With EXECUTOR_ISOLATION=environment tests of different environments never share a child. */
  readonly environmentId: string;
  /** The connector's type: `POSTGRES`. */
  readonly type: string;
  /** Parsed, with its secrets in place; JSON. */
  readonly config: Record<string, unknown>;
  /** The plaintext of every secret in the config, for redaction. */
  readonly secrets: readonly string[];
  /** Public names, in order, as planChecks gives them. */
  readonly checks: readonly string[];
  /** What is left until its deadline, in milliseconds, when it is handed over. */
  readonly timeoutMs: number;
  /** How clients are laid out inside the datastore; left out: unknown. */
  readonly tenancy?: Tenancy | null;
}

/** A host and port that a config names, and the config path that it stands at. */
export interface JudgedTarget {
  /** In normal form, as configs have it. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The name whose SRV records list the servers that count instead of host and port. */
  readonly service?: string;
  /** A bastion connects to it, not the gateway. */
  readonly tunnelled?: boolean;
}

export interface TargetVerdict {
  readonly path: string;
  /** `unresolved`: the name has no address. `unjudged`: nothing was found out in time. */
  readonly verdict: 'allowed' | 'not-allowed' | 'unresolved' | 'unjudged';
}

/** What all tests of a child have in common. */
export interface DialerSettings {
  readonly policy: EgressPolicy;
  /**
   * `host:port` to the `address:port` that stands for it, and a CA that is trusted besides: for the project's own
   * tests.
   */
  readonly names?: Readonly<Record<string, string>> | undefined;
  readonly publicCa?: string | undefined;
}

/**
 * Milliseconds on a counter that all processes of a machine have in common: whoever sets the machine's clock, and
 * however long a message takes, a deadline stays where it is.
 */
export function machineTime(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Names one attempt at a test, or one judgement, and cannot be guessed. */
export type WorkId = string;

/** From the gateway to the child. The first message is `start`. */
export type ToChild =
  | { readonly type: 'start'; readonly settings: DialerSettings }
  /** No connection leads to this place from now on, in tests that run already either. */
  | { readonly type: 'forbid'; readonly place: HostAndPort }
  /** `deadline` is told by machineTime(). */
  | { readonly type: 'run'; readonly run: WorkId; readonly job: TestJob; readonly deadline: number }
  | { readonly type: 'cancel'; readonly run: WorkId }
  /** A part of a catalog has been taken: the next may be sent. */
  | { readonly type: 'taken'; readonly run: WorkId }
  | {
      readonly type: 'judge';
      readonly judgement: WorkId;
      readonly targets: readonly JudgedTarget[];
      readonly timeoutMs: number;
    }
  | { readonly type: 'stop' };

/** From the child to the gateway, which trusts none of it: see readFromChild. */
export type FromChild =
  | { readonly type: 'ready' }
  /** The heartbeat. */
  | { readonly type: 'alive' }
  /** From now on, whatever the child is busy with belongs to this run. */
  | { readonly type: 'active'; readonly run: WorkId }
  /** `writes`: the check writes to the datastore. */
  | { readonly type: 'event'; readonly run: WorkId; readonly event: CheckProgress; readonly writes: boolean }
  /** A part of a catalog; the next is sent when this one has been taken. */
  | { readonly type: 'catalog'; readonly run: WorkId; readonly entries: readonly CatalogEntry[] }
  /** The test has ended: it passed when there is no failure. The child goes on holding it. */
  | { readonly type: 'outcome'; readonly run: WorkId; readonly failure: FailureReport | null }
  /** What the test had opened at the other side is ended, and the child holds it no more. */
  | { readonly type: 'released'; readonly run: WorkId }
  | { readonly type: 'judged'; readonly judgement: WorkId; readonly verdicts: readonly TargetVerdict[] }
  /** Redacted; `run` is null for what belongs to none. */
  | { readonly type: 'log'; readonly level: 'info' | 'error'; readonly run: WorkId | null; readonly text: string };

/** How often the child sends `alive`, in milliseconds. */
export const HEARTBEAT_MS = 250;
/** The longest message that a child may send, in bytes of JSON. */
export const LONGEST_MESSAGE = 8 * 1024 * 1024;
/** The longest text of a log message, in characters. */
export const LONGEST_LOG = 8_000;

/** A child has sent what no child of ours sends: somebody has taken it over, or it is out of its mind. */
export class BadMessageError extends Error {
  override readonly name = 'BadMessageError';
}

const codes = Object.keys(failureCodes) as [FailureCode, ...FailureCode[]];
const id = z.string().max(64);
const checkName = z.string().max(256);
const MOST_EVIDENCE = 64;
/** A value of 200 characters, some of which may be two units of UTF-16. */
const evidence = z.strictObject({ name: z.string().max(64), value: z.string().max(400) });
/** Cause and message are the table's, whatever the child says. */
const failure = z
  .strictObject({
    code: z.enum(codes),
    cause: z.string(),
    message: z.string(),
    hint: z.string().max(1_000).nullable(),
    configPath: z.string().max(256).nullable(),
  })
  .transform(({ code, hint, configPath }): FailureReport => ({ ...new Failure(code).report, hint, configPath }));
const catalogName = z.string().max(catalogLimits.name);
const column = z.strictObject({ name: catalogName, dataType: catalogName, nullable: z.boolean().nullable() });
const entry = z.strictObject({
  namespace: catalogName.nullable(),
  name: catalogName,
  kind: z.enum(catalogEntryKinds),
  readable: z.boolean().nullish(),
  columns: listOf(column).refine((columns) => columns.length <= catalogLimits.columns),
});
const progress = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('started'), name: checkName }),
  z.strictObject({
    kind: z.literal('ended'),
    name: checkName,
    status: z.enum(['PASSED', 'WARNING', 'FAILED']),
    durationMs: z.number().nonnegative(),
    evidence: listOf(evidence).refine((items) => items.length <= MOST_EVIDENCE),
    failure: failure.nullable(),
  }),
]);
const verdict = z.strictObject({
  path: z.string(),
  verdict: z.enum(['allowed', 'not-allowed', 'unresolved', 'unjudged']),
});

const fromChild: z.ZodType<FromChild> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('alive') }),
  z.strictObject({ type: z.literal('active'), run: id }),
  z.strictObject({ type: z.literal('event'), run: id, event: progress, writes: z.boolean() }),
  z.strictObject({ type: z.literal('catalog'), run: id, entries: listOf(entry) }),
  z.strictObject({ type: z.literal('outcome'), run: id, failure: failure.nullable() }),
  z.strictObject({ type: z.literal('released'), run: id }),
  z.strictObject({ type: z.literal('judged'), judgement: id, verdicts: listOf(verdict) }),
  z.strictObject({
    type: z.literal('log'),
    level: z.enum(['info', 'error']),
    run: id.nullable(),
    text: z.string().max(LONGEST_LOG),
  }),
]);

/** Reads what another process tells of a check, by the rules of what a child tells. @throws BadMessageError */
export function readProgress(told: unknown): CheckProgress {
  return readBy(progress, told);
}

/** The same for why a test failed; null for one that did not. @throws BadMessageError */
export function readFailure(told: unknown): FailureReport | null {
  return readBy(failure.nullable(), told);
}

/** The same for a part of a catalog. @throws BadMessageError */
export function readCatalogPart(told: unknown): readonly CatalogEntry[] {
  return readBy(listOf(entry), told);
}

/** @throws BadMessageError for whatever is none of the messages */
export function readFromChild(message: unknown): FromChild {
  return readBy(fromChild, message);
}

function readBy<Form extends z.ZodType>(form: Form, message: unknown): z.output<Form> {
  const { success, data } = form.safeParse(message);
  if (!success) throw new BadMessageError('It has sent a message of another form.');
  return data;
}
