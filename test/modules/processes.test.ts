import { expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import { postgresConfig } from '../support/inputs.ts';
import { ListProcesses } from '../support/operations.ts';
import { startGate } from '../support/peers/gate.ts';

const HOUR_MS = 3_600_000;

describeEachGateway('processes', (open) => {
  test('say what they are, and what each runs, by one row that is written again and again', async () => {
    const gateway = await open({ network: 'vpc-a', testing: { beatMs: 20 } });
    const { query, clock } = gateway.app.database;
    const list = async (page = {}) => (await gateway.run(ListProcesses, page)).processes;
    const [own] = (await list()).nodes;
    expect(own).toMatchObject({ kind: 'GATEWAY', network: 'vpc-a', capacity: 200, running: 0, isAlive: true });
    expect(own).toMatchObject({ tests: [], tokenName: null, version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    const gate = await startGate(1);
    const { createEnvironment } = (
      await gateway.send({
        query:
          'mutation { createEnvironment(input: { name: "in vpc-a", network: "vpc-a" }) { ... on CreateEnvironmentSuccess { environment { id } } } }',
      })
    ).json.data as { createEnvironment: { environment: { id: string } } };
    const draft = {
      environmentId: createEnvironment.environment.id,
      config: { postgres: postgresConfig({ port: gate.port }) },
    };
    const { id } = await apiOf(gateway).testStarted({ target: { draft }, options: { timeoutMs: 120_000 } });
    await eventually(() => gate.waiting() === 1);
    // the row tells what was when it was written last
    await eventually(async () => (await list()).nodes[0]?.running === 1);
    const [busy] = (await list()).nodes;
    expect(busy?.tests).toEqual([{ id, status: 'RUNNING' }]);
    expect(busy?.startedAt).toBe(own?.startedAt);
    expect((busy?.lastSeenAt ?? '') > (own?.lastSeenAt ?? '')).toBe(true);
    expect(await query.selectFrom('processes').select('id').execute()).toHaveLength(1);
    await gate.close();
    await apiOf(gateway).ended(id);

    // one that died is shown for an hour
    const seen = async (name: string, agoMs: number) => {
      const at = clock.timestamp(-agoMs);
      const facts = { kind: 'WORKER', host: name, version: '0.1.0', network: null, capacity: 200, running: 3 };
      const columns = { ...facts, id: name, started_at: at, last_seen_at: at, token_id: null, public_key: null };
      await query.insertInto('processes').values(columns).execute();
    };
    await seen('died', 20_000);
    await seen('gone', HOUR_MS + 1_000);
    await gateway.app.chores.run();
    const hosts = (await list()).nodes.map(({ host, isAlive }) => [host, isAlive]);
    expect(hosts).toEqual([
      ['died', false],
      [own?.host, true],
    ]);
    const first = await list({ first: 1 });
    expect(first).toMatchObject({ nodes: [{ host: 'died' }], pageInfo: { hasNextPage: true } });
    const second = await list({ first: 1, after: first.pageInfo.endCursor });
    expect(second.nodes).toMatchObject([{ id: own?.id }]);
    expect((await list({ last: 1, before: second.pageInfo.startCursor })).nodes).toEqual(first.nodes);
  });

  test('are no longer there once they have stopped, and are written anew while they live', async () => {
    const { databaseUrl, folder, ...gateway } = await open({ takesTests: false, testing: { beatMs: 20 } });
    const { query } = gateway.app.database;
    const count = async () => (await query.selectFrom('processes').select('capacity').execute()).length;
    const other = await open({ databaseUrl, folder });
    expect(await count()).toBe(2);
    await other.close();
    await eventually(async () => (await count()) === 1);
    await query.deleteFrom('processes').execute();
    await eventually(async () => (await count()) === 1);
    const [row] = await query.selectFrom('processes').selectAll().execute();
    expect(row).toMatchObject({ kind: 'GATEWAY', capacity: 0 });
  });

  test('are shown to those alone who see all environments', async () => {
    const gateway = await open();
    const [{ id } = { id: '' }] = await gateway.app.database.query.selectFrom('environments').select('id').execute();
    for (const token of [
      await gateway.createToken('without the scope', ['DATASTORES_READ']),
      await gateway.createToken('of one environment', ['PROCESSES_READ'], [id]),
    ]) {
      const { errors } = await gateway.execute(ListProcesses, {}, token);
      expect(errors?.map(({ extensions }) => extensions?.code)).toEqual(['FORBIDDEN']);
    }
    const token = await gateway.createToken('of operators', ['PROCESSES_READ']);
    const { json } = await gateway.send({ query: '{ processes { nodes { kind tests { id } } } }' }, token);
    expect(json.errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }]);
    const own = await gateway.send({ query: '{ processes { nodes { kind } } }' }, token);
    expect(own.json).toEqual({ data: { processes: { nodes: [{ kind: 'GATEWAY' }] } } });
  });
});
