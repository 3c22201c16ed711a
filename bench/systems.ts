import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Target } from './load.ts';

/** A server that is measured. */
export interface System extends Target {
  readonly name: string;
  /** The user and system time of its process so far, in microseconds. */
  cpuMicros(): Promise<number>;
}

/** Servers of other people, see peers/server.ts. */
const PEERS = ['yoga', 'mercurius', 'apollo'];
/** How long the gateway may take to start, in tries and their pause. */
const START_TRIES = 100;
const START_PAUSE_MS = 100;
/** The kernel counts the time of a process in hundredths of a second. */
const MICROS_PER_TICK = 10_000;

const children: ChildProcess[] = [];
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Starts the gateway, L and the peers, in this order, each over a database of its own that holds the same. */
export async function startSystems(folder: string, token: string): Promise<readonly System[]> {
  if (!existsSync(pathOf('peers/node_modules'))) await installPeers();
  const systems = [await startOther('limit', ['limit.ts'], folder)];
  for (const peer of PEERS) systems.push(await startOther(peer, ['peers/server.ts', peer], folder));
  return [await startGateway(folder, token), ...systems];
}

/** Ends all that was started. */
export async function stopSystems(): Promise<void> {
  for (const child of children) child.kill();
  await Promise.all(children.map((child) => (child.exitCode === null ? once(child, 'exit') : undefined)));
}

async function installPeers(): Promise<void> {
  process.stderr.write('Installing the other servers into bench/peers …\n');
  const npm = spawn('npm', ['ci'], { cwd: pathOf('peers'), stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error('The other servers could not be installed: npm ci in bench/peers says why');
}

async function startGateway(folder: string, token: string): Promise<System> {
  const port = 41_000 + (process.pid % 1_000);
  const env = {
    PATH: process.env.PATH,
    PORT: String(port),
    DATABASE_URL: `sqlite:${join(folder, 'gateway.db')}`,
    KEY_FILE: join(folder, 'master.key'),
    LOG_LEVEL: 'error',
  };
  const child = spawn(process.execPath, [pathOf('../bin/datastore-gateway.js'), 'serve'], { env, stdio: 'inherit' });
  children.push(child);
  for (let attempt = 0; attempt < START_TRIES; attempt += 1) {
    await sleep(START_PAUSE_MS);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (!ready) continue;
    const headers = { authorization: `Bearer ${token}`, accept: 'application/graphql-response+json' };
    return { name: 'gateway', ...measuring(child), port, headers };
  }
  throw new Error('the gateway did not start');
}

/** Starts a server that prints its port. */
async function startOther(name: string, [script = '', ...given]: readonly string[], folder: string): Promise<System> {
  const path = join(folder, `${name}.db`);
  await copyFile(join(folder, 'gateway.db'), path);
  const env = { PATH: process.env.PATH, NODE_ENV: 'production' };
  const child = spawn(process.execPath, [pathOf(script), ...given, path], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  if (!child.stdout) throw new Error('It has no output');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { name, ...measuring(child), port: Number(chunk.toString()), headers: {} };
}

function measuring({ pid = 0 }: ChildProcess): Pick<System, 'pid' | 'cpuMicros'> {
  const cpuMicros = async () => {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
  };
  return { pid, cpuMicros };
}
