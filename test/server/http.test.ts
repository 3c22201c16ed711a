import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { goodToken, overWebSocket, raw, startEdge } from './edge.ts';

const message = expect.stringMatching(/No valid token was given: send one as “Authorization: Bearer …”/);
const unauthenticated = { errors: [{ message, extensions: { code: 'UNAUTHENTICATED' } }] };

describe('tokens', () => {
  const wrong: [string, string][] = [
    ['none', ''],
    ['an unknown one', 'Bearer unknown'],
    ['another scheme', `Basic ${goodToken}`],
    ['no scheme', goodToken],
    ['two', `Bearer ${goodToken}, Bearer ${goodToken}`],
    ['a long one', `Bearer ${'x'.repeat(4_000)}`],
  ];
  test.each(wrong)('%s: 401, in the media type that was asked for', async (_title, authorization) => {
    const edge = await startEdge();
    for (const accept of ['application/json', 'application/graphql-response+json', 'text/event-stream']) {
      const answer = await edge.post({ query: '{ me }' }, { authorization, accept });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      expect(answer.headers.get('content-type')).toBe(
        `${accept === 'text/event-stream' ? 'application/json' : accept}; charset=utf-8`,
      );
      expect(await answer.json()).toEqual(unauthenticated);
    }
  });

  test('introspection needs one, and no schema is told to strangers', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: '{ __schema { types { name } } }' }, { authorization: '' });
    expect(answer.status).toBe(401);
    const misspelt = await edge.post({ query: '{ m }' }, { authorization: '' });
    expect(await misspelt.json()).toEqual(unauthenticated);
  });

  test('a right one counts, whatever the case of the scheme; no cookie does', async () => {
    const edge = await startEdge();
    expect((await edge.post({ query: '{ me }' }, { authorization: `bearer  ${goodToken}` })).status).toBe(200);
    expect((await edge.post({ query: '{ me }' }, { authorization: '', cookie: `token=${goodToken}` })).status).toBe(
      401,
    );
    expect((await edge.get({ query: '{ me }' })).headers.get('set-cookie')).toBeNull();
  });

  test('when they cannot be looked up the answer is 503, not 401', async () => {
    const edge = await startEdge({ access: { authenticate: () => Promise.reject(new Error('the database is away')) } });
    const answer = await edge.post({ query: '{ me }' });
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('UNAVAILABLE');
    expect(edge.log()).toContain('the database is away');
  });
});

describe('methods and bodies', () => {
  test('GET never changes anything', async () => {
    const edge = await startEdge();
    for (const query of ['mutation { count }', 'query A { me } mutation B { count }']) {
      const answer = await edge.get({ query, operationName: query.includes('B') ? 'B' : '' });
      expect(answer.status).toBe(405);
      expect(answer.headers.get('allow')).toBe('POST');
      expect(await answer.text()).toContain('METHOD_NOT_ALLOWED');
    }
    expect(edge.witness.mutations).toBe(0);
    expect(await (await edge.post({ query: 'mutation { count }' })).json()).toEqual({ data: { count: 1 } });
  });

  test.each(['PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'])('%s is not taken', async (method) => {
    const edge = await startEdge();
    const answer = await fetch(edge.url, { method });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('GET, POST');
  });

  const types: [string, Record<string, string>][] = [
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['text', { 'content-type': 'text/plain' }],
    ['a file', { 'content-type': 'multipart/form-data; boundary=x' }],
    ['a bare document', { 'content-type': 'application/graphql' }],
    ['XML', { 'content-type': 'application/xml' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['compressed JSON', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['a list of types', { 'content-type': 'application/json, text/plain' }],
    ['nothing', { 'content-type': '' }],
  ];
  test.each(types)('%s is no body: 415', async (_title, headers) => {
    const edge = await startEdge();
    const answer = await edge.post('{"query":"{ me }"}', headers);
    expect(answer.status).toBe(415);
    expect(await answer.text()).toContain('UNSUPPORTED_MEDIA_TYPE');
  });

  test('a subscription is answered only to who accepts a stream', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: 'subscription { stuck }' }, { accept: 'application/json' });
    expect(answer.status).toBe(406);
    expect(await answer.text()).toContain('text/event-stream');
    expect(edge.witness.open).toBe(0);
  });

  const strangeTypes = ['text/html', 'image/png', 'application/json; charset=latin1', 'application/jsonl', 'json'];
  test.each(strangeTypes)('who accepts %s alone is told what to accept, and nothing is changed', async (accept) => {
    const edge = await startEdge();
    for (const query of ['mutation { count }', '{ me }', 'subscription { stuck }']) {
      const answer = await edge.post({ query }, { accept });
      expect(answer.status).toBe(406);
      expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
    }
    expect(edge.witness).toMatchObject({ mutations: 0, open: 0 });
    // a browser that opens a link gets GraphiQL, where it is on
    if (accept !== 'text/html') expect((await edge.get({ query: '{ me }' }, { accept })).status).toBe(406);
  });

  test('a subscription that is to come in parts is refused with the reason', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: 'subscription { stuck }' }, { accept: 'multipart/mixed' });
    expect(answer.status).toBe(406);
    expect(await answer.text()).toContain('text/event-stream');
  });
});

describe('pages of strangers', () => {
  test.each(['http://evil.example', 'null', 'http://127.0.0.1:1', 'https://localhost'])(
    'an Origin of %s is refused',
    async (origin) => {
      const edge = await startEdge();
      const answer = await edge.post({ query: 'mutation { count }' }, { origin });
      expect(answer.status).toBe(403);
      expect(await answer.text()).toContain('FORBIDDEN');
      expect(edge.witness.mutations).toBe(0);
    },
  );

  test('a page of its own host and port that came by https: is another origin', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: 'mutation { count }' }, { origin: `https://127.0.0.1:${edge.port}` });
    expect(answer.status).toBe(403);
    expect(edge.witness.mutations).toBe(0);
  });

  test('its own Origin is served; no answer has a CORS header', async () => {
    const edge = await startEdge();
    const own = await edge.post({ query: '{ me }' }, { origin: `http://127.0.0.1:${edge.port}` });
    expect(own.status).toBe(200);
    const preflight = await fetch(edge.url, {
      method: 'OPTIONS',
      headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
    for (const answer of [own, preflight, await edge.post({ query: '{ me }' }, { origin: 'http://evil.example' })]) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('cache-control')).toContain('no-');
    }
  });

  const hosts: [string, (port: number) => string, number][] = [
    ['its own address', (port) => `127.0.0.1:${port}`, 200],
    ['localhost', (port) => `LocalHost:${port}`, 200],
    ['::1', (port) => `[::1]:${port}`, 200],
    ['a name of its operator', () => 'gateway.example', 200],
    ['a name of its operator with a port', () => 'gateway.example:443', 200],
    ['a name that was rebound', (port) => `evil.example:${port}`, 403],
    ['another port', () => '127.0.0.1:1', 403],
    ['no port', () => '127.0.0.1', 403],
    ['a longer name', (port) => `127.0.0.1.evil.example:${port}`, 403],
    ['a port of a name that is allowed with another', () => 'admin.example:9', 403],
  ];
  test.each(hosts)('a Host of %s', async (_title, host, status) => {
    const edge = await startEdge({ allowedHosts: ['gateway.example', 'admin.example:8'] });
    for (const path of ['/graphql?query={me}', '/graphiql/session']) {
      const method = path === '/graphiql/session' ? 'POST' : 'GET';
      const lines = [
        `${method} ${path} HTTP/1.1`,
        `Host: ${host(edge.port)}`,
        `Authorization: Bearer ${goodToken}`,
        'Connection: close',
        '',
        '',
      ];
      const answer = await raw(edge.port, [lines.join('\r\n')]);
      const served = path === '/graphiql/session' ? 415 : 200;
      expect(Number(answer.slice(9, 12))).toBe(status === 200 ? served : status);
    }
  });

  test('there is nothing but what there is', async () => {
    const edge = await startEdge();
    for (const path of ['/', '/graphql/x', '/health', '//evil.example/graphql', '/graphiql']) {
      expect((await fetch(`http://127.0.0.1:${edge.port}${path}`)).status).toBe(404);
    }
  });
});

test.each([
  [
    'HTTP/2, as Java’s client and curl offer it',
    'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk',
  ],
  ['something unheard of', 'connection: Upgrade\r\nupgrade: morse/1.0'],
])('a request that offers %s is answered over HTTP/1.1', async (_title, offer) => {
  const edge = await startEdge();
  const ask = (request: string, body = '') => {
    const headers = [`host: 127.0.0.1:${edge.port}`, `authorization: Bearer ${goodToken}`, offer];
    const type = body && `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    return raw(edge.port, [`${request} HTTP/1.1\r\n${headers.join('\r\n')}\r\n${type}\r\n${body}`], /\}|alive/);
  };
  expect(await ask('POST /graphql', '{"query":"{ me }"}')).toMatch(/^HTTP\/1\.1 200 OK.+\{"data":\{"me":"Ann"\}/s);
  expect(await ask('GET /graphql?query=%7Bme%7D')).toMatch(/^HTTP\/1\.1 200 OK/);
  expect(await ask('GET /livez')).toMatch(/^HTTP\/1\.1 200 OK/);
});

test('a caller that goes away in the middle of its body is no fault of ours', async () => {
  const edge = await startEdge();
  const socket = connect(edge.port, '127.0.0.1');
  const head = [
    `Host: 127.0.0.1:${edge.port}`,
    `Authorization: Bearer ${goodToken}`,
    'Content-Type: application/json',
    'Content-Length: 100',
  ];
  socket.write(`POST /graphql HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n{"query"`);
  await sleep(100);
  socket.resetAndDestroy();
  await eventually(() => edge.log().includes('the caller went away'));
  expect(edge.log()).not.toContain('unexpected error');
  expect((await edge.post({ query: '{ me }' })).status).toBe(200);
});

describe('health', () => {
  test('/livez asks nobody, /readyz does', async () => {
    let isReady: () => Promise<boolean> = async () => true;
    const edge = await startEdge({ health: { ready: () => isReady() } });
    const health = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${edge.port}${path}`);
      return `${answer.status} ${(await answer.text()).trim()}`;
    };
    expect(await health('/readyz')).toBe('200 ready');
    isReady = async () => false;
    expect(await health('/readyz')).toBe('503 not ready');
    isReady = () => Promise.reject(new Error('password=hunter2'));
    expect(await health('/readyz')).toBe('503 not ready');
    isReady = () => new Promise(() => undefined);
    expect(await health('/readyz')).toBe('503 not ready');
    expect(await health('/livez')).toBe('200 alive');
  });
});

describe('close', () => {
  test('is not ready at once, lets what runs end, takes nothing new', async () => {
    const edge = await startEdge();
    const running = edge.post({ query: '{ wait }' });
    const overWs = overWebSocket(edge.client(), { query: '{ wait }' });
    await eventually(() => edge.witness.waiting === 2);
    const closed = edge.gateway.close();
    expect((await fetch(`http://127.0.0.1:${edge.port}/readyz`)).status).toBe(503);
    expect((await fetch(`http://127.0.0.1:${edge.port}/livez`)).status).toBe(200);
    const late = await edge.post({ query: '{ me }' });
    expect(late.status).toBe(503);
    expect(await late.text()).toContain('UNAVAILABLE');
    edge.witness.release();
    expect(await (await running).json()).toEqual({ data: { wait: 'waited' } });
    expect(await overWs).toContain('waited');
    await closed;
    await expect(fetch(`http://127.0.0.1:${edge.port}/livez`)).rejects.toThrow();
  });

  test('ends subscriptions over SSE, and tells them why', async () => {
    const edge = await startEdge();
    const overSse = edge.post({ query: 'subscription { stuck }' }, { accept: 'text/event-stream' });
    await eventually(() => edge.witness.open === 1);
    await edge.gateway.close();
    expect(await (await overSse).text()).toContain('UNAVAILABLE');
    expect(edge.witness.open).toBe(0);
  });

  test('closes WebSockets with subscriptions alone at once: their clients connect again, and miss no end', async () => {
    const edge = await startEdge();
    const running = edge.post({ query: '{ wait }' });
    const subscription = overWebSocket(edge.client(), { query: 'subscription { stuck }' });
    const client = edge.client();
    const beside = overWebSocket(client, { query: 'subscription { stuck }' });
    const query = overWebSocket(client, { query: '{ wait }' });
    await eventually(() => edge.witness.open === 2 && edge.witness.waiting === 2);
    const closed = edge.gateway.close();
    expect(await subscription).toBe('[{"error":{"code":1001}}]');
    edge.witness.release();
    expect(await query).toBe('[{"data":{"wait":"waited"}}]');
    expect(await beside).toBe('[{"error":{"code":1001}}]');
    expect((await running).status).toBe(200);
    await closed;
    expect(edge.witness.open).toBe(0);
  });

  test('does not wait for ever', async () => {
    const edge = await startEdge({ limits: { drainMs: 200 } });
    const running = edge.post({ query: '{ wait }' }).catch((error: Error) => error.message);
    await eventually(() => edge.witness.waiting === 1);
    await edge.gateway.close();
    expect(await running).toBe('fetch failed');
  });
});

describe('ids of requests', () => {
  test.each([
    ['a sane one is taken', 'trace/7f3e-9b', true],
    ['none is made', undefined, false],
    ['a long one is replaced', 'x'.repeat(129), false],
    ['one of several words is replaced', 'a b', false],
  ])('%s, answered, and in each line of the log', async (_title, given, isTaken) => {
    const edge = await startEdge();
    const answer = await edge.post({ query: '{ crash }' }, given === undefined ? {} : { 'x-request-id': given });
    const id = answer.headers.get('x-request-id') ?? '';
    if (isTaken) expect(id).toBe(given);
    else expect(id).toMatch(/^[\da-f-]{36}$/);
    await eventually(() => edge.log().includes('"request"'));
    const lines = edge.log().trim().split('\n');
    const told = lines.map((line) => JSON.parse(line) as { requestId?: string; msg: string });
    expect(told.length).toBeGreaterThan(1);
    expect(told.map(({ requestId }) => requestId)).toEqual(told.map(() => id));
  });

  test('each message over WebSocket has one of its own', async () => {
    const edge = await startEdge();
    const client = edge.client();
    for (let at = 0; at < 2; at += 1) await overWebSocket(client, { query: '{ crash }' });
    const errors = edge
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { requestId?: string; level: string | number })
      .filter(({ level }) => level === 50 || level === 'error');
    const ids = errors.map(({ requestId }) => requestId);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain(undefined);
  });
});
