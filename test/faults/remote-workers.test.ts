import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateApiToken, Progress } from '../support/operations.ts';
import { startProcess, startRemoteWorker } from '../support/own-gateway.ts';
import { startGate } from '../support/peers/gate.ts';
import { startRecordingProxy } from '../support/peers/recording-proxy.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType } from '../support/results.ts';

const options = { timeoutMs: 120_000 };
const TESTS = 5;

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
});

afterAll(() => target.stop());

describe.each(['sqlite', 'postgres'] as const)('with a gateway on %s and workers that ask it', (kind) => {
  test('the gateway is killed while tests run, and another one started: each goes on, and ends once', async ({
    onTestFinished,
  }) => {
    const { gate, folder, url, first, environmentId, token } = await begin(kind, onTestFinished);
    const proxy = await startRecordingProxy(first.client.url);
    onTestFinished(() => proxy.close());
    await startRemoteWorker(proxy.url, token, onTestFinished);
    const ids = await startTests(first.client, gate.port, environmentId);
    await eventually(() => gate.waiting() === TESTS);
    proxy.leadTo(undefined);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    // they end in the worker while there is nobody whom it could tell
    gate.open();
    const second = await startProcess(url, folder, onTestFinished, { takesTests: false });
    proxy.leadTo(second.client.url);
    for (const id of ids) await expectOneEnd(second.client, id, 1);
    // and so does what comes later
    for (const id of await startTests(second.client, gate.port, environmentId))
      await expectOneEnd(second.client, id, 1);
  });

  test('a worker is killed: another one takes its tests when their leases are over', async ({ onTestFinished }) => {
    const { gate, first, environmentId, token } = await begin(kind, onTestFinished);
    const doomed = await startRemoteWorker(first.client.url, token, onTestFinished);
    const ids = await startTests(first.client, gate.port, environmentId);
    await eventually(() => gate.waiting() === TESTS);
    await startRemoteWorker(first.client.url, token, onTestFinished);
    doomed.kill('SIGKILL');
    await once(doomed, 'exit');
    gate.open();
    for (const id of ids) await expectOneEnd(first.client, id, 2);
  });

  test('its connection is cut again and again: nothing is lost or doubled', async ({ onTestFinished }) => {
    const { gate, first, environmentId, token } = await begin(kind, onTestFinished);
    const proxy = await startRecordingProxy(first.client.url);
    onTestFinished(() => proxy.close());
    await startRemoteWorker(proxy.url, token, onTestFinished);
    gate.open();
    const cutting = setInterval(() => {
      proxy.leadTo(undefined);
      proxy.leadTo(first.client.url);
    }, 100);
    onTestFinished(() => clearInterval(cutting));
    const ids = [];
    for (let round = 0; round < 4; round += 1) ids.push(...(await startTests(first.client, gate.port, environmentId)));
    for (const id of ids) await expectOneEnd(first.client, id);
  });
});

type Client = Awaited<ReturnType<typeof startProcess>>['client'];

async function begin(kind: 'sqlite' | 'postgres', onTestFinished: Parameters<typeof startProcess>[2]) {
  const { url, remove } = await newTestDatabase(kind);
  onTestFinished(async () => void (await remove()));
  const folder = await mkdtemp(join(tmpdir(), 'gateway-remote-workers-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const gate = await startGate(target.port);
  onTestFinished(() => gate.close());
  const first = await startProcess(url, folder, onTestFinished, { takesTests: false });
  const environmentId = await apiOf(first.client).newEnvironment();
  const input = { name: 'worker', scopes: ['TESTS_RUN' as const], environmentIds: [environmentId] };
  const { createApiToken } = await first.client.run(CreateApiToken, { input });
  const { token } = expectType(createApiToken, 'CreateApiTokenSuccess');
  return { url, folder, gate, first, environmentId, token };
}

async function startTests(client: Client, port: number, environmentId: string): Promise<string[]> {
  const { superuser: username, password } = target;
  const config = { postgres: postgresConfig({ port, username, password, database: 'postgres' }) };
  const tested = { draft: { environmentId, config } };
  const started = Array.from({ length: TESTS }, () => apiOf(client).testStarted({ target: tested, options }));
  return (await Promise.all(started)).map(({ id }) => id);
}

/** Its events have no gap and no double, and one of them is its end. */
async function expectOneEnd(client: Client, id: string, attempt?: number): Promise<void> {
  const results = await client.follow(Progress, { id, after: 0 });
  const events = results.flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
  const ends = events.filter(({ test: { finishedAt } }) => finishedAt !== null);
  expect(ends.map(({ test: { status } }) => status)).toEqual(['PASSED']);
  if (attempt !== undefined) expect(ends[0]?.test.attempt).toBe(attempt);
}
