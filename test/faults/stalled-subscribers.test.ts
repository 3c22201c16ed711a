import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { postgresConfig } from '../support/inputs.ts';
import { startProcess } from '../support/own-gateway.ts';

const SUBSCRIBERS = 50;
const WARM = 50;
const SAVES = 400;
const AT_ONCE = 4;
/** After so many saves one looks at what the gateway holds. */
const BETWEEN_LOOKS = 40;
/** In MiB: what fifty that read nothing may cost above fifty that read. */
const ON_TOP = 25;
/** An event of 11 KB: what is sent is far more than the sockets of both sides hold. */
const ALIASES = [...'abcdefghijkl'].map((alias) => `${alias}: description`).join(' ');
const DESCRIPTION = 'd'.repeat(900);

/** Reads nothing from a moment on. */
interface Subscriber {
  stall(): void;
  close(): void;
}

async function overWebSocket({ url, token }: Place, query: string): Promise<Subscriber> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await once(socket, 'message');
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
  return { stall: () => socket.pause(), close: () => socket.terminate() };
}

async function overSse({ url, token }: Place, query: string): Promise<Subscriber> {
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream',
    authorization: `Bearer ${token}`,
  };
  const asking = request(`${url}/graphql`, { method: 'POST', headers }).on('error', () => asking.destroy());
  asking.end(JSON.stringify({ query }));
  const [answer] = await once(asking, 'response');
  answer.on('error', () => undefined).resume();
  return { stall: () => answer.pause(), close: () => asking.destroy() };
}

interface Place {
  readonly url: string;
  readonly token: string;
}

/**
 * How much a gateway holds at most on top of what it held, in MiB, while its subscribers read or do not. What is
 * resident is no measure of it: V8 lets garbage lie by some 30 MiB more or less from run to run.
 */
async function grown(subscribe: typeof overSse, isStalled: boolean): Promise<number> {
  const { url: databaseUrl, remove } = await newTestDatabase('sqlite');
  const folder = await mkdtemp(join(tmpdir(), 'gateway-stalled-'));
  const { child, client, token, heldMemory } = await startProcess(databaseUrl, folder, onTestFinished);
  const api = apiOf(client);
  const environmentId = await api.newEnvironment();
  const config = { postgres: postgresConfig() };
  const query = `subscription { datastoreEvents(environmentId: "${environmentId}") { cursor datastore { ${ALIASES} } } }`;
  const subscribers = await Promise.all(
    Array.from({ length: SUBSCRIBERS }, () => subscribe({ url: client.url, token }, query)),
  );
  const save = () => api.created({ environmentId, config, description: DESCRIPTION });
  for (let at = 0; at < WARM; at += 1) await save();
  const before = await heldMemory();
  if (isStalled) for (const { stall } of subscribers) stall();
  let peak = before;
  for (let at = 0; at < SAVES; at += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, save));
    if (at % BETWEEN_LOOKS === 0) peak = Math.max(peak, await heldMemory());
  }
  peak = Math.max(peak, await heldMemory());
  for (const { close } of subscribers) close();
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  await rm(folder, { recursive: true, force: true });
  await remove();
  return Math.round(peak - before);
}

// Windows has no signal by which one asks
test.skipIf(process.platform === 'win32').each([
  ['WebSocket', overWebSocket],
  ['SSE', overSse],
] as const)(
  `${SUBSCRIBERS} that read nothing over %s cost little more than as many that read`,
  async (name, subscribe) => {
    const control = await grown(subscribe, false);
    const stalled = await grown(subscribe, true);
    process.stdout.write(
      `${name}: ${stalled} MiB with ${SUBSCRIBERS} stalled subscribers, ${control} with as many that read\n`,
    );
    expect(stalled - control).toBeLessThanOrEqual(ON_TOP);
  },
);
