import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { goodToken, raw, startEdge, type TestEdge } from './edge.ts';

const APP = 'https://app.example';
const STRANGER = 'https://evil.example';

const startOpenEdge = (more: Parameters<typeof startEdge>[0] = {}) =>
  startEdge({ allowedOrigins: [APP, 'http://localhost:5173'], ...more });

const corsHeaders = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control'));

/** What a browser asks before it lets a page send JSON with a token. */
const preflight = (edge: TestEdge, origin: string, path = '/graphql') =>
  fetch(new URL(path, edge.url), {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
    },
  });

/** Asks for a WebSocket as a page would; gives the status, and the body of a refusal. */
function upgrade(edge: TestEdge, headers: Record<string, string>): Promise<{ status: number; body: string }> {
  const socket = new WebSocket(edge.url.replace('http', 'ws'), 'graphql-transport-ws', { headers });
  onTestFinished(() => socket.terminate());
  return new Promise((resolve, reject) => {
    socket.on('error', reject).on('open', () => resolve({ status: 101, body: '' }));
    socket.on('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
}

describe('a page of a listed origin', () => {
  test('may read whatever comes, and what it asks for without cookies alone', async () => {
    const edge = await startOpenEdge();
    const query = { query: '{ me }' };
    const headers = { origin: APP, accept: 'application/graphql-response+json' };
    const answers: Record<string, [number, Promise<Response>]> = {
      'an answer': [200, edge.post(query, headers)],
      'an answer by GET': [200, edge.get(query, headers)],
      'a stream': [200, edge.post({ query: 'subscription { ticks }' }, { ...headers, accept: 'text/event-stream' })],
      'a bad token': [401, edge.post(query, { ...headers, authorization: 'Bearer x' })],
      'a bad document': [400, edge.post({ query: '{' }, headers)],
      'a mutation by GET': [405, edge.get({ query: 'mutation { count }' }, headers)],
      'a form': [415, edge.post(query, { ...headers, 'content-type': 'text/plain' })],
      'too much': [413, edge.post({ query: ' '.repeat(1024 * 1024) }, headers)],
      'a method that is not taken': [405, fetch(edge.url, { method: 'DELETE', headers })],
    };
    for (const [title, [status, asked]] of Object.entries(answers)) {
      const answer = await asked;
      await answer.text();
      expect({ title, status: answer.status, ...Object.fromEntries(answer.headers) }).toMatchObject({
        title,
        status,
        vary: expect.stringMatching(/^origin\b/),
        'access-control-allow-origin': APP,
        'access-control-expose-headers': 'retry-after, www-authenticate, x-request-id',
      });
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    }
  });

  test('may read when to come back', async () => {
    const edge = await startOpenEdge({ access: { authenticate: () => Promise.reject(new Error('away')) } });
    const answer = await edge.post({ query: '{ me }' }, { origin: APP });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP);
  });

  test('may read that the host is not served', async () => {
    const edge = await startOpenEdge();
    const head = ['GET /graphql HTTP/1.1', 'Host: gateway.example', `Origin: ${APP}`, 'Connection: close', '', ''];
    const answer = await raw(edge.port, [head.join('\r\n')]);
    expect(answer).toMatch(/^HTTP\/1\.1 403/);
    expect(answer).toMatch(new RegExp(`^access-control-allow-origin: ${APP}\r$`, 'im'));
    expect(answer).toContain('add gateway.example to ALLOWED_HOSTS');
  });

  test('may send what a browser asks for first, which needs no token', async () => {
    const edge = await startOpenEdge();
    const answer = await preflight(edge, APP);
    expect(answer.status).toBe(204);
    expect(await answer.text()).toBe('');
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'authorization, content-type, *',
      'access-control-max-age': '7200',
      vary: 'origin',
    });
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('opens a WebSocket, and follows a subscription over it', async () => {
    const edge = await startOpenEdge();
    expect(await upgrade(edge, { origin: APP })).toEqual({ status: 101, body: '' });
    expect(await upgrade(edge, { origin: 'http://localhost:5173' })).toEqual({ status: 101, body: '' });
  });

  test('gets a token for no sign-in code, and nothing besides the API', async () => {
    const edge = await startOpenEdge();
    for (const path of ['/graphiql/session', '/']) {
      for (const method of ['OPTIONS', 'POST']) {
        const headers = { origin: APP, 'access-control-request-method': 'POST' };
        const answer = await fetch(new URL(path, edge.url), { method, headers });
        expect(answer.status).toBe(403);
        expect(await answer.text()).toContain('served the API alone');
        expect(corsHeaders(answer.headers)).toEqual([]);
      }
    }
  });
});

describe('a page of another origin', () => {
  test('changes nothing, reads nothing, and is refused at the preflight and at the upgrade', async () => {
    const edge = await startOpenEdge();
    const strangers = [STRANGER, 'http://app.example', `${APP}:8443`, `${APP}.evil.example`, 'https://APP.example'];
    for (const origin of [...strangers, 'null']) {
      const answers = [await preflight(edge, origin), await edge.post({ query: 'mutation { count }' }, { origin })];
      for (const { status, headers } of answers) {
        expect([origin, status, corsHeaders(headers), headers.get('vary')]).toEqual([origin, 403, [], 'origin']);
      }
      expect([origin, (await upgrade(edge, { origin })).status]).toEqual([origin, 403]);
    }
    expect(edge.witness.mutations).toBe(0);
  });

  test('is told what the operator has to set, and so is the operator', async () => {
    const edge = await startEdge();
    const advice = `ask the gateway’s operator to add ${STRANGER} to ALLOWED_ORIGINS.`;
    expect(await (await edge.post({ query: '{ me }' }, { origin: STRANGER })).text()).toContain(advice);
    expect((await upgrade(edge, { origin: STRANGER })).body).toContain(advice);
    expect(edge.log().split(advice)).toHaveLength(3);
    const host = await upgrade(edge, { host: 'gateway.example:8443' });
    expect(host).toEqual({ status: 403, body: expect.stringContaining('add gateway.example:8443 to ALLOWED_HOSTS') });
    expect(edge.log()).toContain('add gateway.example:8443 to ALLOWED_HOSTS');
  });

  test('of a scheme that nobody can list is not sent to the operator', async () => {
    const edge = await startEdge();
    for (const origin of ['chrome-extension://abcdef', 'file://', 'vscode-webview://x', 'altair://-']) {
      const text = await (await edge.post({ query: '{ me }' }, { origin })).text();
      expect(text).toContain('as those of browser extensions, are not served');
      expect(text).not.toContain('ALLOWED_ORIGINS');
    }
  });

  test('that is none is not repeated', async () => {
    const edge = await startEdge();
    const long = `https://${'hunter2'.repeat(50)}`;
    for (const origin of ['https://u:hunter2@evil.example', 'https://evil.example/"hunter2"', long, 'hunter2']) {
      const text = await (await edge.post({ query: '{ me }' }, { origin })).text();
      expect(text).toContain('add theirs to ALLOWED_ORIGINS');
      expect(text + edge.log()).not.toContain('hunter2');
    }
  });

  test('fills no log', async () => {
    const edge = await startEdge();
    const ask = () => edge.post({ query: '{ me }' }, { origin: STRANGER });
    expect(await Promise.all(Array.from({ length: 50 }, async () => (await ask()).status))).toEqual(
      Array.from({ length: 50 }, () => 403),
    );
    await eventually(() => edge.log().includes('more requests are refused'));
    expect(edge.log().split('a request was refused')).toHaveLength(21);
    expect(edge.log().split('more requests are refused')).toHaveLength(2);
  });
});

test('a caller without a page is served as ever', async () => {
  const edge = await startOpenEdge();
  const answer = await edge.post({ query: '{ me }' });
  expect(answer.status).toBe(200);
  expect(corsHeaders(answer.headers)).toEqual([]);
  expect((await upgrade(edge, { authorization: `Bearer ${goodToken}` })).status).toBe(101);
  expect((await fetch(edge.url, { method: 'OPTIONS' })).status).toBe(405);
});
