import { randomUUID } from 'node:crypto';
import { type ExecutionResult, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { PostgresConfigInput, ProgressSubscription } from '../support/gql/graphql.ts';
import { postgresConfig } from '../support/inputs.ts';
import { Progress } from '../support/operations.ts';
import { startGate } from '../support/peers/gate.ts';
import { startTarpit } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType } from '../support/results.ts';

type Event = ProgressSubscription['connectionTestProgress'];

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
});

afterAll(() => target.stop());

function real(more: Partial<PostgresConfigInput> = {}): { postgres: PostgresConfigInput } {
  const { port, superuser, password } = target;
  return { postgres: postgresConfig({ port, username: superuser, password, database: 'postgres', ...more }) };
}

/** How many watch the same test. */
const WATCHING = 10;

/** A server that answers once the gate is opened. */
async function gated() {
  const gate = await startGate(target.port);
  onTestFinished(() => gate.close());
  return { gate, config: real({ port: gate.port }) };
}

function eventsOf(results: readonly ExecutionResult<ProgressSubscription>[]): Event[] {
  return results.map(({ data, errors }) => {
    if (!data || errors) throw new Error(`It ended with ${JSON.stringify(errors)}`);
    return data.connectionTestProgress;
  });
}

describeEachGateway('the progress of a connection test', (open, kind) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    gateway = await open();
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  const webSocket = async (id: string, after = 0, of = gateway) => eventsOf(await of.follow(Progress, { id, after }));
  const sse = async (id: string, after = 0, of = gateway) => eventsOf(await of.followSse(Progress, { id, after }));

  /** Runs a subscription, and waits until it has looked for its test. */
  async function opened<T>(follow: () => Promise<T>): Promise<{ done: Promise<T> }> {
    const looks = () => gateway.statements.filter((sql) => /from "connection_tests" where .*"id" in/.test(sql)).length;
    const before = looks();
    const done = follow();
    await eventually(() => looks() > before);
    return { done };
  }

  test('is the same whenever one looks: before, during and after, over WebSocket and SSE', async () => {
    const { gate, config } = await gated();
    const testId = randomUUID();
    const before = [await opened(() => webSocket(testId)), await opened(() => sse(testId))];
    const creating = api.created({ environmentId, config, test: { testId } });
    await eventually(() => gate.waiting() > 0);
    const during = [await opened(() => webSocket(testId)), await opened(() => sse(testId.toUpperCase()))];
    expect(await api.readTest(testId)).toMatchObject({ status: 'RUNNING' });
    gate.open();
    await creating;
    const [first = [], ...others] = await Promise.all(
      [...before, ...during].map(({ done }) => done).concat(webSocket(testId), sse(testId)),
    );
    for (const other of others) expect(other).toEqual(first);

    expect(first.map(({ sequence }) => sequence)).toEqual(first.map((_, at) => at + 1));
    expect(first[0]).toMatchObject({ check: null, test: { id: testId, status: 'QUEUED', startedAt: null } });
    expect(first[1]).toMatchObject({ check: null, test: { status: 'RUNNING' } });
    expect(first.at(-1)).toMatchObject({ check: null, test: { status: 'PASSED', finishedAt: expect.any(String) } });
    const names = first[0]?.test.checks.map(({ name }) => name) ?? [];
    expect(names).toHaveLength(6);
    expect(first.slice(2, -1).map(({ check }) => `${check?.name} ${check?.status}`)).toEqual(
      names.flatMap((name) => [`${name} RUNNING`, `${name} PASSED`]),
    );
    for (const { test: then, check, at } of first) {
      expect(then.checks.map(({ name }) => name)).toEqual(names);
      if (check) expect(then.checks.find(({ id }) => id === check.id)).toMatchObject(check);
      expect(new Date(at).toISOString()).toBe(at);
    }
    // every check has an id of its own, the same in all events
    expect(new Set(first.flatMap(({ test: { checks } }) => checks.map(({ id }) => id))).size).toBe(names.length);
  });

  test('is read from any sequence number, and completes there too', async () => {
    const { id } = await api.testStarted({ target: { draft: { environmentId, config: real() } } });
    const all = await webSocket(id);
    expect(all.length).toBeGreaterThan(10);
    const readFromEverywhere = async () => {
      for (let after = -1; after <= all.length + 1; after += 1) {
        const follow = after % 2 === 0 ? webSocket : sse;
        expect(await follow(id, after)).toEqual(all.slice(Math.max(after, 0)));
      }
    };
    await readFromEverywhere();
    await fold(id);
    await readFromEverywhere();
  });

  /** Has the events of a test that has ended folded, as they are an hour after its end. */
  async function fold(id: string): Promise<void> {
    const { query } = gateway.app.database;
    const test = query.selectFrom('connection_tests').where('id', '=', id);
    const { finished_at } = await test.select('finished_at').executeTakeFirstOrThrow();
    const finish = (at: string | null) =>
      query.updateTable('connection_tests').set({ finished_at: at }).where('id', '=', id).execute();
    const rows = () => query.selectFrom('test_events').select('sequence').where('test_id', '=', id).execute();
    await gateway.app.chores.run();
    expect(await rows()).not.toEqual([]);
    await finish(new Date(Date.now() - 3_601_000).toISOString());
    await gateway.app.chores.run();
    expect(await rows()).toEqual([]);
    expect(await test.select('event_log').executeTakeFirst()).toEqual({ event_log: expect.any(String) });
    await finish(finished_at);
  }

  test('is joined in the middle without a gap', async () => {
    const { gate, config } = await gated();
    const { id } = await api.testStarted({ target: { draft: { environmentId, config } } });
    await eventually(() => gate.waiting() > 0);
    const sofar = eventsOf(
      await gateway.follow(
        Progress,
        { id },
        {
          enough: (results) =>
            results.at(-1)?.data?.connectionTestProgress.check?.name === 'postgres/session/authenticate',
        },
      ),
    );
    const rest = await opened(() => sse(id, sofar.length));
    gate.open();
    const all = await webSocket(id);
    expect([...sofar, ...(await rest.done)]).toEqual(all);
  });

  test('tells of an executor that died: the checks are pending once more, in the next attempt', async () => {
    const own = await open();
    const { gate, config } = await gated();
    const draft = { environmentId: await apiOf(own).newEnvironment(), config };
    const { id } = await apiOf(own).testStarted({ target: { draft }, options: { timeoutMs: 120_000 } });
    await eventually(() => gate.waiting() > 0);
    for (const [, pid] of own.log().matchAll(/"executorPid":(\d+),"msg":"An executor has started/g))
      process.kill(Number(pid), 'SIGKILL');
    await eventually(() => own.log().includes('An executor is lost.'));
    gate.open();
    const events = await webSocket(id, 0, own);
    const turns = events.filter(({ check }) => check === null).map(({ test }) => `${test.status} ${test.attempt}`);
    expect(turns).toEqual(['QUEUED 1', 'RUNNING 1', 'RUNNING 2', 'PASSED 2']);
    const anew = events.find(({ test }) => test.attempt === 2);
    expect(new Set(anew?.test.checks.map(({ status }) => status))).toEqual(new Set(['PENDING']));
    expect(await apiOf(own).readTest(id)).toMatchObject({ status: 'PASSED', attempt: 2 });
    await own.close();
  });

  test('of a failed one ends with its failure', async () => {
    const { id } = await api.testStarted({
      target: { draft: { environmentId, config: real({ password: 'wrong' }) } },
    });
    const events = await webSocket(id);
    expect(events.at(-2)?.check).toMatchObject({ status: 'FAILED', failure: { code: 'PASSWORD_REFUSED' } });
    expect(events.at(-1)?.test).toMatchObject({ status: 'FAILED', failure: { code: 'PASSWORD_REFUSED' } });
    expect(
      events
        .at(-1)
        ?.test.checks.slice(-3)
        .map(({ status }) => status),
    ).toEqual(['SKIPPED', 'SKIPPED', 'SKIPPED']);
  });

  test('of thirty at once is whole for each, with as many watching', async () => {
    const ids = Array.from({ length: 30 }, () => randomUUID());
    const watching = ids.map((id, at) => (at % 2 === 0 ? webSocket : sse)(id));
    for (const testId of ids)
      await api.testStarted({ target: { draft: { environmentId, config: real() } }, options: { testId } });
    for (const [at, events] of (await Promise.all(watching)).entries()) {
      expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, index) => index + 1));
      expect(events.at(-1)?.test).toMatchObject({ id: ids[at], status: 'PASSED' });
    }
  });

  test('is executed once for all who ask the same with the same token', async () => {
    const { gate, config } = await gated();
    const { id: datastoreId } = await api.created({ environmentId, config });
    const { id } = await api.testStarted({ target: { datastoreId } });
    await eventually(() => gate.waiting() > 0);
    const query = parse(`subscription { connectionTestProgress(id: "${id}") { test { datastore { label } } } }`);
    let heard = 0;
    const onResult = () => {
      heard += 1;
    };
    const watching = Array.from({ length: WATCHING }, () => gateway.follow(query as never, {}, { onResult }));
    // it is queued, and runs
    await eventually(() => heard >= 2 * WATCHING);
    const reads = () => gateway.statements.filter((text) => /^select .*"label".* from "datastores"/.test(text)).length;
    const before = reads();
    gate.open();
    const [first] = await Promise.all(watching);
    expect(reads() - before).toBeLessThanOrEqual(first?.length ?? 0);
  });

  describe('that there is not', () => {
    const WAIT_MS = 2_000;
    const notFound = [{ data: null, errors: [expect.objectContaining({ extensions: { code: 'NOT_FOUND' } })] }];
    let impatient: TestGateway;
    let caller: Api;

    beforeAll(async () => {
      impatient = await open({ testing: { unbornWaitMs: WAIT_MS } });
      caller = apiOf(impatient);
    });

    test('is waited for, then it ends with NOT_FOUND, as one does that the caller may not see', async () => {
      const draft = { environmentId: await caller.newEnvironment(), config: real() };
      const [walled, unborn] = [await caller.newEnvironment(), randomUUID()];
      const token = await impatient.createToken('outside', ['DATASTORES_READ'], [walled]);
      const born = await caller.testStarted({ target: { draft } });
      const started = performance.now();
      const watching = Promise.all([
        impatient.follow(Progress, { id: randomUUID() }),
        impatient.followSse(Progress, { id: randomUUID() }),
        impatient.follow(Progress, { id: born.id }, { token }),
        impatient.followSse(Progress, { id: born.id, after: 1 }, { token }),
        impatient.follow(Progress, { id: unborn }, { token }),
      ]);
      await caller.testStarted({ target: { draft }, options: { testId: unborn } });
      const [first, ...others] = await watching;
      expect(performance.now() - started).toBeGreaterThan(WAIT_MS - 50);
      expect(first).toMatchObject(notFound);
      for (const other of others) expect(other).toEqual(first);
      expect(await caller.readTest(unborn)).not.toBeNull();
    });

    test('is never said of one that there is, though the wait ends before the first read does', async () => {
      const hasty = await open({ testing: { unbornWaitMs: 0 } });
      const of = apiOf(hasty);
      const draft = { environmentId: await of.newEnvironment(), config: real() };
      const { id } = await of.testStarted({ target: { draft } });
      expect(await of.ended(id)).toMatchObject({ id, status: 'PASSED' });
    });
  });

  describe('cancelling', () => {
    test('closes the test’s sockets at once', async () => {
      const tarpit = await startTarpit();
      onTestFinished(() => tarpit.close());
      const { id } = await api.testStarted({
        target: { draft: { environmentId, config: real({ port: tarpit.port }) } },
        options: { timeoutMs: 60_000 },
      });
      await eventually(() => tarpit.open() === 1);
      const { test: cancelled } = expectType(await api.cancel(id), 'CancelConnectionTestSuccess');
      expect(cancelled).toMatchObject({ status: 'CANCELLED', failure: { code: 'CANCELLED', cause: 'CANCELLED' } });
      expect(cancelled.checks.map(({ status }) => status)).toEqual([
        'PASSED',
        'PASSED',
        'FAILED',
        'SKIPPED',
        'SKIPPED',
        'SKIPPED',
      ]);
      await eventually(() => tarpit.open() === 0);
      expect((await webSocket(id)).at(-1)?.test).toEqual(cancelled);
      const row = await gateway.app.database.query
        .selectFrom('connection_tests')
        .select(['draft_config', 'draft_secrets'])
        .where('id', '=', id)
        .executeTakeFirst();
      expect(row).toEqual({ draft_config: null, draft_secrets: null });
    });

    test('a test before a save means that nothing is saved', async () => {
      const { gate, config } = await gated();
      const own = await api.newEnvironment();
      const testId = randomUUID();
      const creating = api.create({ environmentId: own, config, test: { testId } });
      await eventually(() => gate.waiting() > 0);
      expect(await api.cancel(testId)).toMatchObject({ test: { status: 'CANCELLED' } });
      expect(await creating).toMatchObject({ __typename: 'ConnectionTestFailedError', test: { status: 'CANCELLED' } });
      expect(await api.count(own)).toBe(0);
    });

    test('one that waits for its turn ends it before it begins', async () => {
      const { id: draftOf } = await api.testStarted({ target: { draft: { environmentId, config: real() } } });
      await api.ended(draftOf);
      const { query } = gateway.app.database;
      const row = await query
        .selectFrom('connection_tests')
        .selectAll()
        .where('id', '=', draftOf)
        .executeTakeFirstOrThrow();
      const id = randomUUID();
      const queued = { status: 'QUEUED', started_at: null, finished_at: null, duration_ms: null, sequence: 1 };
      await query
        .insertInto('connection_tests')
        // somebody else's to run, so that nobody does
        .values({ ...row, ...queued, id, owner: 'nobody', deadline_at: new Date(Date.now() + 60_000).toISOString() })
        .execute();
      expect(await api.cancel(id)).toMatchObject({ test: { id, status: 'CANCELLED', startedAt: null } });
    });

    test('one that has ended leaves it as it is', async () => {
      const { id } = await api.testStarted({ target: { draft: { environmentId, config: real() } } });
      const ended = await api.ended(id);
      const events = await webSocket(id);
      expect(await api.cancel(id)).toMatchObject({ test: ended });
      expect(await webSocket(id)).toEqual(events);
    });

    test('one that there is not', async () => {
      const id = randomUUID();
      expect(await api.cancel(id)).toMatchObject({ __typename: 'NotFoundError', ids: [id] });
    });
  });

  if (kind === 'postgres')
    test('is followed, and cancelled, on another replica as well', async () => {
      const { databaseUrl, folder } = gateway;
      const replica = await open({ databaseUrl, folder });
      const { gate, config } = await gated();
      const { id } = await api.testStarted({ target: { draft: { environmentId, config } } });
      await eventually(() => gate.waiting() > 0);
      await eventually(async () => (await api.readTest(id))?.checks[2]?.status === 'RUNNING');
      const watching = [webSocket(id, 0, gateway), sse(id, 0, replica)];
      const others = apiOf(replica, gateway.token);
      const [mine, theirs] = [await api.readTest(id), await others.readTest(id)];
      expect(theirs).toEqual(mine);
      expect(await others.cancel(id)).toMatchObject({ test: { status: 'CANCELLED' } });
      const [here = [], there = []] = await Promise.all(watching);
      expect(there).toEqual(here);
      expect(here.at(-1)?.test.status).toBe('CANCELLED');
    });
});
