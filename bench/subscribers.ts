import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { memoryOnTop } from '../test/support/process-memory.ts';
import { ask, startGateway } from './gateway.ts';
import type { Seeded } from './seed.ts';

const SUBSCRIBERS = 1_000;
const EVENTS = 10;
/** How many connect at once. */
const AT_ONCE = 50;
const SETTLE_MS = 1_000;
const QUERY = `subscription ($environmentId: ID) { datastoreEvents(environmentId: $environmentId) { kind cursor datastore {
  id name label ... on PostgresDatastore { config { host port username database schema } } environment { id name } lastTest { id status } } } }`;
const RENAME =
  'mutation ($id: ID!, $label: String!) { updateDatastore(input: { id: $id, label: $label }) { __typename } }';

/** What S1 took, an entry a round. */
export interface Delivery {
  /** From the first change to the last message at the last subscriber, in milliseconds. */
  readonly gatewayMs: readonly number[];
  readonly rawMs: readonly number[];
  /** How much more the gateway had in RAM meanwhile than before, in MiB. */
  readonly onTopMib: readonly number[];
}

/** Has 1,000 WebSockets follow ten changes, each with a nested selection; and 1,000 of ws alone get the same bytes. */
export async function measureSubscribers(folder: string, seeded: Seeded, rounds: number): Promise<Delivery> {
  const delivery = { gatewayMs: [] as number[], rawMs: [] as number[], onTopMib: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const { ms, onTopMib, text } = await measureGateway(folder, seeded);
    delivery.gatewayMs.push(ms);
    delivery.onTopMib.push(onTopMib);
    delivery.rawMs.push(await measureRaw(text));
  }
  return delivery;
}

async function measureGateway(folder: string, seeded: Seeded) {
  const { token, environmentId, ids } = seeded;
  const { pid, port, stop } = await startGateway(folder, seeded);
  const crowd = new Crowd(`ws://127.0.0.1:${port}/graphql`);
  await crowd.gather((socket) => subscribe(socket, token, environmentId));
  await sleep(SETTLE_MS);
  const rename = (event: number) => ask(port, token, RENAME, { id: ids[event], label: `event ${event}` });
  const [ms, onTopMib] = await memoryOnTop(pid, () => crowd.timed(rename));
  crowd.leave();
  await stop();
  return { ms, onTopMib, text: crowd.lastText };
}

async function subscribe(socket: WebSocket, token: string, environmentId: string): Promise<void> {
  const say = (message: object) => socket.send(JSON.stringify(message));
  say({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  await once(socket, 'message');
  say({ id: '1', type: 'subscribe', payload: { query: QUERY, variables: { environmentId } } });
}

async function measureRaw(text: string): Promise<number> {
  const script = fileURLToPath(new URL('raw-ws.ts', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  const place = `127.0.0.1:${Number(chunk.toString())}`;
  const crowd = new Crowd(`ws://${place}`);
  await crowd.gather(async () => undefined);
  const ms = await crowd.timed(async () => (await fetch(`http://${place}`, { method: 'POST', body: text })).text());
  crowd.leave();
  child.kill();
  await exited;
  return ms;
}

/** All who are connected to one server. */
class Crowd {
  lastText = '';
  readonly #url: string;
  readonly #sockets: WebSocket[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async gather(greet: (socket: WebSocket) => Promise<void>): Promise<void> {
    while (this.#sockets.length < SUBSCRIBERS)
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const socket = new WebSocket(this.#url, 'graphql-transport-ws', { perMessageDeflate: false });
          this.#sockets.push(socket);
          await once(socket, 'open');
          await greet(socket);
        }),
      );
  }

  /** Brings about one event after the other, and gives the milliseconds until all have got all. */
  timed(bringAbout: (event: number) => Promise<unknown>): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const start = performance.now();
    let missing = SUBSCRIBERS * EVENTS;
    for (const socket of this.#sockets) {
      socket.on('message', (data) => {
        this.lastText = data.toString();
        if (!this.lastText.includes('"next"')) return;
        missing -= 1;
        if (missing === 0) resolve(performance.now() - start);
      });
      socket.on('close', (code) => reject(new Error(`A subscriber was closed with ${code}`)));
    }
    const all = async () => {
      for (let event = 0; event < EVENTS; event += 1) await bringAbout(event);
    };
    all().catch(reject);
    return promise;
  }

  leave(): void {
    for (const socket of this.#sockets) socket.removeAllListeners('close').terminate();
  }
}
