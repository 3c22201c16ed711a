/**
 * This is the entry of the executor's child process. It runs the tests that the gateway sends, many at a time. It has
 * no key, no database, no home directory, no environment and no files but the program's own. It ends when the gateway
 * does.
 */

import { createRedactor } from '../connectors/kit/checks/redact.ts';
import {
  type AbortReason,
  type CheckProgress,
  errorText,
  failed,
  runChecks,
  type TestOutcome,
} from '../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import type { Connector, Dialer } from '../connectors/kit/contract/connector.ts';
import { Failure } from '../connectors/kit/contract/failure.ts';
import { judgeBehindTunnel } from '../connectors/kit/network/addresses.ts';
import { PolicedDialer } from '../connectors/kit/network/dialer.ts';
import { watchActivity } from './activity.ts';
import {
  type DialerSettings,
  type FromChild,
  HEARTBEAT_MS,
  type JudgedTarget,
  type TargetVerdict,
  type TestJob,
  type ToChild,
} from './messages.ts';

/** How long after a test an error that nobody caught may be about it, in milliseconds. */
const LINGER_MS = 5_000;

/** Aborts a test that runs, by run. */
const running = new Map<number, (reason: AbortReason) => void>();
/** Lets the reading of a catalog go on, by run. */
const catalogTaken = new Map<number, () => void>();
/** The secrets of the tests that run or that ended less than 5 s ago, by run. */
const secrets = new Map<number, readonly string[]>();
const [registryUrl] = process.argv.slice(2);
let settings: DialerSettings | undefined;
let lastActive: number | undefined;

process.on('disconnect', () => process.exit(0));
// nobody knows what state the process is in then: the gateway runs the tests again in a new one
process.on('uncaughtException', (error) => {
  const redactor = createRedactor([...secrets.values()].flat());
  send({ type: 'log', level: 'error', testId: null, text: redactor.lines(errorText(error, true)) }, () =>
    process.exit(1),
  );
});

const { connectorOf }: { connectorOf: (type: string) => Connector } = registryUrl
  ? await import(registryUrl)
  : await import('../connectors/registry.ts');

process.on('message', (message: ToChild) => {
  switch (message.type) {
    case 'start':
      settings = message.settings;
      return send({ type: 'ready' });
    case 'run':
      return void runTest(message.run, message.job, message.timeoutMs);
    case 'cancel':
      return running.get(message.run)?.('cancelled');
    case 'taken':
      return catalogTaken.get(message.run)?.();
    case 'judge':
      return void judge(message.judgement, message.targets, message.timeoutMs);
    case 'stop':
      return process.exit(0);
  }
});
setInterval(() => send({ type: 'alive' }), HEARTBEAT_MS);

async function runTest(run: number, job: TestJob, timeoutMs: number): Promise<void> {
  const controller = new AbortController();
  const dialer = new PolicedDialer({ ...dialerSettings(), signal: controller.signal });
  const abort = (reason: AbortReason) => {
    controller.abort(reason);
    dialer.close();
  };
  running.set(run, abort);
  secrets.set(run, job.secrets);
  // the smaller one: a clock that was set back in between must not lengthen the test
  const left = Math.min(timeoutMs, job.deadline - Date.now());
  const timer = setTimeout(() => abort('deadline'), Math.max(0, left));
  if (left <= 0) abort('deadline');
  const watched = watchActivity(dialer, () => markActive(run));
  const outcome = await outcomeOf(run, job, watched, controller.signal);
  clearTimeout(timer);
  dialer.close();
  running.delete(run);
  catalogTaken.delete(run);
  setTimeout(() => secrets.delete(run), LINGER_MS);
  send({ type: 'outcome', run, outcome });
}

async function outcomeOf(run: number, job: TestJob, dialer: Dialer, signal: AbortSignal): Promise<TestOutcome> {
  const log = (level: 'info' | 'error', text: string) => send({ type: 'log', level, testId: job.testId, text });
  try {
    const connector = connectorOf(job.type);
    const writing = new Set(connector.checks.filter((check) => check.writes).map((check) => check.name));
    const onEvent = (event: CheckProgress) => {
      lastActive = run;
      send({ type: 'event', run, event, writes: writing.has(event.name.slice(event.name.indexOf('/') + 1)) });
    };
    const onCatalog = (entries: readonly CatalogEntry[]) => sendCatalog(run, entries);
    return await runChecks({ ...job, connector, dialer, signal, onEvent, onCatalog, log });
  } catch (error) {
    log('error', createRedactor(job.secrets).lines(errorText(error, true)));
    return failed(new Failure('INTERNAL').report, job.checks);
  }
}

/** Resolves when the gateway has taken the part, so that a large catalog never waits in a pipe. */
function sendCatalog(run: number, entries: readonly CatalogEntry[]): Promise<void> {
  return new Promise((resolve) => {
    catalogTaken.set(run, resolve);
    send({ type: 'catalog', run, entries });
  });
}

async function judge(judgement: number, targets: readonly JudgedTarget[], timeoutMs: number): Promise<void> {
  const controller = new AbortController();
  const dialer = new PolicedDialer({ ...dialerSettings(), signal: controller.signal });
  const abort = () => controller.abort('deadline' satisfies AbortReason);
  const timer = setTimeout(abort, timeoutMs);
  const verdictOn = async ({ host, port, path, tunnelled }: JudgedTarget): Promise<TargetVerdict> => {
    if (tunnelled) return { path, verdict: judgeBehindTunnel(host, port) === 'never' ? 'not-allowed' : 'allowed' };
    try {
      await dialer.resolve(host, port);
      return { path, verdict: 'allowed' };
    } catch (error) {
      return { path, verdict: controller.signal.aborted ? 'unresolved' : refusal(error) };
    }
  };
  const verdicts = await Promise.all(targets.map(verdictOn));
  clearTimeout(timer);
  abort();
  dialer.close();
  send({ type: 'judged', judgement, verdicts });
}

function refusal(error: unknown): TargetVerdict['verdict'] {
  if (error instanceof Failure) return error.report.cause === 'ADDRESS_NOT_ALLOWED' ? 'not-allowed' : 'unresolved';
  send({ type: 'log', level: 'error', testId: null, text: errorText(error, true) });
  return 'unresolved';
}

function dialerSettings(): DialerSettings {
  if (!settings) throw new Error('The first message to an executor must be start.');
  return settings;
}

/**
 * Says which run is busy before it goes on, so that the gateway knows it even when the run never gives the loop back.
 */
function markActive(run: number): void {
  if (lastActive === run) return;
  lastActive = run;
  send({ type: 'active', run });
}

function send(message: FromChild, sent?: () => void): void {
  // a failed write means that the gateway has gone
  process.send?.(message, undefined, undefined, (error) => (error ? process.exit(0) : sent?.()));
}
