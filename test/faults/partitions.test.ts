import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionResult } from 'graphql';
import { expect, onTestFinished, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { clientOf, type GatewayClient, startGateway, type TestGateway } from '../support/gateway.ts';
import type { DatastoreEventsSubscription } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DatastoreEvents, Progress, StartTest } from '../support/operations.ts';
import { type FaultyNetwork, startFaultyNetwork } from '../support/peers/faulty-network.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { printedSeed, seeded } from '../support/random.ts';

const WRITERS = 2;
const ROUNDS = 2;
const PAUSE_MS = 20;
/** The longest fault, and by how much a slow network delays each chunk, in milliseconds. */
const LONGEST_MS = 800;
const DELAY_MS = 10;
/** After a fault that ends, everything has gone on in a part of this, however slow the machine is. */
const RECOVERY_MS = 20_000;
/** A connection that was cut without a word is given up after 30 s. */
const SILENT_RECOVERY_MS = 50_000;

const faults = ['stalls', 'resets', 'slices', 'delays'] as const;

/** What was asked for until it was acknowledged, and when the last of it was. */
interface Load {
  readonly saved: ReadonlySet<string>;
  readonly tested: ReadonlySet<string>;
  readonly lastSavedAt: () => number;
  stop(): Promise<void>;
}

/** Saves datastores and starts tests, each under a key of its own and again and again until it is acknowledged. */
async function startLoad(client: GatewayClient, environmentId: string): Promise<Load> {
  const api = apiOf(client);
  const config = { postgres: postgresConfig({ port: await closedPort() }) };
  const saved = new Set<string>();
  const tested = new Set<string>();
  let isStopped = false;
  let lastSavedAt = 0;
  const patiently = async (work: () => Promise<unknown>): Promise<void> => {
    for (;;) {
      try {
        return void (await work());
      } catch {
        // lost on the way, or UNAVAILABLE: whether it took effect is not known
        await sleep(PAUSE_MS);
      }
    }
  };
  const write = async () => {
    while (!isStopped) {
      const [idempotencyKey, testId] = [randomUUID(), randomUUID()];
      await patiently(async () => saved.add((await api.created({ environmentId, config, idempotencyKey })).id));
      lastSavedAt = performance.now();
      const target = { draft: { environmentId, config } };
      await patiently(async () => {
        const { startConnectionTest } = await client.run(StartTest, { input: { target, options: { testId } } });
        // by an earlier try whose answer was lost
        const isStored = startConnectionTest.__typename === 'ConflictError';
        if (!isStored) expect(startConnectionTest.__typename).toBe('StartConnectionTestSuccess');
        tested.add(testId);
      });
      await sleep(PAUSE_MS);
    }
  };
  const writers = Array.from({ length: WRITERS }, write);
  return {
    saved,
    tested,
    lastSavedAt: () => lastSavedAt,
    async stop() {
      isStopped = true;
      await Promise.all(writers);
    },
  };
}

type EventResult = ExecutionResult<DatastoreEventsSubscription>;

/** Follows what happens to datastores over a network that breaks, up to the one that comes last. */
async function followThrough(
  client: GatewayClient,
  by: 'follow' | 'followSse',
  environmentId: string,
  after: string,
  isLast: (id: string) => boolean,
): Promise<string[]> {
  const ids: string[] = [];
  let cursor = after;
  for (;;) {
    const onResult = ({ data }: EventResult) => {
      if (!data) return;
      cursor = data.datastoreEvents.cursor;
      ids.push(data.datastoreEvents.datastoreId);
    };
    const enough = () => isLast(ids.at(-1) ?? '');
    try {
      await client[by](DatastoreEvents, { environmentId, after: cursor }, { onResult, enough });
    } catch {
      // it broke, and is taken up where it was
    }
    if (enough()) return ids;
    await sleep(PAUSE_MS);
  }
}

/** Makes one fault and ends it. @returns when it ended */
async function makeFault(network: FaultyNetwork, fault: (typeof faults)[number], ms: number): Promise<number> {
  if (fault === 'resets') network.reset();
  else {
    const end = { stalls: network.stall, slices: network.slice, delays: () => network.delay(DELAY_MS) }[fault]();
    await sleep(ms);
    end();
  }
  return performance.now();
}

/** How long it took until something that was begun after a moment was acknowledged, as far as one can tell. */
async function recoveryAfter(load: Load, moment: number, atMost: number): Promise<number> {
  const seen = load.saved.size;
  while (load.saved.size < seen + WRITERS + 1) {
    if (performance.now() - moment > atMost) throw new Error(`Nothing is saved ${atMost} ms after the fault`);
    await sleep(PAUSE_MS);
  }
  return load.lastSavedAt() - moment;
}

async function startOn(side: 'Postgres' | 'the clients') {
  const { url, remove } = await newTestDatabase('postgres');
  const target = new URL(url);
  const ofDatabase = await startFaultyNetwork(Number(target.port));
  target.port = String(ofDatabase.port);
  const gateway = await startGateway({ databaseUrl: target.href, allowedHosts: ['127.0.0.1'] });
  const ofClients = await startFaultyNetwork(Number(new URL(gateway.url).port));
  onTestFinished(async () => {
    await gateway.close();
    await Promise.all([ofClients.close(), ofDatabase.close()]);
    await remove();
  });
  const far = clientOf(`http://127.0.0.1:${ofClients.port}`, gateway.token);
  return side === 'Postgres'
    ? { gateway, network: ofDatabase, client: gateway as GatewayClient }
    : { gateway, network: ofClients, client: far };
}

/** What has to hold once the load has ended: all is there once, and each test has ended once. */
async function judge(gateway: TestGateway, load: Load, found: readonly string[][]) {
  // each write was repeated under its key until it was acknowledged: what is there besides was done twice
  const besides = new Set(found.flat().filter((id) => !load.saved.has(id))).size;
  const ends: string[] = [];
  for (const id of load.tested) {
    const results = await gateway.follow(Progress, { id, after: 0 });
    const events = results.flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    ends.push(...events.flatMap(({ test }) => (test.finishedAt ? [id] : [])));
  }
  const all = [...found.map((ids) => comparedWith(load.saved, ids)), comparedWith(load.tested, ends)];
  const sum = (of: 'lost' | 'doubled') => all.reduce((total, one) => total + one[of], 0);
  return { lost: sum('lost'), doubled: sum('doubled') + besides };
}

/** Begins the load and its followers, lets the faults happen, and ends with what was lost or doubled. */
async function endure(
  { gateway, client }: Awaited<ReturnType<typeof startOn>>,
  happen: (load: Load) => Promise<void>,
): Promise<{ lost: number; doubled: number }> {
  const api = apiOf(gateway);
  const environmentId = await api.newEnvironment();
  const config = { postgres: postgresConfig() };
  const enough = (results: readonly unknown[]) => results.length > 0;
  let cursor = '';
  const onResult = ({ data }: EventResult) => {
    cursor = data?.datastoreEvents.cursor ?? '';
  };
  const first = gateway.follow(DatastoreEvents, { environmentId }, { enough, onResult });
  const others = new Set<string>();
  // an event tells where the followers begin, however long their first connections take
  while (cursor === '') {
    others.add((await api.created({ environmentId, config })).id);
    await sleep(PAUSE_MS);
  }
  await first;
  const load = await startLoad(client, environmentId);
  let last = 'not yet';
  const isLast = (id: string) => id === last;
  const followers = (['follow', 'followSse'] as const).map((by) =>
    followThrough(client, by, environmentId, cursor, isLast),
  );
  await happen(load);
  await load.stop();
  // it is named beforehand: followers may hear of it before the answer is here
  last = randomUUID();
  others.add(last);
  await api.created({ id: last, environmentId, config });
  const { query } = gateway.app.database;
  const rows = await query.selectFrom('datastores').select('id').where('environment_id', '=', environmentId).execute();
  const found = [rows.map(({ id }) => id), ...(await Promise.all(followers))];
  return judge(
    gateway,
    load,
    found.map((ids) => ids.filter((id) => !others.has(id))),
  );
}

test.each(['Postgres', 'the clients'] as const)(
  'a network to %s that stalls, resets, slices and delays: nothing is lost, nothing doubled',
  async (side) => {
    const random = seeded(printedSeed(`a network to ${side}`));
    const place = await startOn(side);
    const recoveries = new Map<string, number>();
    const found = await endure(place, async (load) => {
      for (let round = 0; round < ROUNDS; round += 1)
        for (const fault of faults.toSorted(() => random() - 0.5)) {
          const ended = await makeFault(place.network, fault, 100 + random() * LONGEST_MS);
          const recovery = await recoveryAfter(load, ended, RECOVERY_MS);
          recoveries.set(fault, Math.max(recovery, recoveries.get(fault) ?? 0));
        }
    });
    for (const [fault, recoveryMs] of recoveries)
      recordFault({ fault: `a network to ${side} that ${fault}`, times: ROUNDS, ...found, recoveryMs });
    expect(found).toEqual({ lost: 0, doubled: 0 });
  },
);

test('connections to Postgres that were cut without a word are given up after 30 s', async () => {
  const place = await startOn('Postgres');
  let recoveryMs = 0;
  const found = await endure(place, async (load) => {
    place.network.swallow();
    recoveryMs = await recoveryAfter(load, performance.now(), SILENT_RECOVERY_MS);
  });
  recordFault({ fault: 'connections to Postgres cut without a word', times: 1, ...found, recoveryMs });
  expect(found).toEqual({ lost: 0, doubled: 0 });
});
