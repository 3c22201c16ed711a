import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { writeNext } from '../../src/server/next-message.ts';

/** A client of ws, and the stream that its messages come by. */
async function connect() {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  const opened = Promise.withResolvers<Duplex>();
  server.on('upgrade', (request, stream, head) =>
    sockets.handleUpgrade(request, stream, head, () => opened.resolve(stream)),
  );
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  onTestFinished(() => {
    client.terminate();
    server.close();
  });
  return { client, stream: await opened.promise };
}

/** What a client gets: one message that is a text. */
async function received(client: WebSocket, write: () => void): Promise<string> {
  const message = once(client, 'message');
  write();
  const [data, isBinary] = (await message) as [Buffer, boolean];
  expect(isBinary).toBe(false);
  return data.toString();
}

test.each([
  0, 1, 80, 81, 82, 83, 84, 85, 86, 200, 4_000, 4_070, 4_080, 5_000, 65_480, 65_490, 65_500, 70_000, 1_000_000,
])('a message of any length is what JSON.stringify() makes of it: %i more letters', async (count) => {
  const { client, stream } = await connect();
  const payload = { data: { text: 'x'.repeat(count) } };
  const text = await received(client, () => writeNext(stream, 'id', payload, () => payload));
  expect(text).toBe(JSON.stringify({ id: 'id', type: 'next', payload }));
});

test('ids and texts of any characters come as they are', async () => {
  const { client, stream } = await connect();
  const payload = { data: { text: 'Ünï "quoted" \u2028 🐘' } };
  for (const id of ['1', 'ü🐘', '"\\', 'x'.repeat(200)]) {
    const text = await received(client, () => writeNext(stream, id, payload, () => payload));
    expect(JSON.parse(text)).toEqual({ id, type: 'next', payload });
  }
});

test('a result is made JSON once for all subscriptions that get it', async () => {
  const { client, stream } = await connect();
  const result = { data: { n: 1 } };
  const payload = vi.fn(() => result);
  for (const id of ['a', 'b', 'c']) {
    const text = await received(client, () => writeNext(stream, id, result, payload));
    expect(text).toBe(JSON.stringify({ id, type: 'next', payload: result }));
  }
  expect(payload).toHaveBeenCalledTimes(1);
});
