import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/platform/database/database.ts';
import { apiOf } from '../support/api.ts';
import { createSelfSigned } from '../support/certificates.ts';
import { childProgram } from '../support/child-program.ts';
import { newTestDatabase } from '../support/databases.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { clientOf, type GatewayClient } from '../support/gateway.ts';
import { type HttpPeer, type Misbehaviour, startHttpPeer } from '../support/peers/http-peer.ts';
import { closedPort } from '../support/peers/tarpit.ts';

const TICK_MS = 20;
const MESSAGES = 60;
const QUICK_MS = 5_000;

interface Receiver {
  readonly url: string;
  /** How often each message came, by its id. */
  readonly came: ReadonlyMap<string, number>;
  /** Messages that came while the same one was being answered. */
  readonly overlaps: readonly string[];
  /** The most messages that it has had to answer at once. */
  most(): number;
}

/** A receiver that takes its time to answer each message. */
async function startReceiver(answersAfterMs: number): Promise<Receiver> {
  const came = new Map<string, number>();
  const open = new Set<string>();
  const overlaps: string[] = [];
  let most = 0;
  const server = createServer((request, response) => {
    const id = String(request.headers['webhook-id']);
    came.set(id, (came.get(id) ?? 0) + 1);
    if (open.has(id)) overlaps.push(id);
    open.add(id);
    most = Math.max(most, open.size);
    response.on('close', () => open.delete(id));
    setTimeout(() => response.writeHead(204).end(), answersAfterMs);
    request.resume();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, came, overlaps, most: () => most };
}

async function newWebhook(client: GatewayClient, environmentId: string, url: string): Promise<string> {
  const query = `mutation ($input: CreateWebhookInput!) {
    createWebhook(input: $input) { ... on CreateWebhookSuccess { webhook { id } } } }`;
  const { json } = await client.send({ query, variables: { input: { environmentId, url, events: ['DELETED'] } } });
  return (json.data as { createWebhook: { webhook: { id: string } } }).createWebhook.webhook.id;
}

/** Queues test messages, ten a request, and gives their ids. */
async function queue(client: GatewayClient, webhookId: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  while (ids.length < count) {
    const fields = Array.from({ length: Math.min(10, count - ids.length) }, (_, at) => {
      const field = 'sendTestWebhook(id: $id) { ... on SendTestWebhookSuccess { delivery { id } } }';
      return `m${at}: ${field}`;
    });
    const query = `mutation ($id: ID!) { ${fields.join(' ')} }`;
    const { json } = await client.send({ query, variables: { id: webhookId } });
    const answers = Object.values(json.data as Record<string, { delivery: { id: string } }>);
    ids.push(...answers.map(({ delivery }) => delivery.id));
  }
  return ids;
}

async function idsIn({ query }: Pick<Database, 'query'>, state: string): Promise<string[]> {
  const rows = await query.selectFrom('webhook_deliveries').select('id').where('state', '=', state).execute();
  return rows.map(({ id }) => id);
}

describeEachGateway('messages to webhooks', (open, kind) => {
  test('whose gateway is killed: each arrives, and again only where nobody had noted its answer', async () => {
    const place = await newTestDatabase(kind);
    const folder = await mkdtemp(join(tmpdir(), 'gateway-killed-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const script = join(import.meta.dirname, '../support/gateway-process.ts');
    const child = spawn(process.execPath, [script, place.url, folder, childProgram().childUrl, '0', String(TICK_MS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { url, token } = JSON.parse(line) as { url: string; token: string };
    const client = clientOf(url, token);
    const receiver = await startReceiver(100);
    const webhookId = await newWebhook(client, await apiOf(client).newEnvironment(), receiver.url);
    const ids = await queue(client, webhookId, MESSAGES);
    await eventually(() => receiver.came.size >= 10);
    const killed = once(child, 'exit');
    child.kill('SIGKILL');
    await killed;
    const killedAt = performance.now();
    const next = await open({ databaseUrl: place.url, folder, testing: { webhookTickMs: TICK_MS } });
    // what it had begun is still its own then
    const noted = new Set(await idsIn(next.app.database, 'DELIVERED'));
    expect(noted.size).toBeLessThan(MESSAGES);
    await eventually(async () => (await idsIn(next.app.database, 'DELIVERED')).length === MESSAGES);
    expect([...receiver.came.keys()].toSorted()).toEqual(ids.toSorted());
    const doubled = [...receiver.came].filter(([, count]) => count > 1);
    const fault = `gateway on ${kind} killed while it sends messages`;
    const { lost } = comparedWith(ids, [...receiver.came.keys()]);
    const sentAgain = doubled.filter(([id]) => noted.has(id)).length;
    recordFault({ fault, times: 1, lost, doubled: sentAgain, recoveryMs: performance.now() - killedAt });
    for (const [id, count] of doubled) expect([id, count, noted.has(id)]).toEqual([id, 2, false]);
    expect(receiver.most()).toBeLessThanOrEqual(4);
    expect(doubled.length).toBeLessThanOrEqual(4);
    await next.close();
    await place.remove();
  });

  if (kind === 'postgres')
    test('of two replicas: each arrives once', async () => {
      const testing = { webhookTickMs: TICK_MS };
      const one = await open({ testing });
      const other = await open({ databaseUrl: one.databaseUrl, folder: one.folder, testing });
      const receiver = await startReceiver(20);
      const webhookId = await newWebhook(one, await apiOf(one).newEnvironment(), receiver.url);
      const ids = await queue(one, webhookId, MESSAGES);
      await eventually(async () => (await idsIn(one.app.database, 'DELIVERED')).length === MESSAGES);
      expect([...receiver.came.keys()].toSorted()).toEqual(ids.toSorted());
      expect([...receiver.came.values()]).toEqual(ids.map(() => 1));
      expect(receiver.overlaps).toEqual([]);
      // both have sent some: their executors have started
      for (const { log } of [one, other]) expect(log()).toContain('An executor has started.');
    });

  test('to receivers that misbehave: each fails by its deadline, and holds up nobody', async () => {
    const gateway = await open({ testing: { webhookTickMs: TICK_MS } });
    const environmentId = await apiOf(gateway).newEnvironment();
    const peers: HttpPeer[] = [];
    onTestFinished(async () => {
      for (const peer of peers) await peer.close();
    });
    const peer = async (options: Parameters<typeof startHttpPeer>[1]) => {
      const started = await startHttpPeer(() => ({ status: 204 }), options);
      peers.push(started);
      return started.url;
    };
    const misbehaving = (misbehave: Misbehaviour) => peer({ misbehave });
    const certificate = await createSelfSigned();
    const wrong: readonly (readonly [string, RegExp])[] = [
      [await misbehaving('silent'), /^TIMEOUT: /],
      [await misbehaving('slow'), /^TIMEOUT: /],
      [await misbehaving('reset'), /^CONNECTION_LOST: /],
      [await misbehaving('garbage'), /^[A-Z_]+: /],
      [await misbehaving('endless-headers'), /^[A-Z_]+: /],
      [await misbehaving({ status: 500 }), /^The receiver answered 500\.$/],
      [await misbehaving({ status: 307 }), /^The receiver answered 307\.$/],
      [await peer({ certificate }), /^TLS_/],
      [`http://127.0.0.1:${await closedPort()}`, /^CONNECTION_REFUSED: /],
    ];
    const sent: (readonly [string, RegExp])[] = [];
    for (const [url, error] of wrong) {
      const [id = ''] = await queue(gateway, await newWebhook(gateway, environmentId, url), 1);
      sent.push([id, error]);
    }
    const well = await startReceiver(0);
    const begun = performance.now();
    const [good = ''] = await queue(gateway, await newWebhook(gateway, environmentId, well.url), 1);
    await eventually(() => well.came.has(good));
    expect(performance.now() - begun).toBeLessThan(QUICK_MS);

    const read = gateway.app.database.query.selectFrom('webhook_deliveries').selectAll();
    const failed = () => read.where('last_error', 'is not', null).execute();
    await eventually(async () => (await failed()).length === wrong.length);
    const errors = new Map((await failed()).map(({ id, last_error }) => [id, last_error]));
    for (const [id, error] of sent) expect(errors.get(id)).toMatch(error);
  });
});
