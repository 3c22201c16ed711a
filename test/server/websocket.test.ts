import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import { canary, goodToken, overWebSocket, startEdge } from './edge.ts';

/** A socket without any manners. */
async function open(
  port: number,
  options: { protocol?: string | string[]; path?: string; headers?: Record<string, string> } = {},
) {
  const { protocol = 'graphql-transport-ws', path = '/graphql', headers = {} } = options;
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol, { headers });
  onTestFinished(() => socket.terminate());
  const messages: string[] = [];
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  socket.on('message', (data) => messages.push(String(data)));
  const status = await new Promise<number>((resolve) => {
    socket.on('open', () => resolve(101)).on('error', () => resolve(0));
    socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode ?? 0));
  });
  const send = (message: unknown) => socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  return { socket, messages, closed, status, send };
}

const init = { type: 'connection_init', payload: { authorization: `Bearer ${goodToken}` } };

describe('connection_init', () => {
  test('a good token is acknowledged; operations of all kinds run', async () => {
    const edge = await startEdge();
    const client = edge.client();
    expect(await overWebSocket(client, { query: '{ me }' })).toBe('[{"data":{"me":"Ann"}}]');
    expect(await overWebSocket(client, { query: 'mutation { count }' })).toBe('[{"data":{"count":1}}]');
    expect(await overWebSocket(client, { query: 'subscription { ticks(count: 2) }' })).toBe(
      '[{"data":{"ticks":1}},{"data":{"ticks":2}}]',
    );
  });

  test.each([
    [undefined],
    [{}],
    [{ authorization: 'Bearer wrong' }],
    [{ authorization: goodToken }],
    [{ authorization: [`Bearer ${goodToken}`] }],
    [{ token: goodToken }],
  ])('%j is refused with 4403', async (payload) => {
    const edge = await startEdge();
    const { send, closed, messages } = await open(edge.port);
    send({ type: 'connection_init', payload });
    const reason = 'Forbidden: connection_init has no {"authorization": "Bearer …"} with a valid token';
    expect(await closed).toEqual({ code: 4403, reason });
    expect(messages).toEqual([]);
  });

  test('without one the connection ends', async () => {
    const edge = await startEdge({ limits: { connectionInitMs: 50 } });
    const { closed } = await open(edge.port);
    expect(await closed).toEqual({ code: 4408, reason: 'Connection initialisation timeout' });
  });

  test('an operation before it is refused', async () => {
    const edge = await startEdge();
    const { send, closed } = await open(edge.port);
    send({ id: '1', type: 'subscribe', payload: { query: '{ me }' } });
    expect(await closed).toEqual({ code: 4401, reason: 'Unauthorized' });
  });

  test('operations that come together with it wait for it, and are taken in their order', async () => {
    const edge = await startEdge();
    const { send, messages } = await open(edge.port);
    const ids = Array.from({ length: 50 }, (_, at) => String(at));
    send(init);
    for (const id of ids) send({ id, type: 'subscribe', payload: { query: 'mutation { count }' } });
    await eventually(() => messages.length === 1 + 2 * ids.length);
    const told = messages.map((message) => JSON.parse(message) as { id: string; type: string; payload?: unknown });
    expect(told[0]?.type).toBe('connection_ack');
    expect(told.flatMap(({ type, id, payload }) => (type === 'next' ? [[id, payload]] : []))).toEqual(
      ids.map((id, at) => [id, { data: { count: at + 1 } }]),
    );
  });

  test('when tokens cannot be looked up, the client is told to come again', async () => {
    const edge = await startEdge({ access: { authenticate: () => Promise.reject(new Error('away')) } });
    const { send, closed } = await open(edge.port);
    send(init);
    expect((await closed).code).toBe(1013);
  });
});

describe('bad messages', () => {
  test.each([
    ['no JSON', canary, 4400],
    ['no message', JSON.stringify({ type: canary }), 4400],
    [
      'variables that are no object',
      JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ me }', variables: canary } }),
      4400,
    ],
    ['a second connection_init', JSON.stringify(init), 4429],
  ])('%s: closed with %3$d, and not quoted', async (_title, message, code) => {
    const edge = await startEdge();
    const { send, closed, messages } = await open(edge.port);
    send(init);
    await eventually(() => messages.length === 1);
    send(message);
    const end = await closed;
    expect(end.code).toBe(code);
    expect(JSON.stringify([end, messages])).not.toContain(canary);
    expect(edge.log()).not.toContain(canary);
  });

  test('a mutation that has a name twice is refused, and says where', async () => {
    const edge = await startEdge();
    const { send, messages } = await open(edge.port);
    send(init);
    await eventually(() => messages.length === 1);
    send('{"id": "1", "type": "subscribe", "payload": {"query": "mutation { count }", "variables": {"a": 1, "a": 2}}}');
    await eventually(() => messages.length === 2);
    const { type, payload } = JSON.parse(messages[1] ?? '') as { type: string; payload: unknown };
    expect(type).toBe('error');
    expect(payload).toMatchObject([
      { extensions: { code: 'BAD_REQUEST', issues: [{ path: ['variables', 'a'], code: 'INVALID_VALUE' }] } },
    ]);
    expect(edge.witness.mutations).toBe(0);
  });

  test('an operation that there is not is an error of that operation alone', async () => {
    const edge = await startEdge();
    const client = edge.client();
    const reply = await overWebSocket(client, { query: 'query A { me } query B { me }', operationName: 'C' });
    expect(reply).toContain('operationName must name one');
    expect(await overWebSocket(client, { query: '{ me }' })).toContain('Ann');
  });
});

test('subscriptions that share a connection get what each asked for, in order, and their ends', async () => {
  const edge = await startEdge();
  const { send, messages } = await open(edge.port);
  send(init);
  await eventually(() => messages.length === 1);
  const counts = [1, 2, 20];
  for (const count of counts)
    send({ id: `of ${count}`, type: 'subscribe', payload: { query: `subscription { ticks(count: ${count}) }` } });
  await eventually(() => messages.filter((text) => text.includes('"complete"')).length === counts.length);
  for (const count of counts) {
    const id = `of ${count}`;
    const own = messages.map((text) => JSON.parse(text) as { id?: string }).filter((message) => message.id === id);
    const results = Array.from({ length: count }, (_, at) => ({
      id,
      type: 'next',
      payload: { data: { ticks: at + 1 } },
    }));
    expect(own).toEqual([...results, { id, type: 'complete' }]);
  }
});

describe('upgrades', () => {
  test('another subprotocol, path, Origin or Host is refused', async () => {
    const edge = await startEdge();
    expect((await open(edge.port, { protocol: 'graphql-ws' })).status).toBe(400);
    expect((await open(edge.port, { protocol: ['graphql-ws', 'graphql-transport-ws'] })).status).toBe(101);
    expect((await (await open(edge.port, { protocol: [] })).closed).code).toBe(4406);
    expect((await open(edge.port, { path: '/other' })).status).toBe(404);
    expect((await open(edge.port, { headers: { origin: 'http://evil.example' } })).status).toBe(403);
    expect((await open(edge.port, { headers: { host: `evil.example:${edge.port}` } })).status).toBe(403);
    expect((await open(edge.port, { headers: { origin: `http://127.0.0.1:${edge.port}` } })).status).toBe(101);
  });

  test('another subprotocol is told which one is spoken, and so is the log', async () => {
    const edge = await startEdge();
    const socket = new WebSocket(`ws://127.0.0.1:${edge.port}/graphql`, 'graphql-ws');
    socket.on('error', () => undefined);
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    const { errors } = (await json(answer)) as { errors: { message: string; extensions: object }[] };
    expect(errors[0]?.message).toContain('graphql-transport-ws');
    expect(errors[0]?.extensions).toEqual({ code: 'BAD_REQUEST' });
    expect(edge.log()).toContain('graphql-transport-ws');
  });
});

describe('limits of a token', () => {
  test('connections', async () => {
    const edge = await startEdge({ limits: { MAX_CONNECTIONS_PER_TOKEN: 2 } });
    edge.tokens.set('another-token', { name: 'Bob' });
    const connect = async (token = goodToken) => {
      const it = await open(edge.port);
      it.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
      return it;
    };
    const first = await connect();
    const second = await connect();
    await eventually(() => first.messages.length + second.messages.length === 2);
    expect(await (await connect()).closed).toEqual({
      code: 4429,
      reason: 'Too many connections: MAX_CONNECTIONS_PER_TOKEN is 2',
    });
    const others = await connect('another-token');
    await eventually(() => others.messages.length === 1);
    first.socket.close();
    await first.closed;
    const again = await connect();
    await eventually(() => again.messages.length === 1);
  });

  test('subscriptions, over WebSocket and SSE together', async () => {
    const edge = await startEdge({ limits: { MAX_SUBSCRIPTIONS_PER_TOKEN: 2 } });
    const query = 'subscription { stuck }';
    const client = edge.client();
    const first = client.subscribe(
      { query },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    const patience = new AbortController();
    const sse = await fetch(edge.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${goodToken}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ query }),
      signal: patience.signal,
    });
    await eventually(() => edge.witness.open === 2);
    expect(await overWebSocket(client, { query })).toContain('TOO_MANY_SUBSCRIPTIONS');
    const refused = await edge.post({ query }, { accept: 'text/event-stream' });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('30');
    const said = await refused.text();
    for (const part of ['TOO_MANY_SUBSCRIPTIONS', '"limit":2', '"variable":"MAX_SUBSCRIPTIONS_PER_TOKEN"'])
      expect(said).toContain(part);
    expect(edge.witness.open).toBe(2);
    first();
    await eventually(() => edge.witness.open === 1);
    patience.abort();
    await expect(sse.text()).rejects.toThrow();
    await eventually(() => edge.witness.open === 0);
    expect(await overWebSocket(client, { query: 'subscription { ticks }' })).toContain('"ticks":3');
  });
});

describe('tokens that stop counting', () => {
  test('open subscriptions and connections end, those of others go on', async () => {
    const edge = await startEdge({ limits: { recheckMs: 50 } });
    edge.tokens.set('another-token', { name: 'Bob' });
    const closes: number[] = [];
    const query = 'subscription { stuck }';
    const overWs = overWebSocket(edge.client({ onClosed: ({ code }) => closes.push(code) }), { query });
    const overSse = edge.post({ query }, { accept: 'text/event-stream' });
    const other = edge.client({ token: 'another-token' });
    void overWebSocket(other, { query });
    await eventually(() => edge.witness.open === 3);
    edge.tokens.delete(goodToken);
    expect(await overWs).toContain('4403');
    const answer = await overSse;
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('"code":"UNAUTHENTICATED"');
    await eventually(() => closes.length === 1);
    expect(closes).toEqual([4403]);
    await sleep(150);
    expect(edge.witness.open).toBe(1);
  });

  test('no operation runs after it, even before the connection ends', async () => {
    const edge = await startEdge({ limits: { recheckMs: 60_000 } });
    const { send, closed, messages } = await open(edge.port);
    send(init);
    await eventually(() => messages.length === 1);
    edge.tokens.delete(goodToken);
    send({ id: '1', type: 'subscribe', payload: { query: 'mutation { count }' } });
    expect(await closed).toEqual({ code: 4403, reason: 'Forbidden: the token was revoked or has expired' });
    expect(edge.witness.mutations).toBe(0);
  });

  test('while they cannot be looked up, what is open stays', async () => {
    let isAway = false;
    const authenticate = async () => {
      if (isAway) throw new Error('the database is away');
      return { name: 'Ann' };
    };
    const edge = await startEdge({ access: { authenticate }, limits: { recheckMs: 20 } });
    void overWebSocket(edge.client(), { query: 'subscription { stuck }' });
    await eventually(() => edge.witness.open === 1);
    isAway = true;
    await eventually(() => edge.log().includes('open tokens could not be checked'));
    expect(edge.witness.open).toBe(1);
  });
});

describe('clients that go or stall', () => {
  test('a client that goes ends its subscriptions, over WebSocket and SSE', async () => {
    const edge = await startEdge();
    const { send, messages, socket } = await open(edge.port);
    send(init);
    await eventually(() => messages.length === 1);
    send({ id: '1', type: 'subscribe', payload: { query: 'subscription { stuck }' } });
    const patience = new AbortController();
    await fetch(edge.url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${goodToken}`,
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
      body: JSON.stringify({ query: 'subscription { stuck }' }),
      signal: patience.signal,
    });
    await eventually(() => edge.witness.open === 2);
    socket.terminate();
    patience.abort();
    await eventually(() => edge.witness.open === 0);
  });

  test('a client that does not read makes its subscriptions wait; one that has too much unread is cut off', async () => {
    const edge = await startEdge();
    const { send, messages, socket, closed } = await open(edge.port);
    send(init);
    await eventually(() => messages.length === 1);
    socket.pause();
    send({ id: 'a', type: 'subscribe', payload: { query: 'subscription { flood }' } });
    let before = -1;
    await eventually(() => edge.witness.flooded > 0);
    while (before !== edge.witness.flooded) {
      before = edge.witness.flooded;
      await sleep(100);
    }
    // what the network's own buffers take, and one message more
    expect(edge.witness.flooded).toBeLessThan(200);
    for (let id = 0; id < 30; id += 1)
      send({ id: String(id), type: 'subscribe', payload: { query: 'subscription { flood }' } });
    await eventually(() => edge.witness.open === 0);
    // there is nobody to read a closing frame: whoever reads on sees a connection that broke
    socket.resume();
    expect((await closed).code).toBe(1006);
  });

  test('one that answers no ping is cut off', async () => {
    const edge = await startEdge({ limits: { pingMs: 1_000 } });
    const { send, messages, socket } = await open(edge.port);
    let pings = 0;
    socket.on('ping', () => {
      pings += 1;
    });
    send(init);
    await eventually(() => messages.length === 1);
    send({ id: '1', type: 'subscribe', payload: { query: 'subscription { stuck }' } });
    await eventually(() => pings === 2);
    expect(edge.witness.open).toBe(1);
    socket.pause();
    await eventually(() => edge.witness.open === 0);
  });
});
