import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { childProgram } from '../support/child-program.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { clientOf, type GatewayClient } from '../support/gateway.ts';
import type { PostgresConfigInput } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { ListDatastores, Progress } from '../support/operations.ts';
import { closedPort, startTarpit, type Tarpit } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { residentMemory } from '../support/process-memory.ts';

const AT_ONCE = 200;
const ROUNDS = 5;
/** As long as a test may take, in milliseconds: those that stall until they are cancelled do not end by themselves. */
const ENDLESS = 300_000;
/** What takes so long hangs, in milliseconds, even behind the starts of all tests on a machine that is busy. */
const PATIENCE = 60_000;
/** What lives in the gateway's heap after a thousand tests more than before them, at most, in MiB. */
const HEAP_MARGIN = 16;
/** The same of a child's resident memory, which V8 tidies up when it suits it. */
const MEMORY_MARGIN = 64;

let target: PostgresServer;
let tarpit: Tarpit;
let closed: number;
let folder: string;
let gateway: ChildProcess;
let output: AsyncIterator<string>;
let client: GatewayClient;
let api: Api;
let environmentId: string;

beforeAll(async () => {
  [target, tarpit, closed] = await Promise.all([startPostgres(), startTarpit(), closedPort()]);
  folder = await mkdtemp(join(tmpdir(), 'gateway-load-'));
  const script = join(import.meta.dirname, '../support/gateway-process.ts');
  // a process of its own: what it holds can be counted from outside
  const args = [`sqlite:${join(folder, 'gateway.db')}`, folder, childProgram().childUrl];
  gateway = spawn(process.execPath, ['--expose-gc', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!gateway.stdout) throw new Error('The gateway has no output.');
  output = createInterface(gateway.stdout)[Symbol.asyncIterator]();
  const { url, token } = await nextOutput<{ url: string; token: string }>();
  client = clientOf(url, token);
  api = apiOf(client);
  environmentId = await api.newEnvironment();
});

afterAll(async () => {
  const exited = once(gateway, 'exit');
  gateway.kill('SIGKILL');
  await Promise.all([exited, target.stop(), tarpit.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** Starts a test of a draft, and says what has to come of it. */
interface Plan {
  readonly config: Partial<PostgresConfigInput>;
  readonly timeoutMs: number;
  readonly outcome: string;
}

const stalled = (timeoutMs: number): Plan => ({
  config: { port: tarpit.port },
  timeoutMs,
  outcome: 'FAILED TIMEOUT',
});
const refused = (): Plan => ({ config: { port: closed }, timeoutMs: PATIENCE, outcome: 'FAILED CONNECTION_REFUSED' });
const passing = (): Plan => {
  const { port, superuser, password } = target;
  const config = { port, username: superuser, password, database: 'postgres' };
  return { config, timeoutMs: PATIENCE, outcome: 'PASSED' };
};

async function start({ config, timeoutMs }: Plan): Promise<string> {
  const draft = { environmentId, config: { postgres: postgresConfig(config) } };
  return (await api.testStarted({ target: { draft }, options: { timeoutMs } })).id;
}

/** How each test ended, in their order; waits for the last. */
async function outcomesOf(ids: readonly string[]): Promise<string[]> {
  const outcomes = new Map<string, string>();
  for (const end = Date.now() + PATIENCE; outcomes.size < ids.length; await sleep(100)) {
    if (Date.now() > end) throw new Error(`${ids.length - outcomes.size} tests did not end.`);
    const open = ids.filter((id) => !outcomes.has(id));
    await inTurns(open, async (id) => {
      const found = await api.readTest(id);
      // a test whose second is over before a child has come to it has the same cause as one that waits for its peer
      const code = found?.failure?.code === 'NOT_BEGUN' ? found.failure.cause : found?.failure?.code;
      if (found?.finishedAt) outcomes.set(id, [found.status, code].filter(Boolean).join(' '));
    });
  }
  return ids.map((id) => outcomes.get(id) ?? '');
}

/** Twenty at a time. */
async function inTurns<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += 20) await Promise.all(items.slice(at, at + 20).map(work));
}

interface Answer {
  /** In milliseconds. */
  readonly took: number;
  /** How many tests hung at that moment. */
  readonly stalled: number;
}

/** Asks one query after the other until it is told to stop; fails as soon as one does. */
function keepAsking(): { readonly answers: readonly Answer[]; stop(): Promise<Answer[]> } {
  let isStopped = false;
  const answers: Answer[] = [];
  const asking = (async () => {
    while (!isStopped) {
      const from = performance.now();
      await client.run(ListDatastores, { environmentId });
      answers.push({ took: performance.now() - from, stalled: tarpit.open() });
      await sleep(20);
    }
    return answers;
  })();
  // it is looked at when it is stopped
  asking.catch(() => undefined);
  return {
    answers,
    stop() {
      isStopped = true;
      return asking;
    },
  };
}

/** What a process and those below it hold. */
interface Footprint {
  readonly processes: number;
  readonly sockets: number;
  /** Of each child, in MiB. */
  readonly memory: readonly number[];
}

async function footprintOf(pid: number): Promise<Footprint> {
  const pids = await withDescendants(pid);
  const each = await Promise.all(
    pids.map(async (one) => ({ sockets: await socketsOf(one), memory: await residentMemory(one) })),
  );
  return {
    processes: pids.length,
    sockets: each.reduce((sum, { sockets }) => sum + sockets, 0),
    memory: each.slice(1).map(({ memory }) => memory),
  };
}

/** The process first. An executor may be the child of the program that confines it. */
async function withDescendants(pid: number): Promise<number[]> {
  const below = await Promise.all((await childrenOf(pid)).map(withDescendants));
  return [pid, ...below.flat()];
}

async function childrenOf(pid: number): Promise<number[]> {
  const tasks = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(tasks.map((task) => readFile(`/proc/${pid}/task/${task}/children`, 'utf8')));
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}

/** All but those of the gateway's own clients, which are kept open for another request. */
async function socketsOf(pid: number): Promise<number> {
  const handles = await readdir(`/proc/${pid}/fd`);
  // one may be gone by the time it is looked at
  const links = await Promise.all(handles.map((handle) => readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')));
  const clients = await clientSockets();
  return links.filter((link) => link.startsWith('socket:') && !clients.has(link)).length;
}

async function clientSockets(): Promise<Set<string>> {
  const port = Number(new URL(client.url).port).toString(16).toUpperCase().padStart(4, '0');
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return new Set(
    lines.flatMap(([, local, , , , , , , , inode]) => (local?.endsWith(`:${port}`) ? `socket:[${inode}]` : [])),
  );
}

/** What lives in the gateway's heap, in MiB. */
async function heapSize(): Promise<number> {
  gateway.kill('SIGUSR2');
  return (await nextOutput<{ heap: number }>()).heap / 1024 / 1024;
}

async function nextOutput<Value>(): Promise<Value> {
  return JSON.parse((await output.next()).value) as Value;
}

/** The footprint once it has not changed for three seconds. */
async function settledFootprint(): Promise<Footprint> {
  const pid = gateway.pid ?? 0;
  let found = await footprintOf(pid);
  let since = Date.now();
  for (const end = Date.now() + 30_000; Date.now() < end && Date.now() - since < 3_000; await sleep(250)) {
    const now = await footprintOf(pid);
    if (now.sockets !== found.sockets || now.processes !== found.processes) since = Date.now();
    found = now;
  }
  return found;
}

describe('many tests', () => {
  test(`${AT_ONCE} at once, a quarter of them stalled, each end once while queries go on being answered`, async () => {
    const plans = Array.from({ length: AT_ONCE }, (_, index) => (index % 4 === 0 ? stalled(ENDLESS) : passing()));
    const queries = keepAsking();
    const ids = await Promise.all(plans.map(start));
    const others = ids.filter((_, index) => index % 4 !== 0);
    expect(new Set(await outcomesOf(others))).toEqual(new Set(['PASSED']));
    await eventually(() => tarpit.open() === AT_ONCE / 4);
    await eventually(() => queries.answers.some((answer) => answer.stalled === AT_ONCE / 4));
    const stuck = ids.filter((_, index) => index % 4 === 0);
    await inTurns(stuck, async (id) => expect((await api.cancel(id)).__typename).toBe('CancelConnectionTestSuccess'));
    expect(new Set(await outcomesOf(stuck))).toEqual(new Set(['CANCELLED CANCELLED']));
    const answers = await queries.stop();
    expect(Math.max(...answers.map(({ took }) => took))).toBeLessThan(PATIENCE);

    const ends: string[] = [];
    await inTurns(ids, async (id) => {
      const events = await client.follow(Progress, { id, after: 0 });
      const ended = events.filter(({ data }) => data?.connectionTestProgress.test.finishedAt);
      ends.push(...ended.map(() => id));
    });
    const fault = 'a peer that stalls, a quarter of 200 tests';
    recordFault({ fault, times: AT_ONCE / 4, ...comparedWith(ids, ends), recoveryMs: null });
    expect(ends.toSorted()).toEqual(ids.toSorted());
    expect(tarpit.open()).toBe(0);
  });

  // what a process holds is read in /proc, which is Linux's
  test.skipIf(process.platform !== 'linux')(
    `sockets, processes and memory are where they began after ${AT_ONCE * ROUNDS} more`,
    async () => {
      const round = async () => {
        const plans = Array.from({ length: AT_ONCE }, (_, index) => (index % 4 === 0 ? stalled(1_000) : refused()));
        const outcomes = await outcomesOf(await Promise.all(plans.map(start)));
        expect(outcomes).toEqual(plans.map(({ outcome }) => outcome));
      };
      // the first ones bring in what stays: code, compiled, and heaps of the size that the work needs
      await round();
      const [before, heap] = [await settledFootprint(), await heapSize()];
      for (let count = 0; count < ROUNDS; count++) await round();
      const after = await settledFootprint();
      expect(tarpit.open()).toBe(0);
      expect(after).toMatchObject({ processes: before.processes, sockets: before.sockets });
      expect((await heapSize()) - heap).toBeLessThan(HEAP_MARGIN);
      const grown = after.memory.map((memory, index) => memory - (before.memory[index] ?? 0));
      expect(Math.max(...grown)).toBeLessThan(MEMORY_MARGIN);
    },
  );
});
