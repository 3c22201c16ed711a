import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startGatewayOn } from './gateway.ts';
import type { Target } from './load.ts';

/** A server that is measured. */
export interface System extends Target {
  readonly name: string;
}

/** Servers of other people, see peers/server.ts. */
const PEERS = ['yoga', 'graphql-http', 'mercurius', 'apollo'];
/** Those of them that serve the gateway's own schema as well, `-services` behind their names, see peers/services.ts. */
const WITH_SERVICES = ['mercurius', 'apollo'];

const stops: (() => Promise<void>)[] = [];
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Starts the gateway, L and the peers, in this order, each over a database of its own that holds the same. */
export async function startSystems(folder: string, token: string): Promise<readonly System[]> {
  const { dependencies } = JSON.parse(await readFile(pathOf('peers/package.json'), 'utf8')) as { dependencies: object };
  const areThere = Object.keys(dependencies).every((name) => existsSync(pathOf(`peers/node_modules/${name}`)));
  if (!areThere) await installPeers();
  const systems = [await startOther('limit', ['limit.ts'], folder)];
  for (const peer of PEERS) systems.push(await startOther(peer, ['peers/server.ts', peer], folder));
  for (const peer of WITH_SERVICES)
    systems.push(await startOther(`${peer}-services`, ['peers/services.ts', peer, token], folder));
  return [await startGateway(folder, token), ...systems];
}

/** Ends all that was started. It can be called again. */
export async function stopSystems(): Promise<void> {
  await Promise.all(stops.splice(0).map((stop) => stop()));
}

async function installPeers(): Promise<void> {
  process.stderr.write('Installing the other servers into bench/peers …\n');
  const npm = spawn('npm', ['ci'], { cwd: pathOf('peers'), stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error('The other servers could not be installed: npm ci in bench/peers says why');
}

async function startGateway(folder: string, token: string): Promise<System> {
  const { port, pid, stop } = await startGatewayOn(`sqlite:${join(folder, 'gateway.db')}`, folder, token);
  stops.push(stop);
  const headers = { authorization: `Bearer ${token}`, accept: 'application/graphql-response+json' };
  return { name: 'gateway', pid, port, headers };
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
  const exited = once(child, 'exit');
  stops.push(async () => {
    child.kill();
    await exited;
  });
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { name, pid: child.pid ?? 0, port: Number(chunk.toString()), headers: {} };
}
