import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { goodToken, startEdge } from './edge.ts';

const accept = { accept: 'text/event-stream' };

describe('subscriptions over SSE', () => {
  test('each event, then complete', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: 'subscription { ticks(count: 2) }' }, accept);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const events = (await answer.text()).replace(/^:\n\n/gm, '');
    expect(events).toBe(
      'event: next\ndata: {"data":{"ticks":1}}\n\nevent: next\ndata: {"data":{"ticks":2}}\n\nevent: complete\ndata:\n\n',
    );
  });

  test('by GET, too', async () => {
    const edge = await startEdge();
    const answer = await edge.get({ query: 'subscription { ticks(count: 1) }' }, accept);
    expect(await answer.text()).toContain('{"data":{"ticks":1}}');
  });

  test('events arrive as they happen', async () => {
    const edge = await startEdge();
    const answer = await edge.post({ query: 'subscription { stuck }' }, accept);
    const first = await answer.body?.getReader().read();
    expect(new TextDecoder().decode(first?.value)).toContain(':');
  });

  test('a client that does not read makes its subscription wait', async () => {
    const edge = await startEdge();
    const body = JSON.stringify({ query: 'subscription { flood }' });
    const head = [
      'POST /graphql HTTP/1.1',
      `Host: 127.0.0.1:${edge.port}`,
      `Authorization: Bearer ${goodToken}`,
      'Content-Type: application/json',
      'Accept: text/event-stream',
      `Content-Length: ${body.length}`,
    ];
    const socket = connect(edge.port, '127.0.0.1');
    socket.pause().write(`${head.join('\r\n')}\r\n\r\n${body}`);
    await eventually(() => edge.witness.flooded > 0);
    let before = -1;
    while (before !== edge.witness.flooded) {
      before = edge.witness.flooded;
      await sleep(100);
    }
    expect(edge.witness.flooded).toBeLessThan(200);
    expect(edge.witness.open).toBe(1);
    // it goes while the server waits for it: nothing may be left behind
    socket.destroy();
    await eventually(() => edge.witness.open === 0);
  });
});
