import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, cp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { send } from './load.ts';
import type { Seeded } from './seed.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
/** The package as somebody has it installed, for in a checkout the command runs the sources. */
const installed = join(root, 'node_modules/.cache/datastore-gateway');
/** How long it may take to answer, and how often it is asked, in milliseconds. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 5;
/** Below those that a system gives to who connects, of which a load takes thousands. */
const FIRST_PORT = 21_000;
let count = 0;

/** A gateway in a process of its own. */
export interface RunningGateway {
  readonly pid: number;
  readonly port: number;
  /** From the start of the process to the first answer of its API, in milliseconds. */
  readonly firstAnswerMs: number;
  stop(): Promise<void>;
}

/** Makes `dist/` and lays it out as installed, for what is measured is what is published. */
export async function buildGateway(): Promise<void> {
  const build = spawn(process.execPath, [join(root, 'build.ts')], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(build, 'exit');
  if (code !== 0) throw new Error('The gateway could not be built: `npm run build` says why');
  await rm(installed, { recursive: true, force: true });
  for (const part of ['bin', 'dist', 'schema', 'package.json'])
    await cp(join(root, part), join(installed, part), { recursive: true });
}

/** Starts one over a copy of the seeded database, with its limits wide open. */
export async function startGateway(folder: string, { token }: Seeded): Promise<RunningGateway> {
  count += 1;
  const database = join(folder, `gateway-${count}.db`);
  await copyFile(join(folder, 'gateway.db'), database);
  return startGatewayOn(`sqlite:${database}`, folder, token);
}

/** Starts one over a database, and waits for its first answer. */
export async function startGatewayOn(databaseUrl: string, folder: string, token: string): Promise<RunningGateway> {
  count += 1;
  const port = FIRST_PORT + ((process.pid + count) % 1_000);
  const env = {
    PATH: process.env.PATH,
    PORT: String(port),
    DATABASE_URL: databaseUrl,
    KEY_FILE: join(folder, 'master.key'),
    LOG_LEVEL: 'error',
    EGRESS_ALLOW: '127.0.0.1',
    MAX_CONNECTIONS_PER_TOKEN: '10000',
    MAX_SUBSCRIPTIONS_PER_TOKEN: '10000',
  };
  const start = performance.now();
  const child = spawn(process.execPath, [join(installed, 'bin/datastore-gateway.js'), 'serve'], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    child.kill();
    await exited;
  };
  while (performance.now() - start < PATIENCE_MS && child.exitCode === null) {
    const answer = await ask(port, token, '{ __typename }').catch(() => undefined);
    if (answer !== undefined) return { pid: child.pid ?? 0, port, firstAnswerMs: performance.now() - start, stop };
    await sleep(PAUSE_MS);
  }
  await stop();
  throw new Error('The gateway did not start');
}

/** A client that costs little: it wants the same cores as the gateway. */
const agent = new Agent({ keepAlive: true });

/** Sends one operation. Rejects when it has errors. */
export async function ask<Data>(port: number, token: string, query: string, variables = {}): Promise<Data> {
  const target = { port, headers: { authorization: `Bearer ${token}` } };
  const { data, errors } = JSON.parse(await send(target, JSON.stringify({ query, variables }), agent)) as {
    data: Data;
    errors?: object;
  };
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}
