import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import type { GatewayClient, TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { Progress } from '../support/operations.ts';
import { type Finally, startProcess } from '../support/own-gateway.ts';
import { startGate } from '../support/peers/gate.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
});

afterAll(() => target.stop());

async function gated(onTestFinished: Finally) {
  const gate = await startGate(target.port);
  onTestFinished(() => gate.close());
  const { superuser, password } = target;
  const config = postgresConfig({ port: gate.port, username: superuser, password, database: 'postgres' });
  return { gate, config: { postgres: config } };
}

async function newFolder(onTestFinished: Finally): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-restart-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describeEachGateway('connection tests whose gateway goes away', (open, kind) => {
  const rowOf = (gateway: TestGateway, id: string) =>
    gateway.app.database.query
      .selectFrom('connection_tests')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow();

  const sequencesAndEnds = async (client: GatewayClient, id: string, after = 0) => {
    const results = await client.follow(Progress, { id, after });
    const events = results.flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => after + at + 1));
    return events.filter(({ check }) => check === null).map(({ test }) => `${test.status} ${test.attempt}`);
  };

  const isEnd = (event: string) => !/^(QUEUED|RUNNING) /.test(event);

  test.concurrent('by kill -9: one is taken up again, the one before a save is over, and so is one that was to be cancelled', async ({
    onTestFinished,
  }) => {
    const { url, remove } = await newTestDatabase(kind);
    const folder = await newFolder(onTestFinished);
    const { child, client } = await startProcess(url, folder, onTestFinished);
    const first = apiOf(client);
    const environmentId = await first.newEnvironment();
    const { gate, config } = await gated(onTestFinished);
    const draft = { environmentId, config };
    const options = { timeoutMs: 120_000 };
    const requested = (await first.testStarted({ target: { draft }, options })).id;
    const unwanted = (await first.testStarted({ target: { draft }, options })).id;
    const beforeSave = randomUUID();
    const creating = first.create({ environmentId, config, test: { testId: beforeSave, ...options } });
    creating.catch(() => 'its gateway is killed');
    await eventually(() => gate.waiting() === 3);
    child.kill('SIGKILL');
    await once(child, 'exit');

    const gateway = await open({ databaseUrl: url, folder });
    const api = apiOf(gateway);
    const seen = (await rowOf(gateway, requested)).sequence;
    expect(await rowOf(gateway, requested)).toMatchObject({
      status: 'RUNNING',
      draft_secrets: expect.stringMatching(/^v1\./),
    });
    const { query } = gateway.app.database;
    await query.updateTable('connection_tests').set({ cancel_requested: 1 }).where('id', '=', unwanted).execute();
    const late = new Date(Date.now() - 1).toISOString();
    // instead of waiting for the lease to run out
    await query
      .updateTable('connection_tests')
      .set({ lease_expires_at: late })
      .where('status', '=', 'RUNNING')
      .execute();
    gate.open();
    const begun = performance.now();
    const ids = [requested, beforeSave, unwanted];
    const logs = await Promise.all(ids.map((id) => sequencesAndEnds(gateway, id)));
    const ends = ids.flatMap((id, at) => (logs[at] ?? []).filter(isEnd).map(() => id));
    const recoveryMs = performance.now() - begun;
    recordFault({ fault: `gateway on ${kind} killed`, times: 1, ...comparedWith(ids, ends), recoveryMs });

    expect(logs[0]).toEqual(['QUEUED 1', 'RUNNING 1', 'QUEUED 2', 'RUNNING 2', 'PASSED 2']);
    expect(await sequencesAndEnds(gateway, requested, seen)).toEqual(['QUEUED 2', 'RUNNING 2', 'PASSED 2']);
    expect(logs[1]).toEqual(['QUEUED 1', 'RUNNING 1', 'FAILED 1']);
    expect(await api.readTest(beforeSave)).toMatchObject({ failure: { code: 'INTERRUPTED', cause: 'INTERNAL' } });
    expect(logs[2]).toEqual(['QUEUED 1', 'RUNNING 1', 'CANCELLED 1']);
    expect(await api.count(environmentId)).toBe(0);
    expect(await rowOf(gateway, requested)).toMatchObject({ attempt: 2 });
    for (const id of ids) expect(await rowOf(gateway, id)).toMatchObject({ draft_config: null, draft_secrets: null });
    await gateway.close();
    await remove();
  });

  test.runIf(kind === 'postgres')(
    'by kill -9 a second before their deadline: another process ends them by it + 2 s',
    async ({ onTestFinished }) => {
      const { url, remove } = await newTestDatabase(kind);
      const folder = await newFolder(onTestFinished);
      const survivor = await open({ databaseUrl: url, folder });
      const { child, client } = await startProcess(url, folder, onTestFinished);
      const api = apiOf(client);
      const { gate, config } = await gated(onTestFinished);
      const draft = { environmentId: await api.newEnvironment(), config };
      const options = { timeoutMs: 15_000 };
      const ids: string[] = [];
      const readRows = () => Promise.all(ids.map((id) => rowOf(survivor, id)));
      const ownersOf = (rows: Awaited<ReturnType<typeof readRows>>) =>
        new Set(rows.flatMap(({ owner }) => (owner === null ? [] : [owner])));
      // which of the two takes a test is a race, and one may win it again and again
      while (ids.length < 10 || ownersOf(await readRows()).size < 2)
        ids.push((await api.testStarted({ target: { draft }, options })).id);
      await eventually(() => gate.waiting() === ids.length);
      const rows = await readRows();
      const [first = ''] = rows.map(({ deadline_at }) => deadline_at).toSorted();
      await sleep(Date.parse(first) - Date.now() - 1_000);
      child.kill('SIGKILL');

      const ends: string[] = [];
      const late = await Promise.all(
        rows.map(async ({ id, deadline_at }) => {
          const events = await survivor.follow(Progress, { id, after: 0 });
          const seen = Date.now();
          ends.push(...events.flatMap(({ data }) => (data?.connectionTestProgress.test.finishedAt ? [id] : [])));
          const { finishedAt, status, failure } = events.at(-1)?.data?.connectionTestProgress.test ?? {};
          expect({ status, failure }).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
          return Math.max(seen, Date.parse(finishedAt ?? '')) - Date.parse(deadline_at);
        }),
      );
      const found = comparedWith(ids, ends);
      const fault = 'replica killed before deadlines (recovery: past them)';
      recordFault({ fault, times: 1, ...found, recoveryMs: Math.max(...late) });
      expect(found).toEqual({ lost: 0, doubled: 0 });
      expect(Math.max(...late)).toBeLessThanOrEqual(2_000);
      expect(ownersOf(rows).size).toBe(2);
      await survivor.close();
      await remove();
    },
  );

  test.concurrent('by stopping: one is handed on, the one before a save is over', async ({ onTestFinished }) => {
    const { url, remove } = await newTestDatabase(kind);
    const folder = await newFolder(onTestFinished);
    const first = await open({ databaseUrl: url, folder, testing: { limits: { drainMs: 200 } } });
    const api = apiOf(first);
    const environmentId = await api.newEnvironment();
    const { gate, config } = await gated(onTestFinished);
    const { id } = await api.testStarted({
      target: { draft: { environmentId, config } },
      options: { timeoutMs: 120_000 },
    });
    const beforeSave = randomUUID();
    const creating = api.create({ environmentId, config, test: { testId: beforeSave } });
    creating.catch(() => 'its gateway stops');
    await eventually(() => gate.waiting() === 2);
    await first.close();

    const second = await open({ databaseUrl: url, folder });
    gate.open();
    expect(await sequencesAndEnds(second, id)).toEqual(['QUEUED 1', 'RUNNING 1', 'QUEUED 2', 'RUNNING 2', 'PASSED 2']);
    expect(await sequencesAndEnds(second, beforeSave)).toEqual(['QUEUED 1', 'RUNNING 1', 'FAILED 1']);
    expect(await apiOf(second).readTest(beforeSave)).toMatchObject({ failure: { code: 'INTERRUPTED' } });
    expect(await apiOf(second).count(environmentId)).toBe(0);
    await second.close();
    await remove();
  });

  test.concurrent('for longer than their deadline: they have timed out', async ({ onTestFinished }) => {
    const gateway = await open();
    const api = apiOf(gateway);
    const { config } = await gated(onTestFinished);
    const draft = { environmentId: await api.newEnvironment(), config };
    const { id } = await api.testStarted({ target: { draft }, options: { timeoutMs: 1_000 } });
    await api.ended(id);
    const ended = await rowOf(gateway, id);
    const past = new Date(Date.now() - 1).toISOString();
    const opened = {
      finished_at: null,
      duration_ms: null,
      failure: null,
      owner: 'dead',
      lease_expires_at: past,
      sequence: 0,
    };
    const [running, queued] = [randomUUID(), randomUUID()];
    const { query } = gateway.app.database;
    await query
      .insertInto('connection_tests')
      .values([
        { ...ended, ...opened, id: running, status: 'RUNNING' },
        { ...ended, ...opened, id: queued, status: 'QUEUED', started_at: null },
      ])
      .execute();
    for (const lost of [running, queued]) {
      await eventually(async () => (await rowOf(gateway, lost)).finished_at !== null);
      expect(await api.readTest(lost)).toMatchObject({ status: 'FAILED', failure: { code: 'TIMEOUT' } });
    }
  });
});
