import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setImmediate as soon } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { MysqlStream } from '../../../../src/connectors/families/mysql/stream.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import { errorBody, OK, packetOf } from '../../../support/peers/mysql-packets.ts';

/** The network: what is pushed comes from the server, what is written goes to it. */
class Wire extends Duplex {
  readonly written: Buffer[] = [];
  readonly #slow: boolean;
  #late: (() => void) | undefined;

  constructor(options: { readonly slow?: boolean } = {}) {
    super({ allowHalfOpen: false });
    this.#slow = options.slow ?? false;
  }

  override _read(): void {
    // pushed from outside
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.written.push(chunk);
    if (this.#slow) this.#late = callback;
    else callback();
  }

  flush(): void {
    this.#late?.();
  }
}

const GREETING = packetOf('\x0a8.4.3\0', 0);

function streamOver(wire: Wire): { stream: MysqlStream; got: Buffer[]; failed: () => unknown } {
  const stream = new MysqlStream(wire);
  const got: Buffer[] = [];
  let error: unknown;
  stream.on('data', (packet: Buffer) => got.push(packet));
  stream.on('error', (reason) => {
    error = reason;
  });
  return { stream, got, failed: () => (error instanceof Failure ? error.report.code : error) };
}

describe('MysqlStream', () => {
  test('hands whole packets on, however they come', async () => {
    const wire = new Wire();
    const { stream, got } = streamOver(wire);
    for (const byte of GREETING) {
      expect(got).toEqual([]);
      wire.push(Buffer.from([byte]));
      await soon();
    }
    stream.write(packetOf('sign me in', 1));
    const more = [packetOf('\x01\x03', 2), packetOf(OK, 3)];
    wire.push(Buffer.concat(more));
    await soon();
    expect(got).toEqual([GREETING, ...more]);
  });

  test('counts the packets of a long answer anew after 256', async () => {
    const wire = new Wire();
    const { stream, got, failed } = streamOver(wire);
    wire.push(GREETING);
    await soon();
    stream.write(packetOf('\x03select', 0));
    wire.push(Buffer.concat(Array.from({ length: 600 }, (_, index) => packetOf('row', (index + 1) % 256))));
    await soon();
    expect(failed()).toBeUndefined();
    expect(Buffer.concat(got)).toHaveLength(GREETING.length + 600 * 7);
  });

  test.each([
    ['more than the greeting before it is our turn', [GREETING, packetOf(OK, 1)]],
    ['a greeting that is none', [packetOf('hello', 0)]],
    ['a number that is not due', [packetOf(OK, 1)]],
    ['a packet of nothing', [packetOf('', 0)]],
    ['a packet that is too long', [packetOf('\x0a', 0, 1024 * 1024 + 1)]],
  ])('refuses %s', async (_title, packets) => {
    const wire = new Wire();
    // nobody reads, and so nobody answers
    const closed = once(new MysqlStream(wire), 'close');
    wire.push(Buffer.concat(packets));
    await expect(closed).rejects.toMatchObject({ report: { code: 'PROTOCOL_MISMATCH' } });
    expect(wire.destroyed).toBe(true);
  });

  test('tells of a server that shuts down', async () => {
    const wire = new Wire();
    const { stream, failed } = streamOver(wire);
    wire.push(GREETING);
    await soon();
    stream.write(packetOf('\x03select', 0));
    wire.push(packetOf(errorBody(1053, 'bye'), 0));
    await soon();
    expect(failed()).toBe('SERVER_UNAVAILABLE');
  });

  test('lets go of its connection once all is written, and goes on over another one', async () => {
    const wire = new Wire({ slow: true });
    const { stream, got, failed } = streamOver(wire);
    wire.push(GREETING);
    await soon();
    stream.write(packetOf('TLS, please', 1));
    let released = false;
    const release = stream.release().then(() => {
      released = true;
    });
    await soon();
    expect(released).toBe(false);
    wire.flush();
    await release;
    wire.push(packetOf(OK, 2));
    await soon();
    expect(got).toEqual([GREETING]);
    const secured = new Wire();
    stream.goOnOver(secured);
    stream.write(packetOf('sign me in', 2));
    secured.push(packetOf(OK, 3));
    await soon();
    expect(got).toEqual([GREETING, packetOf(OK, 3)]);
    expect(secured.written).toEqual([packetOf('sign me in', 2)]);
    expect(failed()).toBeUndefined();
    stream.destroy();
    expect([wire.destroyed, secured.destroyed]).toEqual([false, true]);
  });

  test('does not let go when the server has said more', async () => {
    const wire = new Wire();
    const { stream } = streamOver(wire);
    wire.push(Buffer.concat([GREETING, packetOf(OK, 2).subarray(0, 2)]));
    await soon();
    stream.write(packetOf('TLS, please', 1));
    await expect(stream.release()).rejects.toMatchObject({ report: { code: 'PROTOCOL_MISMATCH' } });
  });

  test('fails to write while it has no connection', async () => {
    const { stream, failed } = streamOver(new Wire());
    await stream.release();
    stream.write(packetOf('too early', 1));
    await soon();
    expect(failed()).toBe('CONNECTION_LOST');
  });

  test('ends and fails as its connection does', async () => {
    const ending = new Wire();
    const { stream: ended } = streamOver(ending);
    const end = once(ended, 'end');
    ending.push(null);
    await end;
    const failing = new Wire();
    const { failed } = streamOver(failing);
    const reason = new Error('reset');
    failing.destroy(reason);
    await soon();
    expect(failed()).toBe(reason);
    const gone = new Wire().destroy();
    await soon();
    expect(new MysqlStream(gone).destroyed).toBe(true);
  });
});
