import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { ask, type RunningGateway, startGateway } from './gateway.ts';
import type { Seeded } from './seed.ts';

const AT_ONCE = 200;
const STALLED = 50;
const FIRST = 20;
/** How long the server takes for an answer, in milliseconds. */
const PEER_MS = 20;
const START = `mutation ($input: StartConnectionTestInput!) { startConnectionTest(input: $input) {
  __typename ... on UserError { message } } }`;
const PROGRESS = 'subscription ($id: ID!) { connectionTestProgress(id: $id) { test { status failure { code } } } }';

/** How long the slowest but one in a hundred took, in milliseconds, an entry a round. */
export interface Slowest {
  /** Of 200 tests at once, each from being asked for to being told to have passed, in a process that is warm. */
  readonly tests: readonly number[];
  /** Of the 200 before them, which have warmed it up: the first ones after those of `first`. */
  readonly cold: readonly number[];
  /** Of those 150 of them that pass, while the others get no answer. */
  readonly besideStalled: readonly number[];
  /** Of 20 at once in a gateway that has just started. */
  readonly first: readonly number[];
  /** Of the same requests that a test makes, 200 times at once without a gateway, the second time. */
  readonly bare: readonly number[];
}

/** Tests datastores against a server of this machine, which takes 20 ms for an answer. */
export async function measureTests(folder: string, seeded: Seeded, rounds: number): Promise<Slowest> {
  const script = fileURLToPath(new URL('slow-peer.ts', import.meta.url));
  const peer = spawn(process.execPath, [script, String(PEER_MS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(peer, 'exit');
  const [chunk] = (await once(peer.stdout, 'data')) as [Buffer];
  const place = `http://127.0.0.1:${Number(chunk.toString())}`;
  const slowest = {
    tests: [] as number[],
    cold: [] as number[],
    besideStalled: [] as number[],
    first: [] as number[],
    bare: [] as number[],
  };
  for (let round = 0; round < rounds; round += 1) {
    const gateway = await startGateway(folder, seeded);
    const follower = await Follower.open(gateway, seeded);
    const before = await askedOf(place);
    slowest.first.push(await slowestOf(FIRST, () => follower.passes(place)));
    const asked = (await askedOf(place)).slice(before.length);
    const requests = asked.slice(0, asked.length / FIRST);
    slowest.cold.push(await slowestOf(AT_ONCE, () => follower.passes(place)));
    slowest.tests.push(await slowestOf(AT_ONCE, () => follower.passes(place)));
    await slowestOf(AT_ONCE, () => sendAll(place, requests));
    slowest.bare.push(await slowestOf(AT_ONCE, () => sendAll(place, requests)));
    for (let test = 0; test < STALLED; test += 1) await follower.start(`${place}/stalled`);
    slowest.besideStalled.push(await slowestOf(AT_ONCE - STALLED, () => follower.passes(place)));
    follower.close();
    await gateway.stop();
  }
  peer.kill();
  await exited;
  return slowest;
}

/** Does something many times at once, and gives the 99th percentile of how long it took. */
async function slowestOf(times: number, work: () => Promise<void>): Promise<number> {
  const one = async () => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const all = await Promise.all(Array.from({ length: times }, one));
  return all.toSorted((a, b) => a - b)[Math.ceil(times * 0.99) - 1] ?? Number.NaN;
}

interface Asked {
  readonly method: string;
  readonly path: string;
}

async function askedOf(place: string): Promise<readonly Asked[]> {
  return (await fetch(`${place}/asked`)).json() as Promise<Asked[]>;
}

/** Sends what a test sends, over a connection of its own. */
async function sendAll(place: string, requests: readonly Asked[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const { method, path } of requests) {
    const sent = request(`${place}${path}`, { method, agent }).end();
    const [response] = await once(sent, 'response');
    await once(response.resume(), 'end');
  }
  agent.destroy();
}

interface Message {
  readonly id: string;
  readonly type: string;
  readonly payload?: {
    readonly data?: { readonly connectionTestProgress: { readonly test: { readonly status: string } } };
  };
}

/** Starts tests, and follows all of them over one WebSocket. */
class Follower {
  readonly #gateway: RunningGateway;
  readonly #seeded: Seeded;
  readonly #socket: WebSocket;
  readonly #ends = new Map<string, { readonly resolve: () => void; readonly reject: (error: Error) => void }>();

  private constructor(gateway: RunningGateway, seeded: Seeded, socket: WebSocket) {
    this.#gateway = gateway;
    this.#seeded = seeded;
    this.#socket = socket;
    socket.on('message', (data) => this.#take(JSON.parse(data.toString())));
  }

  static async open(gateway: RunningGateway, seeded: Seeded): Promise<Follower> {
    const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/graphql`, 'graphql-transport-ws');
    await once(socket, 'open');
    const payload = { authorization: `Bearer ${seeded.token}` };
    socket.send(JSON.stringify({ type: 'connection_init', payload }));
    await once(socket, 'message');
    return new Follower(gateway, seeded, socket);
  }

  /** Starts a test, and resolves when it is told to have passed. */
  async passes(baseUrl: string): Promise<void> {
    const id = randomUUID();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#ends.set(id, { resolve, reject });
    this.#socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: PROGRESS, variables: { id } } }));
    await this.start(baseUrl, id);
    await promise;
  }

  async start(baseUrl: string, testId = randomUUID()): Promise<void> {
    const { environmentId, token } = this.#seeded;
    const config = { qdrant: { baseUrl, apiKey: 'key', collection: 'products', tls: { mode: 'DISABLE' } } };
    const input = { target: { draft: { environmentId, config } }, options: { testId } };
    const { startConnectionTest: result } = await ask<{ startConnectionTest: { __typename: string } }>(
      this.#gateway.port,
      token,
      START,
      { input },
    );
    if (result.__typename !== 'StartConnectionTestSuccess') throw new Error(JSON.stringify(result));
  }

  close(): void {
    this.#socket.terminate();
  }

  #take({ id, type, payload }: Message): void {
    const end = this.#ends.get(id);
    if (!end || type !== 'next') return;
    const test = payload?.data?.connectionTestProgress.test;
    if (test?.status === 'PASSED') end.resolve();
    else if (test === undefined || test.status === 'FAILED') end.reject(new Error(JSON.stringify(payload)));
  }
}
