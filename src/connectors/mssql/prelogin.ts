import type { Duplex } from 'node:stream';
import { CarriedStream } from '../kit/contract/carried-stream.ts';
import { Failure } from '../kit/contract/failure.ts';
import { firstMessage } from '../kit/contract/first-message.ts';

const HEADER_BYTES = 8;
const OPTION_BYTES = 5;
const PRELOGIN = 0x12;
const ANSWER = 0x04;
const LAST_PACKET = 0x01;
/** The longest packet that a client sends before the server has agreed to more, header included. */
export const PACKET_BYTES = 4096;
/** The longest answer to PRELOGIN that is taken, in bytes: far more than any has. */
const LONGEST_PRELOGIN = 4096;
const VERSION = 0x00;
const ENCRYPTION = 0x01;
const INSTANCE = 0x02;
const THREAD = 0x03;
const MARS = 0x04;
const END = 0xff;

/** The numbers by which the two sides say what they want of encryption. */
export const encryption = { off: 0, on: 1, notSupported: 2, required: 3 } as const;
const ENCRYPTIONS: readonly number[] = Object.values(encryption);

/** What a server says about itself before anyone signs in. */
export interface Prelogin {
  /** The server's version: `16.0.1135`. */
  readonly version: string;
  readonly encryption: number;
}

/**
 * Introduces the gateway to a SQL Server over a fresh connection. Fails with PROTOCOL_MISMATCH, or with CONNECTION_LOST
 * when the server hangs up.
 */
export async function askPrelogin(socket: Duplex, wanted: 'on' | 'notSupported'): Promise<Prelogin> {
  const answer = firstMessage(socket, wholePacket);
  socket.write(packets(request(encryption[wanted])));
  return parse(await answer);
}

function request(wanted: number): Buffer {
  const options = [
    [VERSION, Buffer.alloc(6)],
    [ENCRYPTION, Buffer.from([wanted])],
    [INSTANCE, Buffer.alloc(1)],
    [THREAD, Buffer.alloc(4)],
    [MARS, Buffer.alloc(1)],
  ] as const;
  let offset = OPTION_BYTES * options.length + 1;
  const list = options.map(([token, value]) => {
    const entry = Buffer.alloc(OPTION_BYTES);
    entry.writeUInt8(token);
    entry.writeUInt16BE(offset, 1);
    entry.writeUInt16BE(value.length, 3);
    offset += value.length;
    return entry;
  });
  return Buffer.concat([...list, Buffer.from([END]), ...options.map(([, value]) => value)]);
}

/** The bytes of one message of the type PRELOGIN, in as many packets as it takes. */
function packets(message: Buffer): Buffer {
  const size = PACKET_BYTES - HEADER_BYTES;
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const body = message.subarray(at, at + size);
    const head = Buffer.alloc(HEADER_BYTES);
    head.writeUInt8(PRELOGIN);
    head.writeUInt8(at + size >= message.length ? LAST_PACKET : 0, 1);
    head.writeUInt16BE(HEADER_BYTES + body.length, 2);
    head.writeUInt8((parts.length / 2 + 1) % 256, 6);
    parts.push(head, body);
  }
  return Buffer.concat(parts);
}

/**
 * The body of the one packet that is due. Fails with PROTOCOL_MISMATCH when anything comes behind it, which would pass
 * for a part of the next phase.
 */
function wholePacket(received: Buffer): Buffer | undefined {
  if (received[0] !== ANSWER) throw new Failure('PROTOCOL_MISMATCH');
  if (received.length < HEADER_BYTES) return undefined;
  const length = received.readUInt16BE(2);
  const isWhole = received[1] === LAST_PACKET && length > HEADER_BYTES && length <= LONGEST_PRELOGIN;
  if (!isWhole || received.length > length) throw new Failure('PROTOCOL_MISMATCH');
  return received.length === length ? received.subarray(HEADER_BYTES) : undefined;
}

function parse(body: Buffer): Prelogin {
  const values = new Map<number, Buffer>();
  for (let at = 0; body[at] !== END; at += OPTION_BYTES) {
    if (at + OPTION_BYTES > body.length) throw new Failure('PROTOCOL_MISMATCH');
    const start = body.readUInt16BE(at + 1);
    const end = start + body.readUInt16BE(at + 3);
    if (end > body.length) throw new Failure('PROTOCOL_MISMATCH');
    values.set(body[at] ?? END, body.subarray(start, end));
  }
  const version = values.get(VERSION);
  const chosen = values.get(ENCRYPTION)?.[0];
  if (version?.length !== 6 || chosen === undefined || !ENCRYPTIONS.includes(chosen)) {
    throw new Failure('PROTOCOL_MISMATCH');
  }
  return { version: `${version[0]}.${version[1]}.${version.readUInt16BE(2)}`, encryption: chosen };
}

/**
 * The connection as TLS sees it while it is agreed on over TDS 7: each flight of the handshake travels in a PRELOGIN
 * message. After unwrap() the bytes go as they are.
 */
export class PreloginCarrier extends CarriedStream {
  #wrapped = true;
  #received: Buffer = Buffer.alloc(0);

  constructor(carrier: Duplex) {
    super();
    this.goOver(carrier);
  }

  /**
   * Ends the wrapping when the handshake is done. Fails with PROTOCOL_MISMATCH when the server has begun with a packet
   * that does not belong to the handshake.
   */
  unwrap(): void {
    if (this.#received.length > 0) throw new Failure('PROTOCOL_MISMATCH');
    this.#wrapped = false;
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.carrier) this.carrier.write(this.#wrapped ? packets(chunk) : chunk, encoding, callback);
    else callback(new Failure('CONNECTION_LOST'));
  }

  override _writev(
    chunks: Array<{ chunk: Buffer; encoding: BufferEncoding }>,
    callback: (error?: Error | null) => void,
  ): void {
    this._write(Buffer.concat(chunks.map((each) => each.chunk)), 'binary', callback);
  }

  protected override takeIn(chunk: Buffer): void {
    if (!this.#wrapped) {
      this.hand(chunk);
      return;
    }
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= HEADER_BYTES) {
      const [type = 0] = this.#received;
      const length = this.#received.readUInt16BE(2);
      if ((type !== PRELOGIN && type !== ANSWER) || length <= HEADER_BYTES) {
        this.destroy(new Failure('PROTOCOL_MISMATCH'));
        return;
      }
      if (this.#received.length < length) return;
      const body = this.#received.subarray(HEADER_BYTES, length);
      this.#received = this.#received.subarray(length);
      this.hand(body);
    }
  }
}
