import { failureCodes } from '../../../errors/check-failures.ts';
import type { Tenancy } from '../config/tenancy.ts';
import type { CatalogEntry } from '../contract/catalog-entry.ts';
import {
  allChecksOf,
  type Check,
  type CheckContext,
  type Connector,
  checkName,
  type Dialer,
  type Evidence,
  type Link,
  type OwnStorage,
  type TestContext,
} from '../contract/connector.ts';
import { explainNetworkError } from '../contract/explain.ts';
import { Failure, type FailureDetails, type FailureReport } from '../contract/failure.ts';
import { requireSecrets } from './authenticate.ts';
import { CLEAN_UP_MS, CleanUps } from './clean-up.ts';
import { createRedactor, type Redactor } from './redact.ts';
import { lostHint, timeoutFailure } from './timeout.ts';
import { unlessAborted } from './unless-aborted.ts';

/** The longest value of evidence and the longest entry of the log, in characters. */
const LONGEST_VALUE = 200;
const LONGEST_LOG = 8_000;
/** How many errors behind an error the log shows. */
const DEEPEST_CAUSE = 3;
const FIXED_HOST_HINT =
  'Something on the way may answer in the place of the service, a proxy that looks into TLS say: ask the operator of the gateway.';
/** What has none of the characters below, and none that is two units of UTF-16. */
const PLAIN = /^[\x20-\x7e]*$/;
/**
 * Control and format characters (bidi overrides among them), lone surrogates, private use, line and paragraph
 * separators.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** A check has started. */
export interface CheckStarted {
  readonly kind: 'started';
  /** The public name: `s3/bucket/head`. */
  readonly name: string;
}

/** A check has ended. */
export interface CheckEnded {
  readonly kind: 'ended';
  readonly name: string;
  readonly status: 'PASSED' | 'WARNING' | 'FAILED';
  /** The time that the check took, with at most one decimal. */
  readonly durationMs: number;
  /** What the check found out, redacted; each value has at most 200 printable characters. */
  readonly evidence: readonly EvidenceItem[];
  /** The failure of a FAILED check; null for any other. */
  readonly failure: FailureReport | null;
}

export type CheckProgress = CheckStarted | CheckEnded;

export interface EvidenceItem {
  readonly name: string;
  readonly value: string;
}

/** How a test ended. */
export interface TestOutcome {
  readonly status: 'PASSED' | 'FAILED' | 'CANCELLED';
  readonly failure: FailureReport | null;
  /** The public names of the checks that did not get their turn. */
  readonly skipped: readonly string[];
}

/** The reason of a signal that aborts a test. `thrown`: something of the test threw where nobody caught it. */
export type AbortReason = 'deadline' | 'cancelled' | 'thrown';

/**
 * Takes a redacted line for the operator's log: `error` for what nobody expected, `info` for the error behind a known
 * failure.
 */
export type CheckLog = (level: 'info' | 'error', text: string) => void;

export interface RunChecksOptions {
  readonly connector: Connector;
  /** The parsed config, with its secrets in place. */
  readonly config: Record<string, unknown>;
  /** The public names of the checks to run, in order. */
  readonly checks: readonly string[];
  readonly dialer: Dialer;
  /** Aborts the test. Its reason is an AbortReason; any other counts as cancelled. */
  readonly signal: AbortSignal;
  /** The plaintext of every secret in the config: no evidence and no log line shows one. */
  readonly secrets: readonly string[];
  readonly onEvent: (event: CheckProgress) => void;
  /** How clients are laid out inside the datastore. Left out: the datastore says nothing of clients. */
  readonly tenancy?: Tenancy | null;
  /** Takes the entries of a catalog read, and resolves when it can take more. Left out: the entries are dropped. */
  readonly onCatalog?: (entries: readonly CatalogEntry[]) => Promise<void>;
  readonly log?: CheckLog;
  /** For a type that runs in the gateway. */
  readonly storage?: OwnStorage;
  /** Takes the outcome as soon as it is there, before what the test has opened at the other side is ended. */
  readonly onOutcome?: (outcome: TestOutcome) => void;
  /** How long that may take, in milliseconds. Left out: 1,000. */
  readonly cleanUpMs?: number;
}

/**
 * Runs checks one after the other, up to the first that fails, and tells onEvent when each starts and ends. This is the
 * one place that times, catches, redacts and skips. onOutcome is called as soon as the signal aborts, whatever the
 * running check does; what the checks have left at the other side is ended after that, for `cleanUpMs` at most. Rejects
 * for a check that the connector does not have: planChecks has refused it before.
 */
export async function runChecks(options: RunChecksOptions): Promise<TestOutcome> {
  const { connector, config, checks: names, dialer, signal } = options;
  const checks = names.map((name) => checkOf(connector, name));
  const redactor = createRedactor(options.secrets);
  const { tenancy = null, onCatalog = async () => undefined, onOutcome, cleanUpMs = CLEAN_UP_MS } = options;
  const cleanUps = new CleanUps();
  const progress: Progress = { passed: [], waiting: {} };
  const test: TestContext<Record<string, unknown>> = {
    config,
    signal,
    dialer,
    link: createLink(),
    storage: options.storage,
    tenancy,
    emitCatalog: onCatalog,
    onEnd: (cleanUp, leaves) => cleanUps.add(cleanUp, leaves),
    waitsFor: (what) => {
      progress.waiting = what;
    },
  };
  const state = connector.createState(test);
  try {
    const outcome = await outcomeOf(checks, { ...test, state }, { ...options, redactor, progress });
    onOutcome?.(outcome);
    await cleanUps.run(test, cleanUpMs, (error) => logError(options, redactor, 'info', 'clean-up', error));
    return outcome;
  } finally {
    try {
      connector.close?.(state);
    } catch (error) {
      logError(options, redactor, 'error', 'close', error);
    }
  }
}

/** How far a test has come, for the words of a TIMEOUT. */
interface Progress {
  /** The public names of the checks that have passed. */
  readonly passed: string[];
  /** What the running check waits for. */
  waiting: FailureDetails;
}

interface Run extends RunChecksOptions {
  readonly redactor: Redactor;
  readonly progress: Progress;
}

async function outcomeOf(checks: readonly AnyCheck[], context: AnyContext, run: Run): Promise<TestOutcome> {
  const { checks: names, signal, progress } = run;
  for (const [index, check] of checks.entries()) {
    if (signal.aborted) return failed(abortFailure(signal, progress, index > 0).report, names.slice(index));
    const failure = await runCheck(check, context, run);
    if (failure) return failed(failure, names.slice(index + 1));
    progress.passed.push(checkName(run.connector, check));
    progress.waiting = {};
  }
  return { status: 'PASSED', failure: null, skipped: [] };
}

/** The outcome of a test that ends with this failure. */
export function failed(failure: FailureReport, skipped: readonly string[]): TestOutcome {
  return { status: failure.cause === 'CANCELLED' ? 'CANCELLED' : 'FAILED', failure, skipped };
}

/** Milliseconds between two moments of performance.now(), with at most one decimal. */
export function durationBetween(from: number, to: number): number {
  return Math.round((to - from) * 10) / 10;
}

type AnyCheck = Check<Record<string, unknown>, unknown>;
type AnyContext = CheckContext<Record<string, unknown>, unknown>;

async function runCheck(check: AnyCheck, context: AnyContext, run: Run): Promise<FailureReport | null> {
  const name = checkName(run.connector, check);
  run.onEvent({ kind: 'started', name });
  const start = performance.now();
  const { status, evidence, failure } = await resultOf(check, name, context, run);
  const durationMs = durationBetween(start, performance.now());
  run.onEvent({ kind: 'ended', name, status, durationMs, evidence: evidenceItems(evidence, run.redactor), failure });
  return failure;
}

interface CheckResult {
  readonly status: CheckEnded['status'];
  readonly evidence: Evidence;
  readonly failure: FailureReport | null;
}

async function resultOf(check: AnyCheck, name: string, context: AnyContext, run: Run): Promise<CheckResult> {
  const { signal } = context;
  try {
    requireSecrets(check, run.connector, run.config);
    const { evidence, warning } = await unlessAborted(() => check.run(context), signal);
    return { status: warning ? 'WARNING' : 'PASSED', evidence, failure: null };
  } catch (error) {
    const failure = signal.aborted ? abortFailure(signal, run.progress, true) : failureOf(error, name, run);
    return { status: 'FAILED', evidence: failure.evidence, failure: failure.report };
  }
}

function abortFailure(signal: AbortSignal, { passed, waiting }: Progress, begun: boolean): Failure {
  const reason: unknown = signal.reason;
  if (reason === 'thrown') return new Failure('INTERNAL');
  const late = reason === 'deadline' || (reason instanceof DOMException && reason.name === 'TimeoutError');
  return late ? timeoutFailure({ begun, passed, waiting }) : new Failure('CANCELLED');
}

function failureOf(error: unknown, name: string, run: Run): Failure {
  const { redactor } = run;
  const found = explained(error, name, run, redactor);
  if (!found) {
    logError(run, redactor, 'error', name, error);
    return new Failure('INTERNAL');
  }
  const failure = ofFixedHost(inStep(found, run.progress), run.connector);
  const cause = error instanceof Failure ? error.cause : error;
  if (cause !== undefined) logError(run, redactor, failure.report.code === 'INTERNAL' ? 'error' : 'info', name, cause);
  return failure;
}

/** The same failure; a TIMEOUT or a lost connection of the network in the words for how far the test has come. */
function inStep(failure: Failure, { passed, waiting }: Progress): Failure {
  const { code, hint } = failure.report;
  const details = { error: failure.cause, evidence: failure.evidence };
  if (code === 'TIMEOUT' && hint === failureCodes.TIMEOUT.hint)
    return timeoutFailure({ begun: true, passed, waiting: { ...waiting, ...details } });
  const lost = isEnded(failure) ? lostHint(passed) : undefined;
  return lost === undefined ? failure : new Failure('CONNECTION_LOST', { ...details, hint: lost });
}

/** Whether the peer has ended a connection, be it before the handshake of a new one was over. */
function isEnded({ report: { code, hint }, cause }: Failure): boolean {
  if (code === 'CONNECTION_LOST') return hint === failureCodes.CONNECTION_LOST.hint;
  if (code !== 'TLS_FAILED' || hint !== failureCodes.TLS_FAILED.hint) return false;
  return cause === undefined || explainNetworkError(cause)?.report.code === 'CONNECTION_LOST';
}

function explained(error: unknown, name: string, options: RunChecksOptions, redactor: Redactor): Failure | undefined {
  const { connector, config } = options;
  const known = error instanceof Failure ? error : undefined;
  try {
    const own = known ?? connector.explain?.(error, config);
    if (own && own.report.configPath !== null) return own;
    const target = connector.targets(config)[0];
    const paths = { hostPath: target?.hostPath, portPath: target?.portPath };
    // it finds the field that a failure without one is about
    return explainNetworkError(own ?? error, paths) ?? own;
  } catch (mistake) {
    logError(options, redactor, 'error', name, mistake);
    return known;
  }
}

/** The same failure without a path into `tls` when the type's host is fixed, and its config has no such block. */
function ofFixedHost(failure: Failure, connector: Connector): Failure {
  const { code, configPath } = failure.report;
  if (!configPath?.startsWith('tls.') || 'tls' in connector.config.shape) return failure;
  return new Failure(code, { hint: FIXED_HOST_HINT, error: failure.cause, evidence: failure.evidence });
}

function logError(
  options: RunChecksOptions,
  redactor: Redactor,
  level: 'info' | 'error',
  where: string,
  error: unknown,
): void {
  options.log?.(level, redactor.lines(`${where}: ${errorText(error, level === 'error')}`).slice(0, LONGEST_LOG));
}

/** The text of an error and of what caused it, for the log; with stacks when asked for, and not redacted yet. */
export function errorText(error: unknown, withStack: boolean, depth = 0): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? ` [${String(error.code)}]` : '';
  const text = withStack ? (error.stack ?? String(error)) : String(error);
  const inner = error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause];
  const causes =
    depth < DEEPEST_CAUSE ? inner.map((each) => `\ncaused by ${errorText(each, withStack, depth + 1)}`) : [];
  return `${text}${code}${causes.join('')}`;
}

function evidenceItems(evidence: Evidence, redactor: Redactor): EvidenceItem[] {
  return Object.entries(evidence).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value: printable(String(value), redactor) }],
  );
}

function printable(text: string, redactor: Redactor): string {
  // the text is redacted before and after: cleaning joins what a control character keeps apart, and cutting hides an
  // end
  const redacted = redactor.value(text);
  // most of it has nothing to clean, which is seen sooner than cleaned
  if (PLAIN.test(redacted) && redacted.length <= LONGEST_VALUE) return redacted;
  const clean = redactor.value(redacted.replace(UNPRINTABLE, ''));
  const characters = Array.from(clean);
  return characters.length <= LONGEST_VALUE ? clean : `${characters.slice(0, LONGEST_VALUE - 1).join('')}…`;
}

function createLink(): Link {
  const link: Link = {
    socket: undefined,
    take() {
      const { socket } = link;
      if (!socket) throw new Error('The test has no prepared connection to take.');
      link.socket = undefined;
      return socket;
    },
  };
  return link;
}

function checkOf(connector: Connector, name: string): AnyCheck {
  const check = allChecksOf(connector).find((each) => checkName(connector, each) === name);
  if (!check) throw new Error(`${connector.type} has no check ${name}.`);
  return check;
}

/** The public names of the checks to run, in order; or why the methods that were asked for cannot be run. */
export type CheckPlan = { readonly checks: readonly string[] } | RefusedPlan;

export interface RefusedPlan {
  /** Names that the connector does not have. */
  readonly unknown: readonly string[];
  /** Names of checks that have nothing to do for this config. */
  readonly notApplicable: readonly string[];
  /** True when the list of methods is empty. */
  readonly empty: boolean;
}

/**
 * Tells which checks a test runs; for null, the default ones. A check that was asked for brings along every base check
 * before it that applies. The order is the connector's, and a name that was given twice counts once.
 */
export function planChecks(
  connector: Connector,
  config: Record<string, unknown>,
  methods: readonly string[] | null,
  tenancy: Tenancy | null = null,
): CheckPlan {
  const applicable = connector.checks.filter((check) => check.appliesTo?.(config, tenancy) ?? true);
  const asked = methods && new Set(methods);
  if (asked) {
    const known = connector.checks.map((check) => checkName(connector, check));
    const usable = applicable.map((check) => checkName(connector, check));
    const unknown = [...asked].filter((name) => !known.includes(name));
    const notApplicable = [...asked].filter((name) => known.includes(name) && !usable.includes(name));
    const empty = asked.size === 0;
    if (empty || unknown.length > 0 || notApplicable.length > 0) return { unknown, notApplicable, empty };
  }
  const wanted = (check: AnyCheck) => (asked ? asked.has(checkName(connector, check)) : (check.runsByDefault ?? true));
  const last = applicable.findLastIndex(wanted);
  const chosen = applicable.filter((check, index) => wanted(check) || (check.base === true && index < last));
  return { checks: chosen.map((check) => checkName(connector, check)) };
}

/** The public names of what a catalog refresh runs: every base check that applies, then the reading. */
export function planCatalog(connector: Connector, config: Record<string, unknown>): readonly string[] {
  const { catalogCheck } = connector;
  if (!catalogCheck) throw new Error(`${connector.type} has no catalog.`);
  const base = connector.checks.filter((check) => check.base === true && (check.appliesTo?.(config, null) ?? true));
  return [...base, catalogCheck].map((check) => checkName(connector, check));
}
