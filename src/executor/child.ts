/**
 * This is the entry of the executor's child process. It runs the tests that the gateway sends, many at a time. It has
 * no key, no database, no home directory, no environment and no files but the program's own. It ends when the gateway
 * does.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { Socket } from 'node:net';
import { createRedactor } from '../connectors/kit/checks/redact.ts';
import {
  type AbortReason,
  type CheckLog,
  type CheckProgress,
  errorText,
  runChecks,
} from '../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../connectors/kit/contract/catalog-entry.ts';
import type { Connector, Dialer } from '../connectors/kit/contract/connector.ts';
import { Failure, type FailureReport } from '../connectors/kit/contract/failure.ts';
import type { HostAndPort } from '../connectors/kit/network/addresses.ts';
import { PolicedDialer } from '../connectors/kit/network/dialer.ts';
import { watchActivity } from './activity.ts';
import { GatheringWriter, readMessages } from './channel.ts';
import { CHANNEL_FD } from './child-command.ts';
import { judgeNames } from './judge-names.ts';
import {
  type DialerSettings,
  type FromChild,
  HEARTBEAT_MS,
  type JudgedTarget,
  LONGEST_LOG,
  machineTime,
  type TestJob,
  type ToChild,
  type WorkId,
} from './messages.ts';

/** How long after a test an error that nobody caught may be about it, in milliseconds. */
const LINGER_MS = 5_000;

/** Aborts a test that runs, by run. */
const running = new Map<WorkId, (reason: AbortReason) => void>();
/** The tests of which something is left to do. */
const tests = new Set<Promise<void>>();
/** Lets the reading of a catalog go on, by run. */
const catalogTaken = new Map<WorkId, () => void>();
/** The secrets of the tests that run or that ended less than 5 s ago, by run. */
const secrets = new Map<WorkId, readonly string[]>();
/** The run that whatever happens belongs to: callbacks, timers and sockets inherit it from who made them. */
const currentRun = new AsyncLocalStorage<WorkId>();
const channel = new Socket({ fd: CHANNEL_FD });
const writer = new GatheringWriter(channel);
const [listUrl] = process.argv.slice(2);
let settings: DialerSettings | undefined;
/** Every dialer holds this list, which grows. */
const forbidden: HostAndPort[] = [];
let lastActive: WorkId | undefined;

// the gateway has gone
channel.on('error', () => process.exit(0)).on('close', () => process.exit(0));
process.on('uncaughtException', (error) => {
  const run = currentRun.getStore();
  const text = createRedactor([...secrets.values()].flat()).lines(errorText(error, true));
  if (run === undefined) {
    // nobody knows what state the process is in then: the gateway runs the tests again in a new one
    log('error', null, text, () => process.exit(1));
    return;
  }
  const abort = running.get(run);
  log('error', abort ? run : null, text);
  // it was thrown by what one test has set going, in a stack that has nothing of the others
  abort?.('thrown');
});
// a driver that ends the process is named before it does
process.on('exit', () => {
  const run = currentRun.getStore();
  if (run !== undefined) markActive(run);
  writer.flush();
});

const { loadConnector }: { loadConnector: (type: string) => Promise<Connector> } = listUrl
  ? await import(listUrl)
  : await import('../connectors/list.ts');

readMessages(channel, Number.POSITIVE_INFINITY, {
  onMessage: (message) => receive(message as ToChild),
  onUnreadable: () => process.exit(1),
});
setInterval(() => send({ type: 'alive' }), HEARTBEAT_MS);

function receive(message: ToChild): void {
  switch (message.type) {
    case 'start':
      forbidden.push(...message.settings.policy.forbidden);
      settings = { ...message.settings, policy: { ...message.settings.policy, forbidden } };
      send({ type: 'ready' });
      break;
    case 'forbid':
      forbidden.push(message.place);
      break;
    case 'run': {
      const { run, job, deadline } = message;
      const test = currentRun.run(run, () => runTest(run, job, deadline)).finally(() => tests.delete(test));
      tests.add(test);
      break;
    }
    case 'cancel':
      running.get(message.run)?.('cancelled');
      break;
    case 'taken':
      catalogTaken.get(message.run)?.();
      break;
    case 'judge':
      void judge(message.judgement, message.targets, message.timeoutMs);
      break;
    case 'stop':
      void stop();
  }
}

async function runTest(run: WorkId, job: TestJob, deadline: number): Promise<void> {
  const controller = new AbortController();
  const dialer = new PolicedDialer({ ...dialerSettings(), signal: controller.signal });
  const abort = (reason: AbortReason) => controller.abort(reason);
  running.set(run, abort);
  secrets.set(run, job.secrets);
  const left = deadline - machineTime();
  const timer = setTimeout(() => abort('deadline'), Math.max(0, left));
  if (left <= 0) abort('deadline');
  const watched = watchActivity(dialer, () => markActive(run));
  await runAllChecks(run, job, watched, controller.signal, (failure) => {
    clearTimeout(timer);
    sendNow({ type: 'outcome', run, failure });
  });
  dialer.close();
  running.delete(run);
  catalogTaken.delete(run);
  setTimeout(() => secrets.delete(run), LINGER_MS);
  send({ type: 'released', run });
}

/** Settles when nothing is left of the test; `onOutcome` is called before that. */
async function runAllChecks(
  run: WorkId,
  job: TestJob,
  dialer: Dialer,
  signal: AbortSignal,
  onOutcome: (failure: FailureReport | null) => void,
): Promise<void> {
  let isOver = false;
  const conclude = (failure: FailureReport | null) => {
    if (!isOver) onOutcome(failure);
    isOver = true;
  };
  try {
    // what a module sets going while it is loaded belongs to no run
    const connector = await currentRun.exit(() => loadConnector(job.type));
    const writing = new Set(connector.checks.filter((check) => check.writes).map((check) => check.name));
    const onEvent = (event: CheckProgress) => {
      lastActive = run;
      const writes = writing.has(event.name.slice(event.name.indexOf('/') + 1));
      const tell = event.kind === 'started' ? sendNow : send;
      tell({ type: 'event', run, event, writes });
    };
    const onCatalog = (entries: readonly CatalogEntry[]) => sendCatalog(run, entries);
    const onLog: CheckLog = (level, text) => log(level, run, text);
    await runChecks({
      ...job,
      connector,
      dialer,
      signal,
      onEvent,
      onCatalog,
      onOutcome: ({ failure }) => conclude(failure),
      log: onLog,
    });
  } catch (error) {
    log('error', run, createRedactor(job.secrets).lines(errorText(error, true)));
    conclude(new Failure('INTERNAL').report);
  }
}

/** Ends the tests that run, what they have opened at the other side too, and then the process. */
async function stop(): Promise<void> {
  for (const abort of running.values()) abort('cancelled');
  await Promise.allSettled(tests);
  process.exit(0);
}

/** Resolves when the gateway has taken the part, so that a large catalog never waits in a pipe. */
async function sendCatalog(run: WorkId, entries: readonly CatalogEntry[]): Promise<void> {
  // a check that goes on after its test has ended has nobody to tell
  if (!running.has(run)) return;
  await new Promise<void>((resolve) => {
    catalogTaken.set(run, resolve);
    send({ type: 'catalog', run, entries });
  });
}

async function judge(judgement: WorkId, targets: readonly JudgedTarget[], timeoutMs: number): Promise<void> {
  const controller = new AbortController();
  const dialer = new PolicedDialer({ ...dialerSettings(), signal: controller.signal });
  const abort = () => controller.abort('deadline' satisfies AbortReason);
  const timer = setTimeout(abort, timeoutMs);
  const onError = (error: unknown) => log('error', null, errorText(error, true));
  const verdicts = await judgeNames(targets, { dialer, signal: controller.signal, onError });
  clearTimeout(timer);
  abort();
  dialer.close();
  send({ type: 'judged', judgement, verdicts });
}

function dialerSettings(): DialerSettings {
  if (!settings) throw new Error('The first message to an executor must be start.');
  return settings;
}

/**
 * Says which run is busy before it goes on, so that the gateway knows it even when the run never gives the loop back.
 * What a test that has ended still brings about is nobody's.
 */
function markActive(run: WorkId): void {
  if (lastActive === run || !running.has(run)) return;
  lastActive = run;
  sendNow({ type: 'active', run });
}

/** A line for the operator, redacted; null: it belongs to no run. */
function log(level: 'info' | 'error', run: WorkId | null, text: string, sent?: () => void): void {
  sendNow({ type: 'log', level, run, text: text.slice(0, LONGEST_LOG) }, sent);
}

function send(message: FromChild): void {
  writer.write(message);
}

/** Sends a message, and those before it, before anything can hold the event loop. */
function sendNow(message: FromChild, sent?: () => void): void {
  send(message);
  writer.flush(sent);
}
