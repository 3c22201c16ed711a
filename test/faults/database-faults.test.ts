import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { print } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateDatastore, DatastoreEvents, Progress, StartTest } from '../support/operations.ts';
import { startGate } from '../support/peers/gate.ts';
import { type PostgresCutter, startPostgresCutter } from '../support/peers/postgres-cutter.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { breakSqlite, type SqliteFaults } from '../support/sqlite-faults.ts';

const AWAY_MS = 150;
const TIMEOUT_MS = 4_000;
const LATEST_MS = 2_000;

/** A gateway whose database a test can take away. */
interface Breakable {
  readonly gateway: TestGateway;
  readonly ways: readonly ('before' | 'after')[];
  writes(): number;
  failAt(write: number, way: 'before' | 'after'): void;
  fail(): () => void;
  close(): Promise<void>;
}

async function openPostgres(): Promise<Breakable> {
  const { url, remove } = await newTestDatabase('postgres');
  const target = new URL(url);
  const cutter: PostgresCutter = await startPostgresCutter(Number(target.port));
  target.port = String(cutter.port);
  const gateway = await startGateway({ databaseUrl: target.href });
  return {
    gateway,
    ways: ['before', 'after'],
    writes: cutter.writes,
    failAt: (write, way) => cutter.cutAt(write, way, AWAY_MS),
    fail: cutter.cut,
    async close() {
      await gateway.close();
      await cutter.close();
      await remove();
    },
  };
}

async function openSqlite(): Promise<Breakable> {
  const faults: SqliteFaults = breakSqlite();
  const { url, remove } = await newTestDatabase('sqlite');
  const gateway = await startGateway({ databaseUrl: url });
  return {
    gateway,
    ways: ['before'],
    writes: faults.writes,
    failAt: (write) => faults.failAt(write, AWAY_MS),
    fail: faults.fail,
    async close() {
      await gateway.close();
      faults.restore();
      await remove();
    },
  };
}

describe.each([
  ['SQLite', openSqlite],
  ['Postgres', openPostgres],
] as const)('a database that goes away: %s', (name, open) => {
  let breakable: Breakable;
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let port: number;

  beforeAll(async () => {
    port = await closedPort();
    breakable = await open();
    gateway = breakable.gateway;
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
    // the executor's child is there before the first write is counted
    await api.ended((await api.testStarted({ target: { draft: draft() } })).id);
  });

  afterAll(() => breakable.close());

  const draft = () => ({ environmentId, config: { postgres: postgresConfig({ port }) } });

  const requested = (testId: string) =>
    gateway.execute(StartTest, { input: { target: { draft: draft() }, options: { testId, timeoutMs: TIMEOUT_MS } } });

  const beforeSave = (testId: string) =>
    gateway.execute(CreateDatastore, { input: { ...draft(), test: { testId, timeoutMs: TIMEOUT_MS } } });

  const rowOf = (id: string) =>
    gateway.app.database.query.selectFrom('connection_tests').selectAll().where('id', '=', id).executeTakeFirst();

  /** Undefined for a test whose start was not stored. */
  async function settled(id: string) {
    for (;;) {
      const row = await rowOf(id).catch(() => null);
      if (row === undefined || row?.finished_at) return row;
      await sleep(10);
    }
  }

  /** Nothing more fails, also of what was planned and not come to; waits until the gateway has its database again. */
  async function leaveAlone(): Promise<void> {
    breakable.failAt(Number.POSITIVE_INFINITY, 'before');
    await eventually(() =>
      gateway.app.database.checkWritable().then(
        () => true,
        () => false,
      ),
    );
  }

  /** How many writes one such test takes when nothing happens to it. */
  async function writesOf(start: (testId: string) => Promise<unknown>): Promise<number> {
    const id = randomUUID();
    await leaveAlone();
    const before = breakable.writes();
    await start(id);
    await settled(id);
    return breakable.writes() - before;
  }

  async function expectEndedOnce(id: string): Promise<void> {
    const begun = performance.now();
    const row = await settled(id);
    await leaveAlone();
    if (!row) return;
    const recoveryMs = performance.now() - begun;
    expect(Date.parse(row.finished_at ?? '') - Date.parse(row.deadline_at)).toBeLessThan(LATEST_MS);
    const events = (await gateway.follow(Progress, { id, after: 0 })).flatMap(({ data }) =>
      data ? [data.connectionTestProgress] : [],
    );
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    const ends = events.filter(({ test }) => test.status !== 'QUEUED' && test.status !== 'RUNNING');
    const found = comparedWith(
      [id],
      ends.map(({ test }) => test.id),
    );
    recordFault({ fault: `${name} away at a write of a test`, times: 1, ...found, recoveryMs });
    expect(ends).toHaveLength(1);
    expect(row.draft_secrets).toBeNull();
  }

  test.each([
    ['requested', requested],
    ['before a save', beforeSave],
  ] as const)('at every write of a test that is %s: each test ends once, by its deadline', async (_purpose, start) => {
    const count = await writesOf(start);
    // it is stored, taken and ended; events that come together are one write
    expect(count).toBeGreaterThanOrEqual(3);
    for (const way of breakable.ways) {
      for (let write = 1; write <= count; write += 1) {
        const id = randomUUID();
        breakable.failAt(write, way);
        const { data, errors } = await start(id);
        if (!data) expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['UNAVAILABLE']);
        await expectEndedOnce(id);
      }
    }
  });

  test('leaves subscriptions open, which go on when it is back', async () => {
    await leaveAlone();
    const id = randomUUID();
    const begun = Promise.withResolvers<void>();
    const events = gateway.follow(
      DatastoreEvents,
      { environmentId },
      { enough: (seen) => seen.length === 2, onResult: () => begun.resolve() },
    );
    await eventually(async () => {
      await gateway.execute(CreateDatastore, { input: draft() });
      return Promise.race([begun.promise.then(() => true), sleep(50).then(() => false)]);
    });
    const progress = gateway.follow(Progress, { id, after: 0 });
    const restore = breakable.fail();
    // whoever is rung, or waits for the test, reads in vain meanwhile
    await sleep(10 * AWAY_MS);
    restore();
    await leaveAlone();
    await requested(id);
    await gateway.execute(CreateDatastore, { input: draft() });
    for (const results of [await progress, await events])
      expect(results.flatMap(({ errors = [] }) => errors)).toEqual([]);
    expect((await progress).at(-1)?.data?.connectionTestProgress.test.status).toBe('FAILED');
  });

  test('answers UNAVAILABLE with Retry-After, is not ready, logs two lines, and is back by itself', async () => {
    await leaveAlone();
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    const body = JSON.stringify({ query: print(CreateDatastore), variables: { input: draft() } });
    const post = () =>
      fetch(`${gateway.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${gateway.token}` },
        body,
      });
    const logged = gateway.log().length;
    const restore = breakable.fail();
    try {
      const answers = await Promise.all(Array.from({ length: 20 }, post));
      for (const answer of answers) {
        expect(answer.status).toBe(503);
        expect(answer.headers.get('retry-after')).toBe('5');
        expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'UNAVAILABLE' } }] });
      }
      await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 503);
      expect((await fetch(`${gateway.url}/livez`)).status).toBe(200);
    } finally {
      restore();
    }
    await eventually(async () => (await fetch(`${gateway.url}/readyz`)).status === 200);
    const lines = gateway.log().slice(logged).split('\n').filter(Boolean);
    const told = lines.map((line) => JSON.parse(line)).filter(({ level }) => level !== 'debug' && level !== 20);
    // the ends of the journal's chains are told up to five seconds after what was stored before
    const messages = told.map(({ msg }) => msg).filter((message) => message !== 'journal head');
    expect(messages).toEqual([
      'the database cannot do its work: requests are answered UNAVAILABLE meanwhile',
      'the database can be written again',
    ]);
    expect(await api.created(draft())).toMatchObject({ version: 1 });
  });

  /** A test as a process leaves it that has lost it: RUNNING, and nobody runs it. */
  async function lostTest(deadlineInMs: number): Promise<string> {
    const id = randomUUID();
    await requested(id);
    await settled(id);
    const { query } = gateway.app.database;
    const far = new Date(Date.now() + 60_000).toISOString();
    await query.deleteFrom('test_events').where('test_id', '=', id).where('sequence', '>', 1).execute();
    await query
      .updateTable('connection_tests')
      .set({
        status: 'RUNNING',
        owner: randomUUID(),
        sequence: 1,
        finished_at: null,
        failure: null,
        lease_expires_at: far,
        deadline_at: new Date(Date.now() + deadlineInMs).toISOString(),
      })
      .where('id', '=', id)
      .execute();
    return id;
  }

  test('a cancel ends a test that nobody runs', async () => {
    const id = await lostTest(60_000);
    expect(await api.cancel(id)).toMatchObject({ test: { id, status: 'CANCELLED', failure: { code: 'CANCELLED' } } });
  });

  test('anybody ends a test past its deadline, whoever holds its lease', async () => {
    const row = await settled(await lostTest(0));
    expect(row).toMatchObject({ status: 'FAILED' });
    expect(JSON.parse(row?.failure ?? '{}')).toMatchObject({ code: 'TIMEOUT' });
  });
});

describe('stopping', () => {
  test('answers saves whose tests still run, before it closes their sockets', async () => {
    const gate = await startGate(await closedPort());
    onTestFinished(() => gate.close());
    const gateway = await startGateway();
    const environmentId = await apiOf(gateway).newEnvironment();
    const config = { postgres: postgresConfig({ port: gate.port }) };
    const save = () =>
      gateway.execute(CreateDatastore, { input: { environmentId, config, test: { timeoutMs: 60_000 } } });
    const saves = Array.from({ length: 9 }, save);
    await eventually(() => gate.waiting() === saves.length);
    const start = performance.now();
    const closed = gateway.close();
    for (const { data } of await Promise.all(saves)) {
      expect(data?.createDatastore).toMatchObject({
        __typename: 'ConnectionTestFailedError',
        test: { status: 'FAILED', failure: { code: 'INTERRUPTED' } },
      });
    }
    await closed;
    // far from the 15 s that the drain would wait for requests that do not end
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
