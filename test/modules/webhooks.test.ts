import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Webhook as Receiver } from 'standardwebhooks';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { pauseAfter } from '../../src/modules/webhooks/webhook.ts';
import { type Api, apiOf } from '../support/api.ts';
import { createAuthority } from '../support/certificates.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { closedPort } from '../support/peers/tarpit.ts';

const ROOT = join(import.meta.dirname, '../..');
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEBHOOK = 'id url events tags { key } enabled disabledReason failingSince previousSecretUntil';
const DELIVERY = 'id type body state attempts nextAttemptAt responseStatus lastError';
const ISSUES = '... on ValidationError { issues { path code } } ... on NotFoundError { ids }';

interface ToldWebhook {
  readonly id: string;
  readonly enabled: boolean;
  readonly disabledReason: string | null;
  readonly failingSince: string | null;
  readonly previousSecretUntil: string | null;
}

interface ToldDelivery {
  readonly id: string;
  readonly type: string;
  readonly body: string;
  readonly state: string;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly responseStatus: number | null;
  readonly lastError: string | null;
}

test('ten attempts, with the pauses that the specification proposes and up to a tenth more', () => {
  const seconds = Array.from({ length: 10 }, (_, at) => pauseAfter(at + 1, 0)).map((ms) => ms && ms / 1_000);
  expect(seconds).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, null]);
  expect(pauseAfter(1, 1)).toBe(5_500);
});

describeEachGateway('webhooks', (open) => {
  let gateway: TestGateway;
  let api: Api;
  let environmentId: string;
  let base: string;
  const received: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  /** What the receiver answers: the status that the path begins with, or 204. */
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      received.push({ path, headers: request.headers, body: Buffer.concat(chunks).toString() });
      const status = Number(/^\/(\d{3})\b/.exec(path)?.[1] ?? 204);
      response.writeHead(status, status === 302 ? { location: `${base}/followed` } : {});
      response.end(path.includes('huge') ? Buffer.alloc(1024 * 1024) : undefined);
    });
  });

  beforeAll(async () => {
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    gateway = await open({ testing: { webhookTickMs: 20, healthTickMs: 50 } });
    api = apiOf(gateway);
    environmentId = await api.newEnvironment();
  });

  afterAll(() => receiver.close());

  async function ask<Result>(field: string, query: string, variables: object): Promise<Result> {
    const { json } = await gateway.send({ query, variables });
    expect(json.errors).toBeUndefined();
    return (json.data as Record<string, Result>)[field] as Result;
  }

  interface Made {
    readonly webhook: ToldWebhook;
    readonly secret: string | null;
    readonly issues?: { path: string[]; code: string }[];
  }
  const create = (input: object) =>
    ask<Made>(
      'createWebhook',
      `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) {
        ... on CreateWebhookSuccess { secret webhook { ${WEBHOOK} } } ${ISSUES} } }`,
      { input: { environmentId, events: ['DELETED'], ...input } },
    );
  const made = async (path: string, input: object = {}) => {
    const { webhook, secret } = await create({ url: `${base}${path}`, ...input });
    if (secret === null) throw new Error('A webhook that is made has a secret.');
    return { id: webhook.id, secret };
  };
  const update = (input: object) =>
    ask<{ webhook: ToldWebhook }>(
      'updateWebhook',
      `mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) {
        ... on UpdateWebhookSuccess { webhook { ${WEBHOOK} } } ${ISSUES} } }`,
      { input },
    );
  const sendTest = (id: string) =>
    ask<{ delivery?: ToldDelivery; issues?: { path: string[]; code: string }[] }>(
      'sendTestWebhook',
      `mutation ($id: ID!) { sendTestWebhook(id: $id) {
        ... on SendTestWebhookSuccess { delivery { ${DELIVERY} } } ${ISSUES} } }`,
      { id },
    );
  const redeliver = (...ids: string[]) =>
    ask<{ deliveries?: ToldDelivery[]; issues?: { path: string[]; code: string }[] }>(
      'redeliverWebhookMessages',
      `mutation ($ids: [ID!]!) { redeliverWebhookMessages(ids: $ids) {
        ... on RedeliverWebhookMessagesSuccess { deliveries { ${DELIVERY} } } ${ISSUES} } }`,
      { ids },
    );
  const rotate = (id: string, endPrevious = false) =>
    ask<Made>(
      'rotateWebhookSecret',
      `mutation ($id: ID!, $end: Boolean) { rotateWebhookSecret(id: $id, endPrevious: $end) {
        ... on RotateWebhookSecretSuccess { secret webhook { ${WEBHOOK} } } ${ISSUES} } }`,
      { id, end: endPrevious },
    );
  const deliveries = async (webhookId: string, state: string | null = null) =>
    (
      await ask<{ nodes: ToldDelivery[] }>(
        'webhookDeliveries',
        `query ($id: ID!, $state: WebhookDeliveryState) { webhookDeliveries(webhookId: $id, state: $state) { nodes { ${DELIVERY} } } }`,
        { id: webhookId, state },
      )
    ).nodes;
  const read = async (id: string) => {
    const query = `query ($id: ID!) { webhooks(environmentId: $id, first: 100) { nodes { ${WEBHOOK} } } }`;
    const { nodes } = await ask<{ nodes: ToldWebhook[] }>('webhooks', query, { id: environmentId });
    return nodes.find((webhook) => webhook.id === id);
  };
  const tried = async (webhookId: string, attempts: number) => {
    await eventually(async () => {
      const [delivery] = await deliveries(webhookId);
      return delivery?.attempts === attempts && (delivery.lastError !== null || delivery.state === 'DELIVERED');
    });
    return (await deliveries(webhookId))[0] as ToldDelivery;
  };
  const at = async (path: string, count = 1) => {
    await eventually(() => received.filter((message) => message.path === path).length >= count);
    return received.filter((message) => message.path === path);
  };
  const verified = (message: (typeof received)[number] | undefined, secret: string) =>
    new Receiver(secret).verify(message?.body ?? '', message?.headers as Record<string, string>);
  /** A moment in the past or in the future, as the database has it. */
  const moment = (inMs: number) => gateway.app.database.clock.timestamp(inMs);

  test('a test message verifies by the official package, and is delivered once', async () => {
    const { id, secret } = await made('/test/');
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const { delivery } = await sendTest(id);
    const [message] = await at('/test/');
    expect(verified(message, secret)).toEqual({
      type: 'webhook.test',
      timestamp: expect.any(String),
      data: { environmentId, webhookId: id },
    });
    expect(message?.headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': delivery?.id });
    expect(await tried(id, 1)).toMatchObject({ id: delivery?.id, state: 'DELIVERED', responseStatus: 204 });
    expect(() => verified(message, `whsec_${Buffer.alloc(32).toString('base64')}`)).toThrow();
    const stored = await gateway.app.database.query.selectFrom('webhooks').selectAll().where('id', '=', id).execute();
    expect(JSON.stringify(stored)).not.toContain(secret.slice('whsec_'.length));
  });

  test('the receiver of the documentation takes what is signed, once, and nothing else', async () => {
    const [, code = ''] = /```js\n([\s\S]*?)```/.exec(await readFile(join(ROOT, 'docs/webhooks.md'), 'utf8')) ?? [];
    const { id, secret } = await made('/documented');
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      cwd: ROOT,
      env: { PORT: '0', WEBHOOK_SECRET: secret },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill());
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async () => (await lines.next()).value ?? '';
    const port = /^Listening on (\d+)$/.exec(await next())?.[1];
    await update({ id, url: `http://127.0.0.1:${port}/` });
    const { delivery } = await sendTest(id);
    expect(JSON.parse(await next())).toMatchObject({ type: 'webhook.test', data: { webhookId: id } });
    await tried(id, 1);
    await redeliver(delivery?.id ?? '');
    await sendTest(id);
    // the one that came twice is told once
    expect(JSON.parse(await next())).toMatchObject({ type: 'webhook.test' });
    await rotate(id, true);
    await sendTest(id);
    expect(await tried(id, 1)).toMatchObject({ responseStatus: 401 });
  });

  test('a deletion is told to those who want to hear of it, by event, datastore, tags and environment', async () => {
    const config = { postgres: postgresConfig({ password: 'hunter2-never-told' }) };
    const tags = [{ key: 'team', value: 'payments' }];
    const datastore = await api.created({ environmentId, name: 'orders', label: 'Orders', tags, config });
    const { secret } = await made('/deleted');
    await made('/by-tag', { tags });
    await made('/by-id', { datastoreIds: [datastore.id] });
    const deaf = [
      await made('/other-tag', { tags: [{ key: 'team', value: 'sales' }] }),
      await made('/other-id', { datastoreIds: [environmentId] }),
      await made('/other-event', { events: ['HEALTH_CHANGED'] }),
      await made('/elsewhere', { environmentId: await api.newEnvironment() }),
    ];
    await api.removed(datastore.id);
    const [message] = await at('/deleted');
    expect(verified(message, secret)).toEqual({
      type: 'datastore.deleted',
      timestamp: expect.any(String),
      data: {
        environmentId,
        datastore: { id: datastore.id, type: 'POSTGRES', name: 'orders', label: 'Orders', tags },
      },
    });
    await at('/by-tag');
    await at('/by-id');
    for (const { id } of deaf) expect(await deliveries(id)).toEqual([]);
    expect(JSON.stringify(received)).not.toContain('hunter2');
  });

  test('one for all environments hears of each, those to come too, and is nobody’s who may not see all', async () => {
    const { id } = await made('/all', { allEnvironments: true });
    await made('/own', {});
    const later = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const tell = async () => {
      received.length = 0;
      for (const each of [environmentId, later])
        await api.removed((await api.created({ environmentId: each, config })).id);
      const toldOf = (path: string) =>
        received.filter((one) => one.path === path).map(({ body }) => JSON.parse(body).data.environmentId as string);
      await eventually(() => toldOf('/own').length > 0 && toldOf('/all').length > 0);
      await eventually(async () => (await deliveries(id, 'PENDING')).length === 0);
      return toldOf('/all').toSorted();
    };
    expect(await tell()).toEqual([environmentId, later].toSorted());

    const scopes = ['DATASTORES_READ', 'DATASTORES_WRITE', 'ENVIRONMENTS_WRITE'] as const;
    const token = await gateway.createToken('of one', [...scopes], [environmentId]);
    const asOne = async (query: string, variables: object = {}) =>
      (await gateway.send({ query, variables }, token)).json;
    const list = '(first: 100) { nodes { id allEnvironments } }';
    for (const query of [
      `{ webhooks${list} }`,
      `{ webhooks${list.replace('first', `environmentId: "${environmentId}", first`)} }`,
    ]) {
      const seen = (await asOne(query)).data?.webhooks as { nodes: { id: string; allEnvironments: boolean }[] };
      expect(seen.nodes.filter((one) => one.id === id || one.allEnvironments)).toEqual([]);
    }
    const all = (await gateway.send({ query: `{ webhooks${list} }` })).json.data?.webhooks;
    expect(all).toEqual({ nodes: [{ id, allEnvironments: true }] });
    const [first] = await deliveries(id);
    const theirs = [
      'query ($id: ID!) { webhookDeliveries(webhookId: $id) { nodes { id } } }',
      `mutation ($id: ID!) { deleteWebhook(id: $id) { ${ISSUES} } }`,
      `mutation ($id: ID!) { sendTestWebhook(id: $id) { ${ISSUES} } }`,
      `mutation ($id: ID!) { rotateWebhookSecret(id: $id) { ${ISSUES} } }`,
      `mutation ($id: ID!) { updateWebhook(input: { id: $id, description: "mine" }) { ${ISSUES} } }`,
      `mutation ($ids: [ID!]!) { redeliverWebhookMessages(ids: $ids) { ${ISSUES} } }`,
    ];
    for (const query of theirs) {
      const variables = query.includes('$ids') ? { id, ids: [first?.id] } : { id };
      const { data } = await asOne(query, variables);
      expect(JSON.stringify(data), query).toMatch(/"ids":\["[\da-f-]+"\]|"webhookDeliveries":\{"nodes":\[\]\}/);
    }
    const forbidden = 'mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { __typename } }';
    const input = { environmentId, url: base, events: ['DELETED'], allEnvironments: true };
    expect((await asOne(forbidden, { input })).errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN' });

    const remove =
      'mutation ($id: ID!) { deleteEnvironment(id: $id) { __typename ... on ValidationError { issues { path code } } } }';
    const empty = await api.newEnvironment();
    const { webhook } = await create({ url: `${base}/empty`, environmentId: empty, allEnvironments: true });
    expect((await gateway.send({ query: remove, variables: { id: empty } })).json.data?.deleteEnvironment).toEqual({
      __typename: 'ValidationError',
      issues: [{ path: ['id'], code: 'INVALID_COMBINATION' }],
    });
    await update({ id: webhook.id, allEnvironments: false });
    expect((await gateway.send({ query: remove, variables: { id: empty } })).text).toContain(
      'DeleteEnvironmentSuccess',
    );

    await update({ id, allEnvironments: false });
    expect(await tell()).toEqual([environmentId]);
  });

  test('twenty hear of all environments at most', async () => {
    const places = [await api.newEnvironment(), await api.newEnvironment()];
    const result = (place: number) => create({ url: base, environmentId: places[place % 2], allEnvironments: true });
    const ids: string[] = [];
    for (let each = 0; each < 20; each += 1) ids.push((await result(each)).webhook.id);
    expect((await result(0)).issues).toEqual([{ path: ['input', 'allEnvironments'], code: 'OUT_OF_RANGE' }]);
    for (const each of ids) await update({ id: each, allEnvironments: false });
  });

  test('a health that changes is told', async () => {
    const { secret } = await made('/health', { events: ['HEALTH_CHANGED'] });
    const config = { postgres: postgresConfig({ port: await closedPort() }) };
    const { id } = await api.created({ environmentId, name: 'ill', config, checkEveryMinutes: 5 });
    await gateway.app.database.query
      .updateTable('datastore_health')
      .set({ next_check_at: moment(-HOUR) })
      .where('datastore_id', '=', id)
      .execute();
    const [message] = await at('/health');
    expect(verified(message, secret)).toMatchObject({
      type: 'datastore.health_changed',
      data: { datastore: { id, name: 'ill' }, from: 'UNKNOWN', to: 'UNHEALTHY', testId: expect.any(String) },
    });
  });

  test('a certificate that ends soon is told once, and another one anew', async () => {
    const authority = await createAuthority();
    const issued = (days: number) => authority.issue({ notAfter: new Date(Date.now() + days * DAY) });
    const { certificate: cert, key } = await issued(13);
    const server = createTlsServer({ cert, key }, (_request, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { secret, id: webhookId } = await made('/certificate', { events: ['CERTIFICATE_EXPIRING'] });
    const { port } = server.address() as AddressInfo;
    const qdrant = {
      baseUrl: 'https://127.0.0.1',
      port,
      collection: 'c',
      apiKey: 'key',
      tls: { mode: 'REQUIRE' as const },
    };
    const { id } = await api.created({ environmentId, name: 'ending', config: { qdrant }, checkEveryMinutes: 5 });
    const { query } = gateway.app.database;
    let checks = 0;
    const seen = async (days: number) => {
      checks += 1;
      await query
        .updateTable('datastore_health')
        .set({ next_check_at: moment(-HOUR) })
        .where('datastore_id', '=', id)
        .execute();
      const row = query
        .selectFrom('health_hours')
        .select(({ fn }) => fn.sum('checks').as('sum'))
        .where('datastore_id', '=', id);
      await eventually(async () => Number((await row.executeTakeFirstOrThrow()).sum) === checks);
      const asked = 'query ($id: ID!) { datastore(id: $id) { health { certificateExpiresAt } } }';
      const { health } = await ask<{ health: { certificateExpiresAt: string } }>('datastore', asked, { id });
      expect(Math.round((Date.parse(health.certificateExpiresAt) - Date.now()) / DAY)).toBe(days);
      return (await deliveries(webhookId)).map(({ body }) => JSON.parse(body).data as { fingerprint: string });
    };
    const [told, ...others] = await seen(13);
    expect(others).toEqual([]);
    expect(told).toMatchObject({
      datastore: { id, name: 'ending' },
      fingerprint: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
      expiresAt: expect.any(String),
      testId: expect.any(String),
    });
    const [message] = await at('/certificate');
    expect(verified(message, secret)).toMatchObject({ type: 'datastore.certificate_expiring', data: told });
    expect(await seen(13)).toHaveLength(1);
    const replace = async (days: number) => {
      const { certificate, key: other } = await issued(days);
      server.setSecureContext({ cert: certificate, key: other });
      server.closeAllConnections();
    };
    await replace(15);
    expect(await seen(15)).toHaveLength(1);
    await replace(-1);
    const [second, ...before] = await seen(-1);
    expect(before).toEqual([told]);
    expect(second?.fingerprint).not.toBe(told?.fingerprint);
    expect(await seen(-1)).toHaveLength(2);
    await api.removed(id);
  });

  test('what fails is sent again later, is dead in the end, and can be sent again under its id', async () => {
    const { id } = await made('/500/failing');
    const { delivery } = await sendTest(id);
    const before = Date.parse(moment(0));
    const first = await tried(id, 1);
    expect(first).toMatchObject({ state: 'PENDING', responseStatus: 500, lastError: 'The receiver answered 500.' });
    const pause = Date.parse(first.nextAttemptAt ?? '') - before;
    expect(pause).toBeGreaterThan(4_000);
    expect(pause).toBeLessThan(60_000);
    expect((await read(id))?.failingSince).not.toBeNull();

    const { query } = gateway.app.database;
    await query
      .updateTable('webhooks')
      .set({ failing_since: moment(-4 * DAY) })
      .where('id', '=', id)
      .execute();
    await query
      .updateTable('webhook_deliveries')
      .set({ attempts: 9, last_error: null, due_at: moment(-1) })
      .where('webhook_id', '=', id)
      .execute();
    expect(await tried(id, 10)).toMatchObject({ state: 'DEAD', nextAttemptAt: null });
    expect(await deliveries(id, 'DEAD')).toHaveLength(1);
    expect(await deliveries(id, 'PENDING')).toEqual([]);
    const disabled = await read(id);
    expect(disabled?.enabled).toBe(false);
    expect(disabled?.disabledReason).toContain('The receiver answered 500. Mend the receiver, and enable it again.');
    expect((await redeliver(first.id)).issues).toEqual([{ path: ['ids', '0'], code: 'INVALID_COMBINATION' }]);
    expect((await sendTest(id)).issues).toEqual([{ path: ['id'], code: 'INVALID_COMBINATION' }]);

    const { webhook } = await update({ id, enabled: true, url: `${base}/mended` });
    expect(webhook).toMatchObject({ enabled: true, disabledReason: null, failingSince: null });
    expect((await redeliver(first.id)).deliveries).toMatchObject([{ id: delivery?.id, state: 'PENDING', attempts: 0 }]);
    const [again] = await at('/mended');
    expect(again?.headers['webhook-id']).toBe(delivery?.id);
    // until it has an answer, it shows the error of the attempts before
    await eventually(async () => (await deliveries(id))[0]?.state === 'DELIVERED');
    expect((await deliveries(id))[0]).toMatchObject({ attempts: 1, lastError: null });
  });

  test.each([
    ['a redirect is not followed', '/302/away', { state: 'PENDING', responseStatus: 302 }],
    ['a huge answer counts by its status', '/200/huge', { state: 'DELIVERED', responseStatus: 200 }],
    ['410 disables the webhook at once', '/410/gone', { state: 'DEAD', responseStatus: 410 }],
  ])('%s', async (_title, path, expected) => {
    const { id } = await made(path);
    await sendTest(id);
    expect(await tried(id, 1)).toMatchObject(expected);
    expect((await read(id))?.enabled).toBe(expected.responseStatus !== 410);
    expect(received.some((message) => message.path === '/followed')).toBe(false);
  });

  test('after a rotation the secret before signs as well, until it ends', async () => {
    const { id, secret: first } = await made('/rotated');
    const { secret: second, webhook } = await rotate(id);
    const left = Date.parse(webhook.previousSecretUntil ?? '') - Date.parse(moment(0));
    expect(left).toBeGreaterThan(DAY - HOUR);
    await sendTest(id);
    const [both] = await at('/rotated');
    expect(both?.headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/);
    for (const secret of [first, second ?? '']) expect(verified(both, secret)).toMatchObject({ type: 'webhook.test' });

    // the answer to the first rotation may have been lost: the receiver still has the first secret
    const { secret: third } = await rotate(id);
    await sendTest(id);
    const [, three] = await at('/rotated', 2);
    for (const secret of [first, second ?? '', third ?? '']) expect(verified(three, secret)).toBeDefined();

    const { secret: last, webhook: alone } = await rotate(id, true);
    expect(alone.previousSecretUntil).toBeNull();
    await sendTest(id);
    const [, , one] = await at('/rotated', 3);
    expect(verified(one, last ?? '')).toBeDefined();
    for (const secret of [first, second ?? '', third ?? '']) expect(() => verified(one, secret)).toThrow();
  });

  test.each([
    ['in clear text, to a host that the operator does not name', 'http://receiver.example.com/', 'INVALID_FORMAT'],
    ['to a private address', 'https://10.1.2.3/', 'ADDRESS_NOT_ALLOWED'],
    ['to a metadata service', 'https://169.254.169.254/', 'ADDRESS_NOT_ALLOWED'],
    ['with a password', 'https://a:b@receiver.example.com/', 'SECRET_IN_OPEN_FIELD'],
    ['to the gateway itself', null, 'ADDRESS_NOT_ALLOWED'],
  ])('none is made %s', async (_title, url, code) => {
    expect((await create({ url: url ?? `${gateway.url}/graphql` })).issues).toEqual([{ path: ['input', 'url'], code }]);
  });

  test('a call that is repeated makes no second one, and shows no secret', async () => {
    const input = { url: `${base}/once`, idempotencyKey: 'once' };
    const first = await create(input);
    expect(await create(input)).toEqual({ webhook: first.webhook, secret: null });
  });

  test('an environment has twenty at most', async () => {
    const full = await api.newEnvironment();
    for (let count = 0; count < 20; count += 1) await made('/many', { environmentId: full });
    expect((await create({ url: `${base}/many`, environmentId: full })).issues).toEqual([
      { path: ['input', 'environmentId'], code: 'OUT_OF_RANGE' },
    ]);
  });
});
