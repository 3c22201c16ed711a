import { readFile } from 'node:fs/promises';
import { beforeAll, expect, test } from 'vitest';
import { requestErrorCodes } from '../../src/errors/api.ts';
import { schema } from '../../src/schema.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { closedPort } from '../support/peers/tarpit.ts';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format of Prometheus, of which nothing here needs escapes. */
function samplesOf(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', labels = '', value = ''] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      const pairs = [...labels.matchAll(/(\w+)="([^"\\]*)"/g)].map(
        ([, label = '', text = '']) => [label, text] as const,
      );
      return { name, labels: Object.fromEntries(pairs), value: Number(value) };
    });
}

const rootFields = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
  Object.keys(type?.getFields() ?? {}),
);
/** What a label may say where the code alone does not show it. */
const values: Readonly<Record<string, readonly string[]>> = {
  path: [
    '/datastores/{id}/records',
    '/graphql',
    '/livez',
    '/readyz',
    '/graphiql/session',
    '/graphiql/provider',
    '/',
    'other',
  ],
  operation: [...rootFields, 'several', 'none', 'exportRecords', 'importRecords', '__typename', '__schema', '__type'],
  result: ['OK', ...Object.keys(requestErrorCodes)],
  kind: ['query', 'mutation', 'subscription', 'transfer', 'none', 'GATEWAY', 'WORKER', 'REMOTE_WORKER'],
};

describeEachGateway('the metrics', (open, kind) => {
  let gateway: TestGateway;
  let api: Api;

  const read = async () => {
    const response = await fetch(gateway.app.metricsUrl ?? '');
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    return response.text();
  };

  const total = async (name: string, labels: Sample['labels'] = {}) => {
    const found = samplesOf(await read()).filter(
      (sample) =>
        sample.name === `datastore_gateway_${name}` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    return found.reduce((sum, { value }) => sum + value, 0);
  };

  beforeAll(async () => {
    gateway = await open({ metricsPort: 0 });
    api = apiOf(gateway);
  });

  test('count operations by their field and how they ended, whatever their callers call them', async () => {
    const query = 'query Mine { environments(first: 1) { nodes { id } } }';
    for (let each = 0; each < 3; each += 1) await gateway.send({ query });
    await gateway.send({
      query: 'query Mine { a: environments(first: 1) { nodes { id } } datastores { nodes { id } } }',
    });
    await gateway.send({ query: 'query Mine($id: ID!) { datastore(id: $id) { id } }', variables: { id: 5.5 } });
    await gateway.send({ query: '{ nothing }' });
    await gateway.send({ query: '{' });
    await gateway.send({ query }, 'dsg_of_somebody_else');
    const count = (kind: string, operation: string, result: string) =>
      total('operation_duration_seconds_count', { kind, operation, result });
    expect(await count('query', 'environments', 'OK')).toBe(3);
    expect(await count('query', 'several', 'OK')).toBe(1);
    expect(await count('query', 'datastore', 'BAD_USER_INPUT')).toBe(1);
    expect(await count('none', 'none', 'GRAPHQL_VALIDATION_FAILED')).toBe(1);
    expect(await count('none', 'none', 'GRAPHQL_PARSE_FAILED')).toBe(1);
    // its token was refused before anybody read the document
    expect(await total('http_responses_total', { path: '/graphql', status: '401' })).toBe(1);
  });

  test('count tests by type, status and cause, and tell of the database and the queue', async () => {
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig({ port: await closedPort() }) };
    await api.create({ environmentId, config, test: {} });
    const labels = { type: 'POSTGRES', purpose: 'BEFORE_SAVE', status: 'FAILED', cause: 'CONNECTION_REFUSED' };
    expect(await total('test_duration_seconds_count', labels)).toBe(1);
    expect(await total('test_wait_seconds_count')).toBe(1);
    expect(await total('executor_children')).toBeGreaterThan(0);
    expect(await total('database_up')).toBe(1);
    expect(await total('tests_queued')).toBe(0);
    expect(await total('database_statement_seconds_count')).toBeGreaterThan(5);
    expect((await total('database_connections')) > 0).toBe(kind === 'postgres');
  });

  test('count what brings records in and out by how it ended', async () => {
    const environmentId = await api.newEnvironment();
    const { id } = await api.created({ environmentId, config: { managed: { maxSizeMb: 1 } } });
    const send = async (init: RequestInit = {}, datastoreId = id) => {
      const headers = { authorization: `Bearer ${gateway.token}`, 'content-type': 'application/jsonl' };
      const response = await fetch(`${gateway.url}/datastores/${datastoreId}/records`, { headers, ...init });
      return response.text();
    };
    const post = (body: BodyInit) => send({ method: 'POST', body });
    expect(await post('{"data":{}}\n{}\n')).toContain('"put":1,"skipped":0,"refused":1');
    expect(await post(new Uint8Array([0x1f, 0x8b, 8, 0]))).toContain('"FAILED"');
    expect(await send()).toMatch(/^\{"key":/);
    await send({}, environmentId);
    const count = (operation: string, result: string) =>
      total('operation_duration_seconds_count', { kind: 'transfer', operation, result });
    await expect.poll(() => count('exportRecords', 'NOT_FOUND')).toBe(1);
    expect(await count('exportRecords', 'OK')).toBe(1);
    expect(await count('importRecords', 'OK')).toBe(1);
    expect(await count('importRecords', 'BAD_USER_INPUT')).toBe(1);
    const path = '/datastores/{id}/records';
    await expect.poll(() => total('http_responses_total', { path, status: '200' })).toBe(3);
    expect(await total('http_responses_total', { path, status: '404' })).toBe(1);
  });

  test('say nothing that a user has written', async () => {
    const samples = samplesOf(await read());
    const own = samples.filter(({ name }) => name.startsWith('datastore_gateway_'));
    expect(own.length).toBeGreaterThan(50);
    for (const { name, labels } of own)
      for (const [label, value] of Object.entries(labels)) {
        const allowed = values[label];
        const isAllowed = allowed ? allowed.includes(value) : /^[A-Z_]+$|^\d{3}$|^[\d.]+$|^\+Inf$/.test(value);
        expect(isAllowed, `${name}{${label}="${value}"}`).toBe(true);
      }
  });

  test('are all in the documentation', async () => {
    const names = [...(await read()).matchAll(/^# TYPE (datastore_gateway_\w+)/gm)].map(([, name]) => name);
    const documented = [...(await readFile('docs/metrics.md', 'utf8')).matchAll(/^\| `(\w+)/gm)].map(
      ([, name]) => name,
    );
    const ofPostgres = /^datastore_gateway_database_(connections|waiting)/;
    const expected = documented.filter((name = '') => kind === 'postgres' || !ofPostgres.test(name));
    expect(names.sort()).toEqual(expected.sort());
  });

  test('are at no other path, and not at the API’s port', async () => {
    expect((await fetch(new URL('/', gateway.app.metricsUrl))).status).toBe(404);
    expect((await fetch(gateway.app.metricsUrl ?? '', { method: 'POST' })).status).toBe(404);
    expect((await fetch(new URL('/metrics', gateway.url))).status).toBe(404);
  });
});
