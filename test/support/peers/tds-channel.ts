import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';

const HEADER = 8;
const HANDSHAKE = 0x16;
const APPLICATION_DATA = 0x17;
export const PRELOGIN = 0x12;
export const ANSWER = 0x04;

export interface TdsMessage {
  readonly type: number;
  readonly body: Buffer;
}

/** TDS messages over a stream, as a server reads and writes them. */
export class TdsChannel {
  readonly #stream: Duplex;
  #rest = Buffer.alloc(0);
  #parts: Buffer[] = [];
  readonly #onData: (chunk: Buffer) => void;

  constructor(stream: Duplex, onMessage: (message: TdsMessage) => void) {
    this.#stream = stream;
    stream.on('error', () => stream.destroy());
    this.#onData = (chunk) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      for (let message = this.#next(); message; message = this.#next()) onMessage(message);
    };
    stream.on('data', this.#onData);
  }

  send(body: Buffer, type = ANSWER): void {
    this.#stream.write(tdsPackets(body, type));
  }

  /** Reads nothing more. */
  release(): void {
    this.#stream.off('data', this.#onData);
  }

  #next(): TdsMessage | undefined {
    if (this.#rest.length < HEADER) return undefined;
    const [type = 0, status = 0] = this.#rest;
    const length = this.#rest.readUInt16BE(2);
    if (![1, 3, 6, 7, 0x10, 0x11, PRELOGIN].includes(type) || length < HEADER) {
      this.#stream.destroy();
      return undefined;
    }
    if (this.#rest.length < length) return undefined;
    this.#parts.push(this.#rest.subarray(HEADER, length));
    this.#rest = this.#rest.subarray(length);
    if ((status & 1) === 0) return this.#next();
    const body = Buffer.concat(this.#parts);
    this.#parts = [];
    return { type, body };
  }
}

/** A message in packets of 4,096 bytes. */
export function tdsPackets(body: Buffer, type = ANSWER): Buffer {
  const parts: Buffer[] = [];
  const size = 4096 - HEADER;
  for (let at = 0; at === 0 || at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    const head = Buffer.alloc(HEADER);
    head.writeUInt8(type);
    head.writeUInt8(at + size >= body.length ? 1 : 0, 1);
    head.writeUInt16BE(HEADER + part.length, 2);
    parts.push(head, part);
  }
  return Buffer.concat(parts);
}

/**
 * TLS over the stream. `wrapped`: whatever is no application data travels in PRELOGIN messages, in both directions.
 * `first`: it begins with the first byte. Anything else ends the connection.
 */
export function serveTls(stream: Duplex, tls: IssuedCertificate, place: 'wrapped' | 'first'): Promise<TLSSocket> {
  const socket = new TLSSocket(new TlsCarrier(stream, place) as unknown as Socket, {
    isServer: true,
    secureContext: createSecureContext({ cert: tls.certificate, key: tls.key }),
    ...(place === 'first' ? { ALPNProtocols: ['tds/8.0'] } : {}),
  });
  socket.on('error', () => stream.destroy());
  return new Promise((resolve) => socket.once('secure', () => resolve(socket)));
}

class TlsCarrier extends Duplex {
  readonly #stream: Duplex;
  readonly #place: 'wrapped' | 'first';
  #rest = Buffer.alloc(0);
  #isOpen = false;

  constructor(stream: Duplex, place: 'wrapped' | 'first') {
    super({ allowHalfOpen: false });
    this.#stream = stream;
    this.#place = place;
    stream.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#take();
    });
    stream.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    const isRaw = this.#place === 'first' || chunk[0] === APPLICATION_DATA;
    this.#stream.write(isRaw ? chunk : tdsPackets(chunk, PRELOGIN));
    callback();
  }

  override _writev(chunks: Array<{ chunk: Buffer; encoding: BufferEncoding }>, callback: () => void): void {
    this._write(Buffer.concat(chunks.map((each) => each.chunk)), 'binary', callback);
  }

  #take(): void {
    while (this.#rest.length > 0) {
      this.#isOpen ||= this.#rest[0] === (this.#place === 'first' ? HANDSHAKE : APPLICATION_DATA);
      if (this.#isOpen) {
        this.push(this.#rest);
        this.#rest = Buffer.alloc(0);
        return;
      }
      if (this.#place === 'first' || this.#rest[0] !== PRELOGIN) return void this.#stream.destroy();
      const length = this.#rest.length < HEADER ? Number.POSITIVE_INFINITY : this.#rest.readUInt16BE(2);
      if (this.#rest.length < length) return;
      this.push(this.#rest.subarray(HEADER, length));
      this.#rest = this.#rest.subarray(length);
    }
  }
}
