/**
 * The queue of connection tests beside pg-boss, on one Postgres that writes to its disk, with five workers: how many
 * pieces of work of 20 ms a second, with how many statements and bytes of the write-ahead log each, and how long it
 * takes until another worker begins what a killed one had. The gateway stores each test's checks and journals it, which
 * pg-boss does not.
 *
 *   node bench/queue.ts [--work 1000] [--rounds 3]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { parseConfig } from '../src/connectors/kit/config/shape.ts';
import { connectorOf } from '../src/connectors/registry.ts';
import { type PostgresServer, preparePostgres, startPostgres } from '../src/demo/postgres-server.ts';
import type { Executor } from '../src/executor/executor.ts';
import { type Access, scopes } from '../src/modules/access/access.ts';
import { openDatabase } from '../src/open-database.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';
import { constructSaving } from '../src/saving.ts';
import { QUEUE, startBoss } from './queue-boss.ts';

const { values } = parseArgs({
  options: { work: { type: 'string', default: '1000' }, rounds: { type: 'string', default: '3' } },
});
const WORK = Number(values.work);
const WORKERS = 5;
/** Whose tests are journaled: each has a chain of its own, to which one is added at a time. */
const ENVIRONMENTS = 20;
const STALLED = 'stalled';
const WARM_UP = 50;
const SETTLE_MS = 2_000;
const LOOK_MS = 20;
const PRODUCED_AT_ONCE = 20;
/** pg-boss takes no shorter one. */
const HEARTBEAT_SECONDS = 10;

const everything: Access = {
  tokenId: randomUUID(),
  actor: { name: 'bench', onBehalfOf: null },
  isSession: false,
  scopes: new Set(scopes),
  environmentIds: 'all',
  expiresAt: null,
};

/** What is put into a queue, and how many are done. */
interface Queue {
  add(host: string): Promise<unknown>;
  readonly doneSql: string;
  close(): Promise<unknown>;
}
type Kind = 'gateway' | 'pg-boss';
const kinds: readonly Kind[] = ['gateway', 'pg-boss'];

/** What one round of one of them came to. */
interface Result {
  readonly perSecond: number;
  readonly statements: number;
  readonly bytes: number;
  readonly recoveryMs: number;
}

const folder = await mkdtemp(join(tmpdir(), 'gateway-queue-'));
const keyFile = join(folder, 'master.key');
const files = await preparePostgres();
const results: Record<Kind, Result[]> = { gateway: [], 'pg-boss': [] };
try {
  for (let round = 0; round < Number(values.rounds); round += 1)
    for (const kind of kinds) results[kind].push(await measure(kind));
  for (const kind of kinds) {
    const median = (name: keyof Result) =>
      results[kind].map((one) => one[name]).sort((a, b) => a - b)[Math.floor(results[kind].length / 2)] ?? 0;
    process.stdout.write(
      `${kind}: ${median('perSecond').toFixed(0)} a second, ${median('statements').toFixed(1)} statements and ${(median('bytes') / 1_024).toFixed(1)} KiB each; taken over ${(median('recoveryMs') / 1_000).toFixed(1)} s after a kill\n`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measure(kind: Kind): Promise<Result> {
  const settings = { fsync: 'on', synchronous_commit: 'on', shared_preload_libraries: 'pg_stat_statements' };
  const server = await startPostgres({ settings }, files);
  const database = new pg.Client({ connectionString: server.databaseUrl('postgres') });
  await database.connect();
  await database.query('create extension pg_stat_statements');
  const workers: ChildProcess[] = [];
  try {
    const queue = await (kind === 'gateway' ? openGateway(server) : openBoss(server));
    const begun: { readonly host: string; readonly worker: ChildProcess }[] = [];
    for (let at = 0; at < WORKERS; at += 1) workers.push(await startWorker(kind, server, begun));
    const count = async (sql: string) => Number((await database.query<{ count: string }>(sql)).rows[0]?.count);
    const produce = async (many: number) => {
      const before = await count(queue.doneSql);
      for (let at = 0; at < many; at += PRODUCED_AT_ONCE)
        await Promise.all(
          Array.from({ length: Math.min(PRODUCED_AT_ONCE, many - at) }, (_, index) => queue.add(`h${at + index}`)),
        );
      while ((await count(queue.doneSql)) < before + many) await sleep(LOOK_MS);
    };
    await produce(WARM_UP);
    await sleep(SETTLE_MS);
    const calls = 'select sum(calls) as count from pg_stat_statements';
    const written = `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as count`;
    const before = { calls: await count(calls), written: await count(written), at: performance.now() };
    await produce(WORK);
    const seconds = (performance.now() - before.at) / 1_000;
    const looks = await count(`select sum(calls) as count from pg_stat_statements where query ilike '%as count from%'`);
    const statements = ((await count(calls)) - before.calls - looks) / WORK;
    const bytes = ((await count(written)) - before.written) / WORK;
    await queue.add(STALLED);
    const first = await until(() => begun.find(({ host }) => host === STALLED));
    const killedAt = performance.now();
    first.worker.kill('SIGKILL');
    await until(() => begun.find(({ host, worker }) => host === STALLED && worker !== first.worker));
    const recoveryMs = performance.now() - killedAt;
    await queue.close();
    return { perSecond: WORK / seconds, statements, bytes, recoveryMs };
  } finally {
    for (const worker of workers) worker.kill('SIGKILL');
    await database.end();
    await server.stop();
  }
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await sleep(LOOK_MS);
  }
}

async function startWorker(
  kind: Kind,
  server: PostgresServer,
  begun: { readonly host: string; readonly worker: ChildProcess }[],
): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('queue-worker.ts', import.meta.url));
  const worker = spawn(process.execPath, [script, kind, server.databaseUrl('postgres'), keyFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface(worker.stdout);
  lines.on('line', (host) => begun.push({ host, worker }));
  await once(lines, 'line');
  return worker;
}

async function openGateway(server: PostgresServer): Promise<Queue> {
  const logger = createLogger({ level: 'silent' });
  const opened = await openDatabase({
    databaseUrl: server.databaseUrl('postgres'),
    keyFile,
    bootstrap: true,
    mustExist: false,
    logger,
  });
  const executor = {} as Executor;
  const revisionSecrets = { days: 30, versions: 10 };
  const saving = constructSaving({ ...opened, executor, logger, revisionSecrets, takesTests: false });
  const environmentIds: string[] = [];
  for (let at = 0; at < ENVIRONMENTS; at += 1) {
    const { id } = await saving.environments.create(everything, { name: `environment ${at}`, path: [] });
    environmentIds.push(id);
  }
  let next = 0;
  const connector = connectorOf('POSTGRES');
  saving.runner.start();
  return {
    add: (host) => {
      const given = { host, database: 'shop', username: 'app', password: 'a password', tls: { mode: 'DISABLE' } };
      const { data: config } = parseConfig(connector, given);
      if (!config) throw new Error('The config is none');
      const environmentId = environmentIds[next++ % ENVIRONMENTS] ?? '';
      const nothingStored = { datastoreId: null, storedVersion: null, firstVersion: null };
      const subject = { connector, config, tenancy: null, environmentId, ...nothingStored };
      return saving.connectionTests.start(everything, subject, 'REQUESTED', { timeoutMs: 60_000, path: [] });
    },
    doneSql: `select count(*) from connection_tests where status = 'PASSED'`,
    close: async () => {
      await saving.runner.stop();
      await opened.close();
    },
  };
}

async function openBoss(server: PostgresServer): Promise<Queue> {
  const boss = await startBoss(server.databaseUrl('postgres'));
  await boss.createQueue(QUEUE, { heartbeatSeconds: HEARTBEAT_SECONDS, retryLimit: 10, notify: true });
  // as much as a test's sealed config has
  const config = 'x'.repeat(1_000);
  return {
    add: (host) => boss.send(QUEUE, { host, config }),
    doneSql: `select count(*) from pgboss.job where state = 'completed'`,
    close: () => boss.stop({ graceful: false }),
  };
}
