import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import { PeerSocket } from '../../../../src/connectors/kit/contract/peer-socket.ts';

const PEER = { address: '192.0.2.1', port: 5432 };

function pair(limit?: number) {
  const [carrier, far] = duplexPair();
  far.on('error', () => undefined);
  return { carrier, far, socket: new PeerSocket(carrier, PEER, limit) };
}

async function errorOf(socket: PeerSocket): Promise<unknown> {
  const [error] = await once(socket, 'error');
  return error instanceof Failure ? error.report.code : error;
}

describe('PeerSocket', () => {
  it('carries bytes both ways', async () => {
    const { far, socket } = pair();
    far.on('data', (chunk) => far.write(`echo ${chunk}`));
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('echo hello');
    expect([socket.remoteAddress, socket.remotePort, socket.connecting]).toEqual(['192.0.2.1', 5432, false]);
  });

  it('keeps corked writes in order', async () => {
    const { far, socket } = pair();
    socket.cork();
    for (const part of ['a', 'b', 'c']) socket.write(part);
    socket.uncork();
    socket.end('d');
    let got = '';
    for await (const chunk of far) got += chunk;
    expect(got).toBe('abcd');
  });

  it('answers what drivers call on a socket', async () => {
    const { socket } = pair();
    const same = socket.setNoDelay().setKeepAlive().setTimeout().ref().unref();
    expect(same).toBe(socket);
    const connected = once(socket, 'connect');
    expect(socket.connect()).toBe(socket);
    await connected;
  });

  it('takes 64 KiB before sign-in, and not a byte more', async () => {
    const { far, socket } = pair();
    let read = 0;
    socket.on('data', (chunk) => {
      read += chunk.length;
    });
    far.write(Buffer.alloc(64 * 1024));
    await expect.poll(() => read).toBe(64 * 1024);
    const error = errorOf(socket);
    far.write('x');
    expect(await error).toBe('TOO_MUCH_DATA');
    expect(read).toBe(64 * 1024);
    expect(socket.destroyed).toBe(true);
  });

  it('takes as much more as it is told', async () => {
    const { far, socket } = pair(10);
    let read = 0;
    socket.on('data', (chunk) => {
      read += chunk.length;
    });
    far.write('0123456789');
    await expect.poll(() => read).toBe(10);
    socket.raiseCap(5);
    far.write('01234');
    await expect.poll(() => read).toBe(15);
    const error = errorOf(socket);
    far.write('5');
    expect(await error).toBe('TOO_MUCH_DATA');
  });

  it('holds the peer back while nobody reads', async () => {
    const { far, socket } = pair(Number.POSITIVE_INFINITY);
    let sent = 0;
    const more = () => {
      while (sent < 10_000_000 && far.write(Buffer.alloc(10_000))) sent += 10_000;
    };
    far.on('drain', more);
    more();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(sent).toBeLessThan(1_000_000);
    let read = 0;
    socket.on('data', (chunk) => {
      read += chunk.length;
    });
    await expect.poll(() => read).toBeGreaterThanOrEqual(10_000_000);
  });

  it('destroys what is under it at once', () => {
    const { carrier, socket } = pair();
    socket.destroy();
    expect([socket.destroyed, carrier.destroyed]).toEqual([true, true]);
  });

  it('ends no process by an error that nobody listens for', async () => {
    const { carrier, socket } = pair();
    socket.removeAllListeners();
    carrier.destroy(new Error('reset'));
    await expect.poll(() => socket.destroyed).toBe(true);
    expect(socket.errored?.message).toBe('reset');
  });

  it('is destroyed when what is under it was so before', async () => {
    const [carrier] = duplexPair();
    carrier.on('error', () => undefined);
    carrier.destroy(new Error('too late'));
    await expect.poll(() => carrier.closed).toBe(true);
    const socket = new PeerSocket(carrier, PEER);
    expect(await errorOf(socket)).toMatchObject({ message: 'too late' });
  });

  it('ends when the peer ends, after all was read', async () => {
    const { far, socket } = pair();
    far.end('last words');
    far.resume();
    let got = '';
    for await (const chunk of socket) got += chunk;
    expect(got).toBe('last words');
    await expect.poll(() => socket.destroyed).toBe(true);
    expect(socket.errored).toBeNull();
  });

  it('fails a write when the peer is gone', async () => {
    const { carrier, socket } = pair();
    carrier.destroy();
    await expect.poll(() => socket.destroyed).toBe(true);
    const error = await new Promise((resolve) => socket.write('x', resolve));
    expect(error).toBeInstanceOf(Error);
  });

  it('gives the stream under it back, unless something unread has come', async () => {
    const clean = pair();
    expect(clean.socket.detach()).toBe(clean.carrier);
    clean.socket.destroy();
    expect(clean.carrier.destroyed).toBe(false);
    const { far, carrier, socket } = pair();
    far.write('too early');
    await once(socket, 'readable');
    expect(() => socket.detach()).toThrow(Failure);
    expect(carrier.destroyed).toBe(true);
  });
});
