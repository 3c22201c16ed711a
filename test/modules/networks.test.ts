import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { afterDeath } from '../../src/modules/connection-tests/after-death.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { Worker } from '../../src/worker.ts';
import { apiOf } from '../support/api.ts';
import { childProgram } from '../support/child-program.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateEnvironment, RefreshCatalog } from '../support/operations.ts';
import { startGate } from '../support/peers/gate.ts';
import { expectType } from '../support/results.ts';

describeEachGateway('connection tests of an environment with a network', (open, kind) => {
  // processes that share a SQLite file do not hear of one another: these are no tests there, rather than skipped ones
  const onPostgres = (name: string, run: () => Promise<void>) => (kind === 'postgres' ? test(name, run) : undefined);

  let asked: TestGateway;
  let inVpc: TestGateway;

  beforeAll(async () => {
    asked = await open({ takesTests: false, testing: { healthTickMs: 200 } });
    const { databaseUrl, folder } = asked;
    inVpc = kind === 'postgres' ? await open({ databaseUrl, folder, network: 'vpc-a' }) : asked;
  });

  const newEnvironment = async (network: string | null) => {
    const input = { name: `e ${randomUUID()}`, network };
    const { createEnvironment } = await asked.run(CreateEnvironment, { input });
    return expectType(createEnvironment, 'CreateEnvironmentSuccess').environment.id;
  };
  const rowOf = (id: string) =>
    asked.app.database.query.selectFrom('connection_tests').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const config = { postgres: postgresConfig() };
  /** Has the health of a datastore checked now. @returns the test's id */
  const checked = async (datastoreId: string) => {
    const { query } = asked.app.database;
    const due = { next_check_at: '2026-01-01T00:00:00.000Z' };
    await query.updateTable('datastore_health').set(due).where('datastore_id', '=', datastoreId).execute();
    let id: string | undefined;
    await eventually(async () => {
      const tests = query.selectFrom('connection_tests').select('id').where('datastore_id', '=', datastoreId);
      id = (await tests.where('purpose', '=', 'HEALTH').executeTakeFirst())?.id;
      return id !== undefined;
    });
    return id ?? '';
  };

  onPostgres(
    'run where it says, whoever asks for them, health checks and catalogs too; others run where none is said',
    async () => {
      const { databaseUrl, folder } = asked;
      const anywhere = await open({ databaseUrl, folder });
      const owners = new Map<string | null, string[]>();
      for (const network of ['vpc-a', null]) {
        const environmentId = await newEnvironment(network);
        const api = apiOf(network === null ? inVpc : asked);
        const { id } = await api.testStarted({ target: { draft: { environmentId, config } } });
        const stored = await api.created({ environmentId, config, checkEveryMinutes: 5 });
        const healthId = await checked(stored.id);
        const { refreshCatalog } = await asked.run(RefreshCatalog, { input: { datastoreId: stored.id } });
        const catalogId = expectType(refreshCatalog, 'RefreshCatalogSuccess').test.id;
        const beforeSave = randomUUID();
        const refused = await api.create({ environmentId, config, test: { testId: beforeSave } });
        expect(refused).toMatchObject({ __typename: 'ConnectionTestFailedError' });
        const ids = [id, catalogId, healthId, beforeSave];
        for (const each of ids)
          expect(await api.ended(each)).toMatchObject({ failure: { code: 'CONNECTION_REFUSED' }, attempt: 1 });
        const rows = await Promise.all(ids.map(rowOf));
        expect(rows.map((row) => row.network)).toEqual(ids.map(() => network));
        owners.set(network, [...new Set(rows.map(({ owner }) => owner ?? ''))]);
      }
      expect(owners.get('vpc-a')).toHaveLength(1);
      expect(owners.get(null)).toHaveLength(1);
      expect(owners.get(null)).not.toEqual(owners.get('vpc-a'));
      await anywhere.close();
    },
  );

  test('are no matter for what the gateway keeps itself: any gateway tests that, one too that takes no others', async () => {
    const environmentId = await newEnvironment('vpc-a');
    const managed = { environmentId, config: { managed: { maxSizeMb: 1 } } };
    const { id } = await apiOf(asked).testStarted({ target: { draft: managed } });
    expect(await apiOf(asked).ended(id)).toMatchObject({ status: 'PASSED' });
    expect((await rowOf(id)).network).toBeNull();
    expect(await apiOf(asked).create({ ...managed, test: {} })).toMatchObject({ __typename: 'CreateDatastoreSuccess' });
  });

  test('end when nobody is there who takes them, and say what to start', async () => {
    const api = apiOf(asked);
    const environmentId = await newEnvironment('nowhere');
    const { id } = await api.testStarted({
      target: { draft: { environmentId, config } },
      options: { timeoutMs: 1_000 },
    });
    const ended = await api.ended(id);
    expect(ended).toMatchObject({ status: 'FAILED', attempt: 1, startedAt: null, failure: { code: 'NO_WORKER' } });
    expect(ended.failure).toMatchObject({
      cause: 'TIMEOUT',
      hint: expect.stringContaining('worker --network NETWORK'),
    });
    const [first, ...others] = ended.checks;
    expect(first).toMatchObject({ status: 'FAILED', evidence: [{ name: 'network', value: 'nowhere' }] });
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(['SKIPPED']));
  });

  onPostgres(
    'go on elsewhere when the process that runs them stops, those that a save elsewhere waits for too',
    async () => {
      const { databaseUrl, folder } = asked;
      const gate = await startGate(1);
      const first = await open({ databaseUrl, folder, network: 'vpc-b' });
      const environmentId = await newEnvironment('vpc-b');
      const beforeSave = randomUUID();
      const saving = apiOf(asked).create({
        environmentId,
        config: { postgres: postgresConfig({ port: gate.port }) },
        test: { testId: beforeSave, timeoutMs: 120_000 },
      });
      await eventually(() => gate.waiting() === 1);
      await first.close();
      const second = await open({ databaseUrl, folder, network: 'vpc-b' });
      await gate.close();
      expect(await saving).toMatchObject({ __typename: 'ConnectionTestFailedError' });
      const test = await apiOf(asked).ended(beforeSave);
      expect(test.attempt).toBe(2);
      expect(test.failure?.code).toMatch(/^CONNECTION_(LOST|REFUSED)$/);
      await second.close();
      await gate.close();
    },
  );

  onPostgres(
    'end in a worker that stops, if they end soon; it tells its metrics, but none of whom it serves',
    async () => {
      const { databaseUrl, folder } = asked;
      const lines: string[] = [];
      const worker = await Worker.open({
        ...{ databaseUrl, host: '127.0.0.1', metricsPort: 0, network: 'vpc-c', egressAllow: ['127.0.0.0/8'] },
        keyFile: join(folder, 'master.key'),
        logger: createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } }),
        testing: childProgram(),
      });
      await worker.listen();
      const gate = await startGate(1);
      const draft = {
        environmentId: await newEnvironment('vpc-c'),
        config: { postgres: postgresConfig({ port: gate.port }) },
      };
      const { id } = await apiOf(asked).testStarted({ target: { draft }, options: { timeoutMs: 120_000 } });
      await eventually(() => gate.waiting() === 1);
      const metrics = lines
        .map((line) => JSON.parse(line) as { url?: string })
        .find(({ url }) => url?.endsWith('/metrics'));
      const text = await (await fetch(metrics?.url ?? '')).text();
      expect(text).toContain('datastore_gateway_tests_running 1');
      expect(text).not.toContain('datastore_gateway_open_connections');
      const closed = worker.close();
      await gate.close();
      await closed;
      expect(await apiOf(asked).readTest(id)).toMatchObject({
        attempt: 1,
        failure: { code: expect.stringMatching(/^CONNECTION_(LOST|REFUSED)$/) },
      });
    },
  );

  describe('whose process has died', () => {
    const later = '2999-01-01T00:00:00.000Z';
    test.each([
      ['a save in that process waits for it', { caller: 'dead' }, 'FAILED'],
      ['a save waits for it as an older version has it', { caller: null }, 'FAILED'],
      ['a save elsewhere waits for it', { caller: 'alive' }, 'QUEUED'],
      ['no save waits for it', { purpose: 'REQUESTED', caller: null }, 'QUEUED'],
    ])('%s', async (_title, columns, status) => {
      const environmentId = await newEnvironment(null);
      const { id } = await apiOf(asked).testStarted({ target: { draft: { environmentId, config } } });
      const row = { ...(await rowOf(id)), purpose: 'BEFORE_SAVE', status: 'RUNNING', owner: 'dead', attempt: 1 };
      const next = afterDeath({ ...row, deadline_at: later, ...columns }, '2026-01-01T00:00:00.000Z', 'another');
      expect(next.status).toBe(status);
      expect(next.failure?.code).toBe(status === 'FAILED' ? 'INTERRUPTED' : undefined);
      await apiOf(asked).cancel(id);
    });
  });
});
