import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { afterCheck, type Health, unknownHealth } from '../../src/modules/health/health.ts';
import {
  type HealthHour,
  type HealthRecord,
  historyOf,
  hourWith,
  withCheck,
} from '../../src/modules/health/history.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { DatastoreEvents, ReadAuditLog } from '../support/operations.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';

const MINUTE = 60_000;
const AT = new Date('2026-01-01T00:00:00.000Z');

describe('health after checks', () => {
  const passed = { result: 'HEALTHY', cause: null, at: AT } as const;
  const failed = { result: 'UNHEALTHY', cause: 'NETWORK', at: AT } as const;
  const refused = { result: 'UNHEALTHY', cause: 'AUTHENTICATION', at: AT } as const;
  const healthAfter = (outcomes: readonly Parameters<typeof afterCheck>[1][], every = 10): Health =>
    outcomes.reduce((health, outcome) => afterCheck(health, outcome, every, 0), unknownHealth);
  const minutes = ({ nextCheckAt }: Health) => (Date.parse(nextCheckAt ?? '') - AT.getTime()) / MINUTE;

  test.each([
    ['the first result counts', [passed], 'HEALTHY'],
    ['one that differs changes nothing', [passed, failed], 'HEALTHY'],
    ['two in a row do', [passed, failed, failed], 'UNHEALTHY'],
    ['two that are not in a row do not', [passed, failed, passed, failed], 'HEALTHY'],
    ['back again, too', [failed, passed, passed], 'HEALTHY'],
  ] as const)('%s', (_title, outcomes, status) => {
    expect(healthAfter(outcomes).status).toBe(status);
  });

  test('the pause grows while checks fail, up to a day, and is short again', () => {
    expect([1, 2, 3, 4, 5, 9].map((count) => minutes(healthAfter(Array(count).fill(failed))))).toEqual([
      10, 20, 40, 80, 80, 80,
    ]);
    expect(minutes(healthAfter(Array(9).fill(failed), 600))).toBe(1_440);
    expect(minutes(healthAfter(Array(9).fill(failed), 1_440))).toBe(1_440);
    expect(minutes(healthAfter([failed, failed, passed]))).toBe(10);
    expect(minutes(afterCheck(unknownHealth, passed, 10, 1))).toBe(9);
  });

  test('five refused sign-ins in a row end it, so that no account is locked', () => {
    expect(healthAfter(Array(4).fill(refused)).pausedReason).toBeNull();
    const paused = healthAfter(Array(5).fill(refused));
    expect(paused).toMatchObject({ status: 'UNHEALTHY', nextCheckAt: null });
    expect(paused.pausedReason).toContain('change the datastore, or set checkEveryMinutes again');
  });
});

describe('the history of health checks', () => {
  const NOON = Date.parse('2026-01-02T12:00:00.000Z');
  const check = (minute: number, passed: boolean, until: number, durationMs = 100): HealthRecord => ({
    at: new Date(NOON + minute * MINUTE),
    until: new Date(NOON + until * MINUTE),
    passed,
    durationMs,
    checks: [{ name: 'first', durationMs: 1 }, ...(passed ? [{ name: 'last', durationMs: durationMs / 10 }] : [])],
  });
  const hoursOf = (records: readonly HealthRecord[]) => {
    const hours: HealthHour[] = [];
    for (const record of records) {
      const last = hours.at(-1);
      if (last?.hour === hourWith(record).hour) hours.splice(-1, 1, withCheck(last, record));
      else hours.push(hourWith(record));
    }
    return hours;
  };
  const historyAfter = (records: readonly HealthRecord[], now: number) =>
    historyOf(hoursOf(records), 'DAY', NOON + now * MINUTE);

  test.each([
    ['what passed stands until now', [check(0, true, 10)], 5, 1],
    ['what failed does, too', [check(0, false, 10)], 5, 0],
    ['what failed stands until the next result', [check(0, false, 80), check(1, true, 11)], 10, 0.9],
    ['each result stands for its time', [check(0, true, 10), check(10, false, 20), check(20, true, 30)], 40, 2 / 3],
    ['over the end of an hour, too', [check(50, true, 60), check(60, false, 70), check(70, true, 80)], 80, 2 / 3],
    ['time in which nobody looked is of neither', [check(0, true, 10), check(100, false, 110)], 110, 0.5],
  ] as const)('%s', (_title, records, now, uptime) => {
    expect(historyAfter(records, now).uptime).toBeCloseTo(uptime, 10);
  });

  test('has medians of two significant digits of what passed, over all hours', () => {
    const records = [5, 114, 116, 300, 9_999].map((ms, at) => check(at * 30, ms !== 9_999, at * 30 + 30, ms));
    expect(historyAfter(records, 180)).toMatchObject({
      from: '2026-01-01T15:00:00.000Z',
      checkCount: 5,
      passedCount: 4,
      medianDurationMs: 110,
      checks: [
        { name: 'first', passedCount: 5, medianDurationMs: 1 },
        { name: 'last', passedCount: 4, medianDurationMs: 11 },
      ],
    });
  });

  test('of no checks knows nothing', () => {
    expect(historyAfter([], 0)).toMatchObject({ checkCount: 0, uptime: null, medianDurationMs: null, checks: [] });
  });

  test('of an hour is small, however many checks there are', () => {
    const records = Array.from({ length: 60 }, (_, at) => check(at, true, at + 1, 80 + ((at * 37) % 300)));
    const [hour, ...others] = hoursOf(records);
    expect(others).toEqual([]);
    expect(hour).toMatchObject({ checks: 60, passed: 60, upMs: 59 * MINUTE, downMs: 0 });
    expect(JSON.stringify(hour?.durations).length).toBeLessThan(700);
  });
});

describeEachGateway('the health of a datastore', (open) => {
  const HEALTH = 'health { status since checkEveryMinutes nextCheckAt pausedReason }';
  let target: PostgresServer;
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  beforeAll(async () => {
    // the first check is due within a minute: so late that a test has called for it before
    vi.spyOn(Math, 'random').mockReturnValue(0.999);
    target = await startPostgres();
    gateway = await open({ testing: { healthTickMs: 50 } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  afterAll(async () => {
    vi.mocked(Math.random).mockRestore();
    await target.stop();
  });

  const real = () => {
    const { port, superuser: username, password } = target;
    return { postgres: postgresConfig({ port, username, password, database: 'postgres' }) };
  };
  const healthOf = async (id: string) => {
    const { json } = await gateway.send({
      query: `query ($id: ID!) { datastore(id: $id) { ${HEALTH} lastTest { purpose status }
        connectionTests(purpose: HEALTH) { nodes { status requestedBy } } } }`,
      variables: { id },
    });
    return (
      json.data as {
        datastore: { health: Record<string, unknown>; lastTest: object; connectionTests: { nodes: object[] } };
      }
    ).datastore;
  };
  /** Its turn comes now. */
  const due = (...ids: string[]) =>
    gateway.app.database.query
      .updateTable('datastore_health')
      .set({ next_check_at: new Date(0).toISOString() })
      .where('datastore_id', 'in', ids)
      .execute();
  const checked = async (id: string, count: number) => {
    await due(id);
    const ended = async () => {
      const { connectionTests, health } = await healthOf(id);
      return (
        connectionTests.nodes.length >= count &&
        health.since !== null &&
        Date.parse(String(health.nextCheckAt)) > Date.now() + MINUTE
      );
    };
    await eventually(ended);
    return healthOf(id);
  };

  test('is unknown, then what its checks find; its followers hear of it', async () => {
    const { id } = await api.created({ environmentId, config: real(), checkEveryMinutes: 5 });
    expect((await healthOf(id)).health).toEqual({
      status: 'UNKNOWN',
      since: null,
      checkEveryMinutes: 5,
      nextCheckAt: expect.any(String),
      pausedReason: null,
    });
    const heard = gateway.follow(DatastoreEvents, { environmentId }, { enough: (events) => events.length > 0 });
    const found = await checked(id, 1);
    expect(found).toMatchObject({
      health: { status: 'HEALTHY', checkEveryMinutes: 5, pausedReason: null },
      lastTest: { purpose: 'HEALTH', status: 'PASSED' },
      connectionTests: { nodes: [{ status: 'PASSED', requestedBy: 'health check' }] },
    });
    expect(Date.parse(String(found.health.nextCheckAt)) - Date.now()).toBeLessThanOrEqual(5 * MINUTE);
    const [event] = await heard;
    expect(event?.data?.datastoreEvents).toMatchObject({
      kind: 'HEALTH_CHANGED',
      datastoreId: id,
      actor: 'health check',
    });
    const { json } = await gateway.send({
      query: 'query ($id: ID!) { datastores(environmentId: $id, filter: { health: [HEALTHY] }) { nodes { id } } }',
      variables: { id: environmentId },
    });
    expect(json.data).toEqual({ datastores: { nodes: [{ id }] } });
    const updated = await api.updated({ id, checkEveryMinutes: null });
    expect(updated.version).toBe(2);
    expect((await healthOf(id)).health).toMatchObject({
      status: 'HEALTHY',
      checkEveryMinutes: null,
      nextCheckAt: null,
    });
    await api.removed(id);
  });

  test('that is bad says so, and comes back once it was mended', async () => {
    const port = await closedPort();
    const { id } = await api.created({
      environmentId,
      config: { postgres: postgresConfig({ port }) },
      checkEveryMinutes: 5,
    });
    expect(await checked(id, 1)).toMatchObject({ health: { status: 'UNHEALTHY' } });
    const { postgres } = real();
    await api.updated({ id, config: { postgres } });
    expect(await checked(id, 2)).toMatchObject({ health: { status: 'UNHEALTHY' } });
    expect(await checked(id, 3)).toMatchObject({ health: { status: 'HEALTHY' } });
    await api.removed(id);
  });

  test('has a history of its own, whatever becomes of the tests', async () => {
    const ids: string[] = [];
    for (const name of ['watched-1', 'watched-2', 'unwatched']) {
      const checkEveryMinutes = name === 'unwatched' ? null : 5;
      ids.push((await api.created({ environmentId, name, config: real(), checkEveryMinutes })).id);
    }
    const [first = '', second = '', unwatched = ''] = ids;
    await checked(first, 1);
    await checked(first, 2);
    await checked(second, 1);
    const { query } = gateway.app.database;
    await query.deleteFrom('connection_tests').where('datastore_id', '=', first).execute();
    // two days ago it was down for half an hour, and up for as long; what is older than 31 days goes
    const day = (count: number, minute = 0) => new Date(Date.now() - count * 24 * 60 * MINUTE + minute * MINUTE);
    const before = { datastore_id: first, checks: 2, passed: 1, up_ms: 0, down_ms: 30 * MINUTE, last_passed: 1 };
    const times = (at: Date) => ({
      hour: at.toISOString(),
      first_at: at.toISOString(),
      last_at: at.toISOString(),
      last_until: new Date(at.getTime() + 30 * MINUTE).toISOString(),
    });
    const durations = '{"test":{"70000":1},"checks":{"postgres/session/authenticate":{"70000":1}}}';
    for (const at of [day(2), day(32)])
      await query
        .insertInto('health_hours')
        .values({ ...before, ...times(at), durations })
        .execute();
    await gateway.app.chores.run();
    const kept = await query.selectFrom('health_hours').select('hour').where('datastore_id', '=', first).execute();
    expect(kept.map(({ hour }) => hour).toSorted()[0]).toMatch(day(2).toISOString().slice(0, 10));
    gateway.statements.length = 0;
    const { json } = await gateway.send({
      query: `query ($ids: [ID!]) { datastores(filter: { ids: $ids }, orderBy: { field: NAME }) { nodes { id health {
        day: history(window: DAY) { ...All } week: history(window: WEEK) { ...All } month: history(window: MONTH) { ...All }
      } } } } fragment All on HealthHistory {
        window from checkCount passedCount uptime medianDurationMs checks { name title passedCount medianDurationMs } }`,
      variables: { ids },
    });
    expect(gateway.statements.filter((sql) => sql.includes('"health_hours"'))).toHaveLength(3);
    type History = {
      checkCount: number;
      passedCount: number;
      uptime: number;
      medianDurationMs: number;
      checks: object[];
    };
    const { datastores } = json.data as {
      datastores: { nodes: { id: string; health: Record<'day' | 'week' | 'month', History> }[] };
    };
    const of = (id: string) => datastores.nodes.find((node) => node.id === id)?.health;
    expect(of(unwatched)?.month).toMatchObject({ checkCount: 0, uptime: null, medianDurationMs: null, checks: [] });
    expect(of(second)?.day).toMatchObject({ window: 'DAY', checkCount: 1, passedCount: 1, uptime: 1 });
    const day1 = of(first)?.day;
    expect(day1).toMatchObject({ checkCount: 2, passedCount: 2, uptime: 1, medianDurationMs: expect.any(Number) });
    expect(day1?.checks).toContainEqual({
      name: 'postgres/session/authenticate',
      title: expect.any(String),
      passedCount: 2,
      medianDurationMs: expect.any(Number),
    });
    for (const longer of [of(first)?.week, of(first)?.month]) {
      expect(longer).toMatchObject({ checkCount: 4, passedCount: 3 });
      expect(longer?.medianDurationMs).toBeGreaterThanOrEqual(day1?.medianDurationMs ?? 0);
      expect(longer?.medianDurationMs).toBeLessThan(70_000);
      expect(longer?.uptime).toBeGreaterThan(0.49);
      expect(longer?.uptime).toBeLessThan(0.6);
    }
    await api.removed(...ids);
    const left = query.selectFrom('health_hours').select('hour').where('datastore_id', 'in', ids);
    expect(await left.execute()).toEqual([]);
  });

  test('leaves an entry in the audit log for the first check of each version and day', async () => {
    const { id } = await api.created({ environmentId, config: real(), checkEveryMinutes: 5 });
    await checked(id, 1);
    await checked(id, 2);
    await api.updated({ id, label: 'Another version' });
    await checked(id, 3);
    const { query } = gateway.app.database;
    const tests = await query.selectFrom('connection_tests').selectAll().where('datastore_id', '=', id).execute();
    const firsts = new Set(tests.map((each) => `${each.created_at.slice(0, 10)} ${each.datastore_version}`));
    await query
      .updateTable('connection_tests')
      .set({ created_at: new Date(0).toISOString() })
      .where('datastore_id', '=', id)
      .execute();
    await checked(id, 4);
    const asked = { datastoreId: id, actor: 'health check', action: 'connection_test.start' };
    const { auditLog } = await gateway.run(ReadAuditLog, asked);
    expect(auditLog.nodes).toHaveLength(firsts.size + 1);
    expect(auditLog.nodes.at(-1)).toMatchObject({ detail: { purpose: 'HEALTH', version: 1 } });
    expect(auditLog.nodes[0]).toMatchObject({ detail: { purpose: 'HEALTH', version: 2 } });
    await api.removed(id);
  });

  test('that cannot be looked at is paused, and says why', async () => {
    const { id } = await api.created({ environmentId, config: real(), checkEveryMinutes: 5 });
    const { query } = gateway.app.database;
    const keys = await query
      .deleteFrom('secret_keys')
      .where('datastore_id', '=', id)
      .returning(['id', 'datastore_id', 'wrapped', 'bound_to', 'created_at'])
      .execute();
    await due(id);
    await eventually(async () => (await healthOf(id)).health.pausedReason !== null);
    expect((await healthOf(id)).health).toMatchObject({
      status: 'UNKNOWN',
      nextCheckAt: null,
      pausedReason: expect.stringContaining('do not open'),
    });
    await query.insertInto('secret_keys').values(keys).execute();
    await api.updated({ id, checkEveryMinutes: 6 });
    expect((await healthOf(id)).health).toMatchObject({ pausedReason: null, nextCheckAt: expect.any(String) });
    expect(await checked(id, 1)).toMatchObject({ health: { status: 'HEALTHY' } });
    await api.removed(id);
  });

  test('is looked at once, whoever shares the work, and settled for one that died', async () => {
    const { databaseUrl, folder } = gateway;
    const other = await open({ databaseUrl, folder, testing: { healthTickMs: 50 } });
    const ids: string[] = [];
    for (let index = 0; index < 12; index += 1)
      ids.push((await api.created({ environmentId, config: real(), checkEveryMinutes: 60 })).id);
    await due(...ids);
    const rows = () =>
      gateway.app.database.query.selectFrom('datastore_health').selectAll().where('datastore_id', 'in', ids).execute();
    await eventually(async () => (await rows()).every(({ status }) => status === 'HEALTHY'));
    const tests = await gateway.app.database.query
      .selectFrom('connection_tests')
      .select('datastore_id')
      .where('datastore_id', 'in', ids)
      .execute();
    expect(tests.map(({ datastore_id }) => datastore_id).toSorted()).toEqual(ids.toSorted());
    // as a process leaves it that died after its test had ended
    const [id = ''] = ids;
    const [last] = await gateway.app.database.query
      .selectFrom('connection_tests')
      .select('id')
      .where('datastore_id', '=', id)
      .execute();
    const lost = {
      status: 'UNKNOWN',
      since: null,
      running_test_id: last?.id ?? '',
      next_check_at: new Date(0).toISOString(),
    };
    await gateway.app.database.query.updateTable('datastore_health').set(lost).where('datastore_id', '=', id).execute();
    await eventually(async () => (await healthOf(id)).health.status === 'HEALTHY');
    expect((await healthOf(id)).connectionTests.nodes).toHaveLength(1);
    await other.close();
    await api.removed(...ids);
  });

  test('costs one statement a tick while nothing is due, however many are checked', async () => {
    const { id } = await api.created({ environmentId, config: real(), checkEveryMinutes: 1_440 });
    await eventually(async () => (await healthOf(id)).health.status === 'UNKNOWN');
    gateway.statements.length = 0;
    await eventually(() => gateway.statements.filter((sql) => sql.includes('datastore_health')).length >= 3);
    expect(new Set(gateway.statements.filter((sql) => sql.includes('datastore_health')))).toHaveProperty('size', 1);
    await api.removed(id);
  });

  test.each([0, 1_441, 1.5, 'often'])('is not checked every %s minutes', async (checkEveryMinutes) => {
    const { json } = await gateway.send({
      query:
        'mutation ($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename ... on UserError { issues { path } } } }',
      variables: { input: { environmentId, config: real(), checkEveryMinutes } },
    });
    expect(JSON.stringify(json)).toContain('["input","checkEveryMinutes"]');
  });
});
