import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { connectors } from '../../src/connectors/registry.ts';
import { failureCodes } from '../../src/errors/check-failures.ts';
import { createLogger } from '../../src/platform/telemetry/logger.ts';
import { RemoteWorker } from '../../src/remote-worker.ts';
import { Worker } from '../../src/worker.ts';
import { type Api, apiOf } from '../support/api.ts';
import { childProgram } from '../support/child-program.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../support/peers/otlp-receiver.ts';
import { closedPort } from '../support/peers/tarpit.ts';

const canary = 'cAn4ry7f3e9bZzHunter2';
const CREATE = `mutation ${canary}($input: CreateDatastoreInput!) { createDatastore(input: $input) { __typename } }`;
/** What an attribute may say where the code alone does not show it. */
const values: Readonly<Record<string, RegExp>> = {
  'http.request.method': /^(GET|POST|OPTIONS|_OTHER)$/,
  'http.route': /^(\/graphql|\/datastores\/\{id\}\/records)$/,
  'http.response.status_code': /^\d{3}$/,
  'graphql.operation.type': /^(query|mutation|subscription|none)$/,
  'datastore_gateway.operation': /^[a-zA-Z]+$/,
  'datastore_gateway.test.attempt': /^\d$/,
};

describeEachGateway('traces', (open, kind) => {
  let receiver: OtlpReceiver;
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;

  const traces = () => ({
    ...{ url: receiver.url, headers: { 'x-key': canary }, ratio: 1, gatherMs: 20 },
    resource: { 'service.name': 'the gateway of the tests', 'deployment.environment.name': 'tests' },
  });

  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    gateway = await open({ traces: traces(), testing: { healthTickMs: 100 } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });
  afterAll(() => receiver.close());

  /** A trace that somebody else has begun. */
  const foreign = (flags = '01') => {
    const traceId = randomUUID().replaceAll('-', '');
    return { traceId, traceparent: `00-${traceId}-00f067aa0ba902b7-${flags}` };
  };
  const post = async (query: string, variables: object, traceparent: string, at = gateway): Promise<unknown> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${at.token}`, traceparent };
    const body = JSON.stringify({ query, variables });
    return (await fetch(`${at.url}/graphql`, { method: 'POST', headers, body })).json();
  };
  const spansOf = (traceId: string) => receiver.spans.filter((span) => span.traceId === traceId);
  /** The spans of a trace, once all of these names are there, by their names. */
  const named = async (traceId: string, ...names: string[]) => {
    await eventually(() => names.every((name) => spansOf(traceId).some((span) => span.name === name)));
    return Object.fromEntries(spansOf(traceId).map((span) => [span.name, span])) as Record<string, ReceivedSpan>;
  };
  const newInput = async () => ({
    environmentId,
    name: `${canary.toLowerCase()}-${randomUUID().slice(0, 8)}`,
    description: canary,
    config: {
      postgres: postgresConfig({ port: await closedPort(), username: canary, database: canary, password: canary }),
    },
    test: { timeoutMs: 60_000 },
  });
  /** Expects one chain from the request to the checks. */
  const expectChain = (found: Record<string, ReceivedSpan>, parent: string) => {
    const chain = [
      'POST /graphql',
      'mutation createDatastore',
      'test POSTGRES',
      'executor',
      'postgres/endpoint/connect',
    ];
    let above = parent;
    for (const name of chain) {
      expect(found[name]?.parentSpanId, name).toBe(above);
      above = found[name]?.spanId ?? '';
    }
    expect(found.queue?.parentSpanId).toBe(found['test POSTGRES']?.spanId);
    expect(found['postgres/endpoint/resolve']?.parentSpanId).toBe(found.executor?.spanId);
  };

  /** Expects the same chain, part of which another process than the gateway's has told. */
  const expectInWorker = (found: Record<string, ReceivedSpan>) => {
    expectChain(found, '00f067aa0ba902b7');
    const instanceOf = (name: string) => found[name]?.resource['service.instance.id'];
    expect(instanceOf('executor')).toBe(instanceOf('postgres/endpoint/connect'));
    expect(instanceOf('executor')).not.toBe(instanceOf('mutation createDatastore'));
  };
  const setNetwork = async (network: string) => {
    const { id } = await gateway.app.database.query
      .updateTable('environments')
      .set({ network })
      .where('id', '=', environmentId)
      .returning('id')
      .executeTakeFirstOrThrow();
    expect(id).toBe(environmentId);
  };

  test('lead from the request that somebody else traces through queue and executor to each check', async () => {
    const { traceId, traceparent } = foreign();
    await post(CREATE, { input: await newInput() }, traceparent);
    const found = await named(traceId, 'POST /graphql', 'test POSTGRES');
    expectChain(found, '00f067aa0ba902b7');
    expect(spansOf(traceId)).toHaveLength(7);
    const refused = 'CONNECTION_REFUSED';
    expect(found['postgres/endpoint/connect']).toMatchObject({
      status: { code: 2 },
      attributes: {
        'datastore_gateway.check.status': 'FAILED',
        'datastore_gateway.check.cause': refused,
        'error.type': refused,
      },
    });
    expect(found['postgres/endpoint/resolve']?.attributes).toEqual({ 'datastore_gateway.check.status': 'PASSED' });
    expect(found['postgres/endpoint/resolve']).not.toHaveProperty('status');
    expect(found['test POSTGRES']?.attributes).toEqual({
      'datastore_gateway.test.type': 'POSTGRES',
      'datastore_gateway.test.purpose': 'BEFORE_SAVE',
      'datastore_gateway.test.attempt': 1,
      'datastore_gateway.test.status': 'FAILED',
      'datastore_gateway.test.cause': refused,
      'error.type': refused,
    });
    // a refusal that is part of the answer is none of the operation's own
    expect(found['mutation createDatastore']?.attributes).toEqual({
      'graphql.operation.type': 'mutation',
      'datastore_gateway.operation': 'createDatastore',
    });
    for (const { startTimeUnixNano: start, endTimeUnixNano: end } of spansOf(traceId)) {
      expect(start).toMatch(/^\d{19}$/);
      expect(Number(BigInt(end) - BigInt(start))).toBeGreaterThanOrEqual(0);
    }
    const { startTimeUnixNano: begun, resource } = found['POST /graphql'] as ReceivedSpan;
    expect(Math.abs(Number(BigInt(begun) / 1_000_000n) - gateway.app.database.clock.now())).toBeLessThan(60_000);
    expect(resource).toMatchObject(traces().resource);
    expect(resource['service.instance.id']).toMatch(/^[\da-f-]{36}$/);
    expect(receiver.requests.at(-1)?.headers).toMatchObject({ 'x-key': canary, 'content-type': 'application/json' });
  });

  test('are nobody’s who does not sample them, and of the gateway where nobody has begun any', async () => {
    const unsampled = foreign('00');
    await post(CREATE, { input: await newInput() }, unsampled.traceparent);
    const before = receiver.spans.length;
    await post('query { environments { nodes { id } } }', {}, 'ff-what-ever-01');
    await eventually(() => receiver.spans.slice(before).some(({ name }) => name === 'query environments'));
    const own = receiver.spans.slice(before).find(({ name }) => name === 'POST /graphql');
    expect(own).not.toHaveProperty('parentSpanId');
    expect(spansOf(unsampled.traceId)).toEqual([]);
  });

  test('continue what the extensions of an operation over WebSocket name', async () => {
    const { traceId, traceparent } = foreign();
    const client = createClient({
      url: `${gateway.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${gateway.token}` },
    });
    const results = client.iterate({
      query: CREATE,
      variables: { input: await newInput() },
      extensions: { traceparent },
    });
    for await (const _result of results);
    await client.dispose();
    const found = await named(traceId, 'mutation createDatastore', 'test POSTGRES');
    expect(found['mutation createDatastore']?.parentSpanId).toBe('00f067aa0ba902b7');
    expect(found['test POSTGRES']?.parentSpanId).toBe(found['mutation createDatastore']?.spanId);
  });

  test('have the code of what was refused', async () => {
    const { traceId, traceparent } = foreign();
    await post('query ($id: ID!) { datastore(id: $id) { id } }', { id: 5.5 }, traceparent);
    const found = await named(traceId, 'query datastore');
    expect(found['query datastore']).toMatchObject({
      status: { code: 2 },
      attributes: { 'error.type': 'BAD_USER_INPUT' },
    });
  });

  test('of what the gateway keeps itself, and of health checks, which begin their own', async () => {
    const { traceId, traceparent } = foreign();
    const input = {
      environmentId,
      name: 'managed',
      config: { managed: { maxSizeMb: 1 } },
      checkEveryMinutes: 5,
      test: {},
    };
    await post(CREATE, { input }, traceparent);
    const found = await named(traceId, 'test MANAGED', 'gateway');
    expect(found.gateway?.parentSpanId).toBe(found['test MANAGED']?.spanId);
    const health = () =>
      receiver.spans.find(({ attributes }) => attributes['datastore_gateway.test.purpose'] === 'HEALTH');
    await gateway.app.database.query
      .updateTable('datastore_health')
      .set({ next_check_at: '2026-01-01T00:00:00.000Z' })
      .execute();
    await eventually(() => health() !== undefined);
    expect(health()).not.toHaveProperty('parentSpanId');
  });

  if (kind === 'postgres')
    test('go on in the worker that runs the test', async () => {
      const { databaseUrl, folder } = gateway;
      const asked = await open({ databaseUrl, folder, takesTests: false, network: 'nowhere', traces: traces() });
      const worker = await Worker.open({
        ...{ host: '127.0.0.1', databaseUrl, keyFile: join(folder, 'master.key'), network: 'vpc-a' },
        ...{ egressAllow: ['127.0.0.0/8'], traces: traces(), testing: childProgram() },
        logger: createLogger({ level: 'warn', destination: process.stderr }),
      });
      await worker.listen();
      await setNetwork('vpc-a');
      const { traceId, traceparent } = foreign();
      await post(CREATE, { input: await newInput() }, traceparent, asked);
      const found = await named(traceId, 'POST /graphql', 'test POSTGRES');
      await worker.close();
      expectInWorker(found);
    });

  test('go on in a worker that asks the gateway', async () => {
    const { databaseUrl, folder } = gateway;
    const asked =
      kind === 'postgres' ? await open({ databaseUrl, folder, takesTests: false, traces: traces() }) : gateway;
    await setNetwork('vpc-b');
    const token = await gateway.createToken(`worker ${randomUUID()}`, ['TESTS_RUN'], [environmentId]);
    const worker = await RemoteWorker.open({
      ...{ host: '127.0.0.1', gateway: { url: new URL(asked.url), token }, network: 'vpc-b' },
      ...{ egressAllow: ['127.0.0.0/8'], traces: traces(), testing: childProgram() },
      logger: createLogger({ level: 'warn', destination: process.stderr }),
      onRefused: (error) => {
        throw error;
      },
    });
    await worker.listen();
    const { traceId, traceparent } = foreign();
    await post(CREATE, { input: await newInput() }, traceparent, asked);
    const found = await named(traceId, 'POST /graphql', 'test POSTGRES');
    await worker.close();
    expectInWorker(found);
  });

  test('say nothing that a user has written', () => {
    expect(receiver.spans.length).toBeGreaterThan(20);
    const checks = new Set(connectors.flatMap((connector) => connector.checks.map(({ name }) => name)));
    for (const { name, attributes } of receiver.spans) {
      expect(/^[\da-zA-Z/{}_ ]+$/.test(name) || checks.has(name), name).toBe(true);
      for (const [attribute, value] of Object.entries(attributes)) {
        const allowed = values[attribute] ?? /^[A-Z\d_]+$/;
        expect(String(value), `${name} ${attribute}`).toMatch(allowed);
        if (attribute === 'error.type' && checks.has(name)) expect(Object.keys(failureCodes)).toContain(value);
      }
    }
    for (const { body } of receiver.requests) {
      expect(body.toLowerCase()).not.toContain(canary.toLowerCase());
      expect(body).not.toContain(environmentId);
      expect(body).not.toContain('127.0.0.1');
    }
  });

  test('are all in the documentation', async () => {
    const text = await readFile('docs/traces.md', 'utf8');
    const attributes = new Set(receiver.spans.flatMap((span) => Object.keys(span.attributes)));
    expect([...attributes].filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
    const documented = [...text.matchAll(/`(datastore_gateway\.[\w.]+)`/g)].map(([, name = '']) => name);
    expect(documented.filter((name) => !attributes.has(name))).toEqual([]);
  });

  test('are named in the lines of the log that belong to them', async () => {
    const { traceId, traceparent } = foreign();
    await post('query { environments { nodes { id } } }', {}, traceparent);
    await eventually(() => gateway.log().includes(traceId));
    const line =
      gateway
        .log()
        .split('\n')
        .find((each) => each.includes(traceId)) ?? '';
    expect(JSON.parse(line)).toMatchObject({ traceId, path: '/graphql', requestId: expect.any(String) });
    expect(gateway.log()).not.toContain(canary);
  });

  test('hold up nobody when nobody takes them, which is said once', async () => {
    receiver.answer = { status: 503 };
    const { traceId, traceparent } = foreign();
    const before = receiver.requests.length;
    expect(await post('query { environments { nodes { id } } }', {}, traceparent)).toHaveProperty('data');
    await eventually(() => receiver.requests.length > before + 1);
    receiver.answer = { status: 200 };
    await named(traceId, 'query environments');
    // the gateway tells it once it has read the receiver's answer
    await eventually(() => gateway.log().includes('traces are taken again'));
    const said = gateway.log().match(/traces are not taken|traces are taken again/g);
    expect(said).toEqual(['traces are not taken', 'traces are taken again']);
  });
});

describeEachGateway('without an endpoint', (open) => {
  test('no test knows of a trace that its caller names', async () => {
    const gateway = await open();
    const api = apiOf(gateway);
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${gateway.token}`,
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    };
    const body = JSON.stringify({
      query: CREATE,
      variables: { input: { environmentId, name: 'a', config, test: {} } },
    });
    await fetch(`${gateway.url}/graphql`, { method: 'POST', headers, body });
    const rows = await gateway.app.database.query.selectFrom('connection_tests').select('traceparent').execute();
    expect(rows).toEqual([{ traceparent: null }]);
  });
});
