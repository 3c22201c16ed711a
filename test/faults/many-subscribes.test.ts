import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { goodToken, startEdge } from '../server/edge.ts';

const SOCKETS = 5;
const EACH = 300;
const OPEN = 200;

async function connect(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws');
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${goodToken}` } }));
  await new Promise((resolve) => socket.once('message', resolve));
  return socket;
}

test('many subscribes at once are dealt with one by one: the limit holds, and others are answered in between', async () => {
  const edge = await startEdge({ limits: { MAX_SUBSCRIPTIONS_PER_TOKEN: OPEN } });
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connect(edge.port)));
  const refused = new Set<string>();
  for (const [index, socket] of sockets.entries())
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (JSON.stringify(message).includes('TOO_MANY_SUBSCRIPTIONS')) refused.add(`${index} ${message.id}`);
    });
  for (const socket of sockets)
    for (let id = 0; id < EACH; id += 1)
      socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query: 'subscription { stuck }' } }));
  let answers = 0;
  while (refused.size < SOCKETS * EACH - OPEN) {
    expect((await fetch(`http://127.0.0.1:${edge.port}/livez`)).status).toBe(200);
    answers += 1;
  }
  expect(edge.witness.open).toBe(OPEN);
  // when all of them held the event loop together, one answer came
  expect(answers).toBeGreaterThan(5);
  for (const socket of sockets) socket.terminate();
});
