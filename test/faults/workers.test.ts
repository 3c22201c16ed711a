import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { startGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateEnvironment, Progress } from '../support/operations.ts';
import { startProcess, startWorker } from '../support/own-gateway.ts';
import { startGate } from '../support/peers/gate.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType } from '../support/results.ts';

const TESTS = 40;
const OF_VPC = 5;

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
});

afterAll(() => target.stop());

test('of workers that take the tests of three gateways one is killed: each test ends once, before every subscriber', async ({
  onTestFinished,
}) => {
  const { url, remove } = await newTestDatabase('postgres');
  const folder = await mkdtemp(join(tmpdir(), 'gateway-workers-'));
  const gate = await startGate(target.port);
  const options = { timeoutMs: 120_000 };
  // the first one makes key file and tables, and takes no tests
  const first = await startGateway({ databaseUrl: url, folder, takesTests: false });
  const others = [];
  for (let count = 0; count < 2; count += 1)
    others.push(await startProcess(url, folder, onTestFinished, { takesTests: false }));
  const clients = [first, ...others.map(({ client }) => client)];
  const create = async (network: string | null) => {
    const { createEnvironment } = await first.run(CreateEnvironment, { input: { name: `e ${network}`, network } });
    return expectType(createEnvironment, 'CreateEnvironmentSuccess').environment.id;
  };
  const [anywhere, vpc] = [await create(null), await create('vpc-a')];
  const { superuser: username, password } = target;
  const config = { postgres: postgresConfig({ port: gate.port, username, password, database: 'postgres' }) };
  const start = async (at: number, environmentId: string) => {
    const client = clients[at % clients.length] ?? first;
    return (await apiOf(client).testStarted({ target: { draft: { environmentId, config } }, options })).id;
  };
  const read = (ids: readonly string[]) =>
    first.app.database.query.selectFrom('connection_tests').selectAll().where('id', 'in', ids).execute();

  const doomed = await startWorker(url, folder, onTestFinished);
  const ids: string[] = [];
  while (ids.length < TESTS / 2) ids.push(await start(ids.length, anywhere));
  const ofVpc: string[] = [];
  while (ofVpc.length < OF_VPC) ofVpc.push(await start(ofVpc.length, vpc));
  await eventually(() => gate.waiting() === ids.length);
  const survivor = await startWorker(url, folder, onTestFinished);
  const followed = (id: string, at: number) => clients[(at + 1) % clients.length]?.follow(Progress, { id, after: 0 });
  const following = ids.map(followed);
  expect(new Set((await read(ids)).map(({ owner }) => owner)).size).toBe(1);
  doomed.kill('SIGKILL');
  await once(doomed, 'exit');
  // these the other one has at once, those of the dead one when their leases are over
  while (ids.length < TESTS) {
    const id = await start(ids.length, anywhere);
    following.push(followed(id, ids.length));
    ids.push(id);
  }
  // a save that waits in a gateway is proved by a worker, too
  const saving = apiOf(first).create({ environmentId: anywhere, config, test: options });
  saving.catch(() => 'it is awaited below');
  expect((await read(ofVpc)).map(({ status }) => status)).toEqual(ofVpc.map(() => 'QUEUED'));
  gate.open();

  for (const results of await Promise.all(following)) {
    const events = (results ?? []).flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    const ends = events.filter(({ test: { finishedAt } }) => finishedAt !== null);
    expect(ends.map(({ test: { status } }) => status)).toEqual(['PASSED']);
  }
  expect(await saving).toMatchObject({ __typename: 'CreateDatastoreSuccess' });
  const attempts = (await read(ids)).map(({ attempt }) => attempt);
  expect(new Set(attempts)).toEqual(new Set([1, 2]));

  // a worker of the network takes these, and nothing else
  survivor.kill('SIGTERM');
  expect(await once(survivor, 'exit')).toEqual([0, null]);
  await startWorker(url, folder, onTestFinished, 'vpc-a');
  const left = await start(0, anywhere);
  for (const id of ofVpc) expect(await apiOf(first).ended(id)).toMatchObject({ status: 'PASSED', attempt: 1 });
  const inVpc = new Set((await read(ofVpc)).map(({ owner }) => owner));
  expect(inVpc.size).toBe(1);
  expect(await read([left])).toMatchObject([{ status: 'QUEUED', owner: null }]);
  await first.close();
  await gate.close();
  await rm(folder, { recursive: true, force: true });
  await remove();
});
