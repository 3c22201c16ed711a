/**
 * The performance suite. It seeds 10,000 datastores in SQLite, starts the gateway and L (see limit.ts) over copies of
 * the same file, makes sure that both answer with the same bytes, and lets them take turns. Figures are ratios of
 * requests per second within the same round; differences under 20 % mean nothing.
 *
 *   npm run bench -- --rounds 5 --seconds 5
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { load, type NextBody, PAGE_SIZE, send, type Target } from './load.ts';
import { seed } from './seed.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '5' } },
});
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const DATASTORES = 10_000;
const WARM_UP_MS = 1_000;
/** How long the gateway may take to start, in tries and their pause. */
const START_TRIES = 100;
const START_PAUSE_MS = 100;
/** The kernel counts the time of a process in hundredths of a second. */
const MICROS_PER_TICK = 10_000;
const SHOWN_CHARACTERS = 400;
const CONNECTIONS = 32;
const FIELDS =
  'id name label ... on PostgresDatastore { config { host port username database schema } } environment { id name } lastTest { id status }';
const documents: Readonly<Record<string, string>> = {
  Q1: `query Q1($id: ID!) { datastore(id: $id) { ${FIELDS} } }`,
  Q2: `query Q2($environmentId: ID!) { datastores(environmentId: $environmentId, first: ${PAGE_SIZE}) { nodes { ${FIELDS} } } }`,
  M1: 'mutation M1($id: ID!, $label: String!) { updateDatastore(input: { id: $id, label: $label }) { ... on UpdateDatastoreSuccess { datastore { id label } } } }',
};

const folder = await mkdtemp(join(tmpdir(), 'gateway-bench-'));
const children: ChildProcess[] = [];
try {
  const { token, environmentId, ids } = await seed(folder, DATASTORES);
  await copyFile(join(folder, 'gateway.db'), join(folder, 'limit.db'));
  const gateway = await startGateway(token);
  const limit = await startLimit();
  const bodies: Record<string, NextBody> = {
    Q1: (count) => bodyOf('Q1', { id: ids[count % ids.length] }),
    Q2: () => bodyOf('Q2', { environmentId }),
    M1: (count) => bodyOf('M1', { id: ids[count % ids.length], label: `label ${count}` }),
  };
  await compare(gateway, limit, bodies);
  const report = [];
  for (const [name, body] of Object.entries(bodies)) report.push(await measure(name, body, gateway, limit));
  await write(report);
} finally {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
  await rm(folder, { recursive: true, force: true });
}

function bodyOf(operationName: string, variables: Record<string, unknown>): string {
  return JSON.stringify({ query: documents[operationName], operationName, variables });
}

async function startGateway(token: string): Promise<Target> {
  const port = 41_000 + (process.pid % 1_000);
  const env = {
    PATH: process.env.PATH,
    PORT: String(port),
    DATABASE_URL: `sqlite:${join(folder, 'gateway.db')}`,
    KEY_FILE: join(folder, 'master.key'),
    LOG_LEVEL: 'warn',
  };
  const child = spawn(process.execPath, [new URL('../bin/datastore-gateway.js', import.meta.url).pathname, 'serve'], {
    env,
    stdio: 'inherit',
  });
  children.push(child);
  for (let attempt = 0; attempt < START_TRIES; attempt += 1) {
    await sleep(START_PAUSE_MS);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready)
      return {
        port,
        pid: child.pid ?? 0,
        headers: { authorization: `Bearer ${token}`, accept: 'application/graphql-response+json' },
      };
  }
  throw new Error('the gateway did not start');
}

async function startLimit(): Promise<Target> {
  const child = spawn(process.execPath, [new URL('limit.ts', import.meta.url).pathname, join(folder, 'limit.db')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [chunk] = (await once(child.stdout ?? process.stdin, 'data')) as [Buffer];
  return { port: Number(chunk.toString()), pid: child.pid ?? 0, headers: {} };
}

/** Makes sure that both say the same, for else the benchmark would compare nothing. */
async function compare(gateway: Target, limit: Target, bodies: Readonly<Record<string, NextBody>>): Promise<void> {
  for (const [name, body] of Object.entries(bodies)) {
    const [ours, theirs] = [await send(gateway, body(1)), await send(limit, body(1))];
    if (ours !== theirs)
      throw new Error(
        `${name}: the answers differ\n${ours.slice(0, SHOWN_CHARACTERS)}\n${theirs.slice(0, SHOWN_CHARACTERS)}`,
      );
  }
}

interface Measured {
  readonly name: string;
  readonly ratio: readonly number[];
  readonly perSecond: number;
  readonly cpuMicros: number;
}

async function measure(name: string, body: NextBody, gateway: Target, limit: Target): Promise<Measured> {
  await load(gateway, body, CONNECTIONS, WARM_UP_MS);
  await load(limit, body, CONNECTIONS, WARM_UP_MS);
  const ratio: number[] = [];
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const before = await cpuMicros(gateway.pid);
    const ours = await load(gateway, body, CONNECTIONS, seconds * 1_000);
    cpus.push(((await cpuMicros(gateway.pid)) - before) / (ours * seconds));
    rates.push(ours);
    ratio.push(ours / (await load(limit, body, CONNECTIONS, seconds * 1_000)));
  }
  return {
    name,
    ratio: ratio.toSorted((one, other) => one - other),
    perSecond: median(rates),
    cpuMicros: median(cpus),
  };
}

/** The user and system time of a process so far, in microseconds. */
async function cpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

async function write(report: readonly Measured[]): Promise<void> {
  const lines = report.map(({ name, ratio, perSecond, cpuMicros: cpu }) => {
    const spread = `${ratio.at(0)?.toFixed(2)} to ${ratio.at(-1)?.toFixed(2)}`;
    return `| ${name} | ${median(ratio).toFixed(2)} | ${spread} | ${Math.round(perSecond)} | ${Math.round(cpu)} |`;
  });
  const table = [
    '| | ratio to L | spread | requests/s | CPU µs a request |',
    '| --- | --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
  process.stdout.write(table);
  const results = new URL('results/', import.meta.url);
  await mkdir(results, { recursive: true });
  await writeFile(
    new URL('latest.md', results),
    `${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections, ${DATASTORES} datastores in SQLite, Node ${process.versions.node}\n\n${table}`,
  );
}
