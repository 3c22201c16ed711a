/**
 * One process that works off a queue, for queue.ts: `node bench/queue-worker.ts gateway|pg-boss DATABASE_URL KEY_FILE`.
 * It prints `ready`, and the host of each piece of work that it begins. Work on the host "stalled" never ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckEvent, Executor, TestJob, TestOutcome } from '../src/executor/executor.ts';
import { openDatabase } from '../src/open-database.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';
import { constructSaving } from '../src/saving.ts';
import { QUEUE, startBoss } from './queue-boss.ts';

/** How long a piece of work takes, in milliseconds. */
const WORK_MS = 20;
const AT_ONCE = 20;

const [kind, databaseUrl = '', keyFile = ''] = process.argv.slice(2);
await (kind === 'pg-boss' ? workAsBoss() : workAsGateway());
process.stdout.write('ready\n');

async function workAsGateway(): Promise<void> {
  const logger = createLogger({ level: 'silent' });
  const opened = await openDatabase({ databaseUrl, keyFile, bootstrap: false, mustExist: true, logger });
  const executor = { run: runTest } as unknown as Executor;
  const { runner } = constructSaving({ ...opened, executor, logger, revisionSecrets: { days: 30, versions: 10 } });
  runner.start();
}

/** Takes the executor's place: every check passes. */
async function runTest({ config, checks }: TestJob, onCheck: (event: CheckEvent) => void): Promise<TestOutcome> {
  const { host } = config as { readonly host: string };
  await work(host);
  for (const name of checks) {
    onCheck({ kind: 'started', name });
    onCheck({ kind: 'ended', name, status: 'PASSED', durationMs: 1, evidence: [], failure: null });
  }
  return { status: 'PASSED', failure: null, skipped: [] };
}

async function workAsBoss(): Promise<void> {
  const boss = await startBoss(databaseUrl);
  await boss.work(QUEUE, { localConcurrency: AT_ONCE, pollingIntervalSeconds: 0.5 }, async ([job]) => {
    await work(job?.data.host ?? '');
    return { status: 'PASSED' };
  });
}

async function work(host: string): Promise<void> {
  process.stdout.write(`${host}\n`);
  if (host === 'stalled') await new Promise(() => undefined);
  await sleep(WORK_MS);
}
