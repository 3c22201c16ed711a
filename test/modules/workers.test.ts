import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, test } from 'vitest';
import { LEASE_INFO, type LeaseContent, leasePlace } from '../../src/modules/workers/lease.ts';
import { newRecipientKey, openMessage, type RecipientKey } from '../../src/platform/keys/sealed-message.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  LeaseTests,
  Progress,
  ReadTest,
  RecordCatalog,
  RecordTestEvents,
  RefreshCatalog,
  TendWorker,
} from '../support/operations.ts';
import { expectType } from '../support/results.ts';

const PASSWORD = 'canary-of-a-worker';
const options = { timeoutMs: 120_000 };
const LEASE_MS = 15_000;
const MAX_WORKERS_PER_TOKEN = 3;

/** A worker that the test plays itself. */
interface PlayedWorker {
  readonly id: string;
  readonly token: string;
  readonly key: RecipientKey;
}

interface TakenTest {
  readonly testId: string;
  readonly attempt: number;
  readonly sequence: number;
  readonly sealed: string;
}

describeEachGateway('workers that ask a gateway', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open({ takesTests: false, limits: { MAX_WORKERS_PER_TOKEN } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const tend = async ({ id, token, key }: PlayedWorker, running: readonly string[] = []) => {
    const facts = { id, host: 'played', version: '0.1.0', capacity: 1, publicKey: key.publicKey };
    return (await gateway.run(TendWorker, { input: { ...facts, testIds: [...running] } }, token)).tendWorker;
  };
  const newWorker = async (token?: string): Promise<PlayedWorker> => {
    const own = token ?? (await gateway.createToken(`worker ${randomUUID()}`, ['TESTS_RUN'], [environmentId]));
    const worker = { id: randomUUID(), token: own, key: newRecipientKey() };
    expectType(await tend(worker), 'TendWorkerSuccess');
    return worker;
  };
  const take = async ({ id, token }: PlayedWorker, running?: readonly string[]): Promise<TakenTest[]> => {
    const input = { workerId: id, limit: 10, ...(running ? { testIds: [...running] } : {}) };
    return expectType((await gateway.run(LeaseTests, { input }, token)).leaseTests, 'LeaseTestsSuccess').leases;
  };
  const tell = async ({ id, token }: Pick<PlayedWorker, 'id' | 'token'>, taken: TakenTest, ...events: object[]) => {
    const { testId, attempt, sequence } = taken;
    const at = new Date().toISOString();
    const told = events.map((event, after) => ({ testId, attempt, sequence: sequence + after + 1, at, ...event }));
    const input = { workerId: id, events: told } as never;
    return (await gateway.run(RecordTestEvents, { input }, token)).recordTestEvents;
  };
  const start = async () => {
    const config = { postgres: { ...postgresConfig({ port: 1 }), password: PASSWORD } };
    return (await api.testStarted({ target: { draft: { environmentId, config } }, options })).id;
  };
  /** A worker with the one test that waits. */
  const busyWorker = async () => {
    const worker = await newWorker();
    const testId = await start();
    const [taken] = await take(worker);
    if (taken?.testId !== testId) throw new Error('another test was waiting');
    return { worker, taken };
  };
  const read = async (id: string) => (await gateway.run(ReadTest, { id })).connectionTest;

  test('get what a test needs sealed: it opens for the worker that takes it, with its place, and for no other', async () => {
    const { worker, taken } = await busyWorker();
    const sent = JSON.stringify(taken);
    expect(sent).not.toContain(PASSWORD);
    const place = leasePlace(worker.id, taken);
    const content = JSON.parse(openMessage(worker.key, LEASE_INFO, place, taken.sealed).toString()) as LeaseContent;
    expect(content.job.secrets).toEqual([PASSWORD]);
    expect(() => openMessage(newRecipientKey(), LEASE_INFO, place, taken.sealed)).toThrow();
    const later = leasePlace(worker.id, { ...taken, attempt: 2 });
    expect(() => openMessage(worker.key, LEASE_INFO, later, taken.sealed)).toThrow();
    // a second beat of that id brings no other key, and so no other reader
    await tend({ ...worker, key: newRecipientKey() }, [taken.testId]);
    const second = await start();
    const [other] = await take(worker);
    expect(other?.testId).toBe(second);
    expect(() =>
      openMessage(worker.key, LEASE_INFO, leasePlace(worker.id, other ?? taken), other?.sealed ?? ''),
    ).not.toThrow();
    for (const one of [taken, other]) await api.cancel(one?.testId ?? '');
  });

  test('of another token get at nothing, whatever ids they know; of the same one they do not own it', async () => {
    const { worker, taken } = await busyWorker();
    const thief = await newWorker();
    const stolen = { id: worker.id, token: thief.token };
    for (const result of [
      await tell(stolen, taken, { kind: 'ENDED', status: 'CANCELLED', failure: { code: 'CANCELLED' } }),
      await tend({ ...thief, id: worker.id }, [taken.testId]),
      (await gateway.run(LeaseTests, { input: { workerId: worker.id, limit: 1, testIds: [] } }, thief.token))
        .leaseTests,
    ])
      expect(result).toMatchObject({ __typename: 'NotFoundError', ids: [worker.id] });
    const signals = await gateway.send(
      { query: `subscription { workerSignals(workerId: "${worker.id}") { cancelled } }` },
      thief.token,
    );
    expect(signals.status).not.toBe(200);
    for (const other of [thief, await newWorker(worker.token)]) {
      const result = await tell(other, taken, { kind: 'HANDED_BACK' });
      expect(expectType(result, 'RecordTestEventsSuccess').lost).toEqual([taken.testId]);
    }
    expect(await read(taken.testId)).toMatchObject({ status: 'RUNNING' });
    await api.cancel(taken.testId);
  });

  test('tell events once, and in order: what is sent again is passed over', async () => {
    const { worker, taken } = await busyWorker();
    const content = JSON.parse(
      openMessage(worker.key, LEASE_INFO, leasePlace(worker.id, taken), taken.sealed).toString(),
    ) as LeaseContent;
    const [check = ''] = content.job.checks;
    const failure = { code: 'CONNECTION_REFUSED', hint: null, configPath: 'port' };
    const events = [
      { kind: 'BEGUN' },
      { kind: 'CHECK_STARTED', check },
      { kind: 'CHECK_ENDED', check, status: 'FAILED', durationMs: 3, evidence: [{ name: 'a', value: 'b' }], failure },
      { kind: 'ENDED', status: 'FAILED', failure },
    ];
    // the answer to the first part is lost, and it is sent once more together with the rest
    for (const count of [2, 4, 4]) {
      const result = await tell(worker, taken, ...events.slice(0, count));
      expect(expectType(result, 'RecordTestEventsSuccess').lost).toEqual([]);
    }
    const results = await gateway.follow(Progress, { id: taken.testId, after: 0 });
    const seen = results.flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
    expect(seen.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5]);
    const ended = seen.at(-1)?.test;
    expect(ended).toMatchObject({
      status: 'FAILED',
      failure: { code: 'CONNECTION_REFUSED', cause: 'CONNECTION_REFUSED' },
    });
    expect(ended?.checks[0]).toMatchObject({ status: 'FAILED', evidence: [{ name: 'a', value: 'b' }] });
    const row = gateway.app.database.query.selectFrom('connection_tests').selectAll().where('id', '=', taken.testId);
    expect(await row.executeTakeFirstOrThrow()).toMatchObject({ draft_secrets: null, draft_config: null });
  });

  test('are not believed when they tell what cannot be', async () => {
    const { worker, taken } = await busyWorker();
    const content = JSON.parse(
      openMessage(worker.key, LEASE_INFO, leasePlace(worker.id, taken), taken.sealed).toString(),
    ) as LeaseContent;
    const [first = '', second = ''] = content.job.checks;
    const begun = { kind: 'BEGUN' };
    const impossible = [
      [{ kind: 'ENDED', status: 'PASSED' }],
      [begun, { kind: 'CHECK_STARTED', check: second }],
      [begun, { kind: 'CHECK_STARTED', check: 'no such check' }],
      [begun, { kind: 'CHECK_ENDED', check: first, status: 'PASSED', durationMs: 1 }],
      [begun, { kind: 'ENDED', status: 'FAILED' }],
      [{ ...begun, sequence: taken.sequence + 2 }],
    ];
    for (const events of impossible) {
      const result = await tell(worker, taken, ...events);
      expect([events, expectType(result, 'RecordTestEventsSuccess').lost]).toEqual([events, [taken.testId]]);
    }
    for (const event of [
      { kind: 'ENDED', status: 'FAILED', failure: { code: 'NO_SUCH_CODE' } },
      { kind: 'CHECK_ENDED', check: first, status: 'CANCELLED', durationMs: 1 },
      { kind: 'CHECK_STARTED' },
    ])
      expect(await tell(worker, taken, event)).toMatchObject({
        __typename: 'ValidationError',
        issues: [{ path: ['input', 'events', '0'], code: 'INVALID_VALUE' }],
      });
    // nothing of it was written, and what is later than now is now
    const later = { ...begun, at: '2999-01-01T00:00:00.000Z' };
    expect(expectType(await tell(worker, taken, later), 'RecordTestEventsSuccess').lost).toEqual([]);
    const [event] = await gateway.app.database.query
      .selectFrom('test_events')
      .selectAll()
      .where('test_id', '=', taken.testId)
      .where('sequence', '>', taken.sequence)
      .execute();
    expect(Date.parse(event?.at ?? '')).toBeLessThanOrEqual(Date.now());
    await api.cancel(taken.testId);
  });

  test('lose what they no longer say that they run, and get back what an answer was lost of', async () => {
    const { worker, taken } = await busyWorker();
    // the answer did not come: it asks again, and says that it runs nothing
    const [same] = await take(worker, []);
    const { testId, attempt, sequence } = taken;
    expect(same).toMatchObject({ testId, attempt, sequence });
    const place = leasePlace(worker.id, taken);
    const content = JSON.parse(
      openMessage(worker.key, LEASE_INFO, place, same?.sealed ?? '').toString(),
    ) as LeaseContent;
    await tell(worker, taken, { kind: 'BEGUN' }, { kind: 'CHECK_STARTED', check: content.job.checks[0] });
    // what had begun begins anew, and nothing of before counts
    const [again] = await take(worker, []);
    expect(again).toMatchObject({ testId, attempt: attempt + 1 });
    const late = await tell(worker, taken, { kind: 'BEGUN' });
    expect(expectType(late, 'RecordTestEventsSuccess').lost).toEqual([testId]);
    const { database } = gateway.app;
    const leaseOf = async () => {
      const row = database.query.selectFrom('connection_tests').select('lease_expires_at');
      return (await row.where('id', '=', taken.testId).executeTakeFirstOrThrow()).lease_expires_at ?? '';
    };
    const over = database.clock.timestamp(LEASE_MS / 2);
    await database.query
      .updateTable('connection_tests')
      .set({ lease_expires_at: over })
      .where('id', '=', taken.testId)
      .execute();
    const answer = expectType(await tend(worker, [taken.testId]), 'TendWorkerSuccess');
    expect((await leaseOf()) > over).toBe(true);
    expect(Math.abs(Date.parse(answer.now) - Date.now())).toBeLessThan(LEASE_MS);
    await api.cancel(taken.testId);
  });

  test('are so many for each token as its limit says; one that stops makes room', async () => {
    const first = await newWorker();
    const { id, token, key } = first;
    for (let more = 1; more < MAX_WORKERS_PER_TOKEN; more += 1) await newWorker(token);
    const beat = (stops: boolean, of = id) => {
      const facts = { id: of, host: 'played', version: '0.1.0', capacity: 1, publicKey: key.publicKey, testIds: [] };
      return gateway.execute(TendWorker, { input: { ...facts, stops } }, token);
    };
    const tooMany = randomUUID();
    const { errors } = await beat(false, tooMany);
    expect(errors).toMatchObject([
      { message: expect.stringContaining('3 workers'), extensions: { code: 'RATE_LIMITED', limit: 3 } },
    ]);
    expect((await beat(false)).data?.tendWorker).toMatchObject({ __typename: 'TendWorkerSuccess' });
    const taken = await gateway.execute(LeaseTests, { input: { workerId: tooMany, limit: 1 } }, token);
    expect(taken.data?.leaseTests).toMatchObject({ __typename: 'NotFoundError' });
    await newWorker();
    await beat(true);
    expect((await beat(false, tooMany)).data?.tendWorker).toMatchObject({ __typename: 'TendWorkerSuccess' });
  });

  test('put catalogs in for the tests alone that read some, in parts of a bounded size', async () => {
    const { worker, taken } = await busyWorker();
    const put = async (of: TakenTest, step: 'BEGIN' | 'ADD' | 'FINISH', entries?: string) => {
      const { testId, attempt } = of;
      const input = { workerId: worker.id, testId, attempt, step, ...(entries === undefined ? {} : { entries }) };
      return (await gateway.run(RecordCatalog, { input }, worker.token)).recordCatalog;
    };
    expect(await put(taken, 'BEGIN')).toMatchObject({ goesOn: false });
    await api.cancel(taken.testId);

    const config = { postgres: { ...postgresConfig({ port: 1 }), password: PASSWORD } };
    const { id: datastoreId } = await api.created({ environmentId, config });
    expectType((await gateway.run(RefreshCatalog, { input: { datastoreId } })).refreshCatalog, 'RefreshCatalogSuccess');
    const [reading] = await take(worker);
    if (!reading) throw new Error('the reading waits');
    expect(await put(reading, 'BEGIN')).toMatchObject({ goesOn: true });
    const packed = (value: unknown) => gzipSync(JSON.stringify(value)).toString('base64');
    const table = { namespace: 'public', name: 'orders', kind: 'TABLE', columns: [] };
    for (const wrong of [
      packed([{ ...table, kind: 'NONE' }]),
      packed({}),
      'no gzip',
      '',
      packed('a'.repeat(5_000_000)),
    ])
      expect(await put(reading, 'ADD', wrong)).toMatchObject({
        __typename: 'ValidationError',
        issues: [{ path: ['input', 'entries'] }],
      });
    expect(await put(reading, 'ADD', packed([table]))).toMatchObject({ goesOn: true });
    expect(await put({ ...reading, attempt: 7 }, 'ADD', packed([table]))).toMatchObject({ goesOn: false });
    expect(await put(reading, 'FINISH')).toMatchObject({ goesOn: true });
    const stored = gateway.app.database.query.selectFrom('catalogs').select('entry_count');
    expect(await stored.where('datastore_id', '=', datastoreId).execute()).toEqual([{ entry_count: 1 }]);
    await api.cancel(reading.testId);
  });

  test.each(['', 'A'.repeat(43), 'x'.repeat(44)])('cannot have %j as a key', async (publicKey) => {
    const token = await gateway.createToken(`worker ${randomUUID()}`, ['TESTS_RUN']);
    const worker = { id: randomUUID(), token, key: { ...newRecipientKey(), publicKey } };
    expect(await tend(worker)).toMatchObject({
      __typename: 'ValidationError',
      issues: [{ path: ['input', 'publicKey'], code: 'INVALID_FORMAT' }],
    });
  });
});
