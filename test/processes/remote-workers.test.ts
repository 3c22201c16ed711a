import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateEnvironment, ListProcesses, Progress, RefreshCatalog } from '../support/operations.ts';
import { startRemoteWorker } from '../support/own-gateway.ts';
import { startGate } from '../support/peers/gate.ts';
import { startRecordingProxy } from '../support/peers/recording-proxy.ts';
import { startTarpit } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType } from '../support/results.ts';

const options = { timeoutMs: 120_000 };

async function makeTable({ port, superuser: user, password }: PostgresServer): Promise<void> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  await client.connect();
  await client.query('create table orders (id integer, note text)');
  await client.end();
}

describeEachGateway('a worker that asks a gateway', (open) => {
  let gateway: TestGateway;
  let target: PostgresServer;

  beforeAll(async () => {
    target = await startPostgres();
    await makeTable(target);
    gateway = await open({ takesTests: false, testing: { limits: { recheckMs: 200 } } });
  });

  afterAll(() => target.stop());

  const newEnvironment = async (network: string | null) => {
    const input = { name: `e ${randomUUID()}`, network };
    const { createEnvironment } = await gateway.run(CreateEnvironment, { input });
    return expectType(createEnvironment, 'CreateEnvironmentSuccess').environment.id;
  };
  const tokenFor = (...environmentIds: string[]) =>
    gateway.createToken(`worker ${randomUUID()}`, ['TESTS_RUN'], environmentIds);
  const configAt = (port: number) => {
    const { superuser: username, password } = target;
    return { postgres: postgresConfig({ port, username, password, database: 'postgres' }) };
  };
  const rowOf = (id: string) =>
    gateway.app.database.query
      .selectFrom('connection_tests')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow();

  test('runs tests of every purpose, live, and nobody on the way sees a secret', async ({ onTestFinished }) => {
    const environmentId = await newEnvironment('vpc-a');
    const proxy = await startRecordingProxy(gateway.url);
    onTestFinished(() => proxy.close());
    const worker = await startRemoteWorker(proxy.url, await tokenFor(environmentId), onTestFinished, 'vpc-a');
    const config = configAt(target.port);
    const api = apiOf(gateway);

    const testId = randomUUID();
    const following = gateway.follow(Progress, { id: testId, after: 0 });
    await api.testStarted({ target: { draft: { environmentId, config } }, options: { ...options, testId } });
    const events = (await following).flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    expect(events.at(-1)?.test).toMatchObject({ status: 'PASSED', attempt: 1 });
    const statuses = events.flatMap(({ check }) => check?.status ?? []);
    expect(statuses.filter((status) => status === 'PASSED')).toHaveLength(events.at(-1)?.test.checks.length ?? 0);
    const times = events.map(({ at }) => at);
    expect(times).toEqual(times.toSorted());

    // a save waits for it, and a catalog comes in parts
    const { id: datastoreId } = await api.created({ environmentId, config, test: options });
    const { refreshCatalog } = await gateway.run(RefreshCatalog, { input: { datastoreId } });
    const { id: catalogTest } = expectType(refreshCatalog, 'RefreshCatalogSuccess').test;
    expect(await api.ended(catalogTest)).toMatchObject({ status: 'PASSED' });
    const read = await gateway.app.database.query
      .selectFrom('catalogs')
      .select('entry_count')
      .where('datastore_id', '=', datastoreId)
      .executeTakeFirstOrThrow();
    expect(read.entry_count).toBeGreaterThan(0);

    const { processes } = await gateway.run(ListProcesses, {});
    const { nodes } = processes;
    expect(nodes.find(({ kind }) => kind === 'REMOTE_WORKER')).toMatchObject({ network: 'vpc-a', isAlive: true });
    const owner = nodes.find(({ kind }) => kind === 'REMOTE_WORKER')?.id;
    for (const id of [testId, catalogTest]) expect((await rowOf(id)).owner).toBe(owner);

    // what was said is seen: that is what would show a secret
    const wire = proxy.bodies();
    expect(wire).toContain(testId);
    expect(wire).toContain('workerSignals');
    for (const encoding of ['utf8', 'base64', 'base64url', 'hex'] as const)
      expect(wire).not.toContain(Buffer.from(target.password).toString(encoding));
    expect(gateway.log()).not.toContain(target.password);

    worker.kill('SIGTERM');
    expect(await once(worker, 'exit')).toEqual([0, null]);
    const left = (await gateway.run(ListProcesses, {})).processes.nodes;
    expect(left.map(({ kind }) => kind)).not.toContain('REMOTE_WORKER');
  });

  test('ends what somebody cancels, and hands back what it has not ended when it stops', async ({ onTestFinished }) => {
    const environmentId = await newEnvironment(null);
    const token = await tokenFor(environmentId);
    const first = await startRemoteWorker(gateway.url, token, onTestFinished);
    const tarpit = await startTarpit();
    onTestFinished(() => tarpit.close());
    const api = apiOf(gateway);
    const hanging = { environmentId, config: configAt(tarpit.port) };
    const { id: unwanted } = await api.testStarted({ target: { draft: hanging }, options });
    await eventually(() => tarpit.open() === 1);
    expect(await api.cancel(unwanted)).toMatchObject({ test: { status: 'CANCELLED' } });
    await eventually(() => tarpit.open() === 0);

    const gate = await startGate(target.port);
    onTestFinished(() => gate.close());
    const draft = { environmentId, config: configAt(gate.port) };
    const { id } = await api.testStarted({ target: { draft }, options });
    await eventually(() => gate.waiting() === 1);
    // it lets a test go on for 15 s
    first.kill('SIGTERM');
    expect(await once(first, 'exit')).toEqual([0, null]);
    expect(await rowOf(id)).toMatchObject({ status: 'QUEUED', owner: null, restarts: 1 });
    await startRemoteWorker(gateway.url, token, onTestFinished);
    gate.open();
    expect(await api.ended(id)).toMatchObject({ status: 'PASSED', attempt: 2 });
  });

  test('takes nothing of another environment or network, and nothing that gateways keep', async ({
    onTestFinished,
  }) => {
    const [own, others, inVpc] = [
      await newEnvironment(null),
      await newEnvironment(null),
      await newEnvironment('vpc-z'),
    ];
    await startRemoteWorker(gateway.url, await tokenFor(own, inVpc), onTestFinished);
    const api = apiOf(gateway);
    const start = async (environmentId: string) =>
      (await api.testStarted({ target: { draft: { environmentId, config: configAt(target.port) } }, options })).id;
    const left = [await start(others), await start(inVpc)];
    const { id: managed } = await api.testStarted({
      target: { draft: { environmentId: own, config: { managed: { maxSizeMb: 1 } } } },
    });
    expect(await api.ended(managed)).toMatchObject({ status: 'PASSED' });
    expect((await rowOf(managed)).owner).not.toBe((await rowOf(left[0] ?? '')).owner);
    // older tests are taken first
    expect(await api.ended(await start(own))).toMatchObject({ status: 'PASSED' });
    for (const id of left) expect(await rowOf(id)).toMatchObject({ status: 'QUEUED', owner: null });
    for (const id of left) await api.cancel(id);
  });

  test('ends when its token is revoked, and does not start with one that may not run tests', async ({
    onTestFinished,
  }) => {
    const environmentId = await newEnvironment(null);
    const token = await tokenFor(environmentId);
    const worker = await startRemoteWorker(gateway.url, token, onTestFinished);
    const access = await gateway.app.access.authenticate(token);
    const all = await gateway.app.access.authenticate(gateway.token);
    if (!access || !all) throw new Error('both tokens are good');
    await gateway.app.access.revoke(all, access.tokenId);
    expect(await once(worker, 'exit')).toEqual([1, null]);

    const wrong = await gateway.createToken(`wrong ${randomUUID()}`, ['DATASTORES_TEST'], [environmentId]);
    await expect(startRemoteWorker(gateway.url, wrong, onTestFinished)).rejects.toThrow();
  });
});
