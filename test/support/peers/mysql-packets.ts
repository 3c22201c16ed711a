import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';

/** MySQL's packets over a socket, as a server reads and writes them. */
export class PacketChannel {
  #socket: Socket;
  #rest = Buffer.alloc(0);
  #sequence = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  readonly #onData: (chunk: Buffer, encrypted: boolean) => void;

  /** `onData` is told all that comes, decrypted, and whether it came over TLS. */
  constructor(socket: Socket, onData: (chunk: Buffer, encrypted: boolean) => void) {
    this.#socket = socket;
    this.#onData = onData;
    this.#listen();
  }

  get encrypted(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  /** The body of the next packet; undefined when the peer has gone. */
  async next(): Promise<Buffer | undefined> {
    while (true) {
      const length = this.#rest.length < 4 ? undefined : this.#rest.readUIntLE(0, 3);
      if (length !== undefined && this.#rest.length >= length + 4) {
        this.#sequence = ((this.#rest[3] ?? 0) + 1) % 256;
        const body = this.#rest.subarray(4, length + 4);
        this.#rest = this.#rest.subarray(length + 4);
        return body;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Each in a packet of its own, numbered on from the last. */
  send(...bodies: readonly Buffer[]): void {
    const packets = bodies.map((body) => packetOf(body, this.#sequence++ % 256));
    this.#socket.write(Buffer.concat(packets));
  }

  /** One after the other until the peer has gone, as fast as it reads. */
  async sendForEver(body: Buffer): Promise<void> {
    while (!this.#ended) {
      const packets = Array.from({ length: 64 }, () => packetOf(body, this.#sequence++ % 256));
      if (!this.#socket.write(Buffer.concat(packets))) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          this.#socket.once('drain', resolve);
        });
      }
    }
  }

  /** As it is. */
  sendRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  hangUp(): void {
    this.#socket.end();
  }

  /** Goes on over TLS. */
  startTls({ certificate: cert, key }: IssuedCertificate): void {
    this.#socket.off('data', this.#take).pause();
    if (this.#rest.length > 0) this.#socket.unshift(this.#rest);
    this.#rest = Buffer.alloc(0);
    this.#socket = new TLSSocket(this.#socket, { isServer: true, secureContext: createSecureContext({ cert, key }) });
    this.#listen();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', this.#take);
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  #take = (chunk: Buffer): void => {
    this.#onData(chunk, this.encrypted);
    this.#rest = Buffer.concat([this.#rest, chunk]);
    this.#wake?.();
  };
}

/** A packet of MySQL's protocol; `length` is what it says of itself. */
export function packetOf(body: Buffer | string, sequence: number, length = Buffer.byteLength(body)): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, Buffer.from(body)]);
}

export const OK = Buffer.from([0x00, 0, 0, 0x02, 0, 0, 0]);
const END = Buffer.from([0xfe, 0, 0, 0x02, 0]);

export function errorBody(number: number, message: string): Buffer {
  const head = Buffer.from([0xff, 0, 0]);
  head.writeUInt16LE(number, 1);
  return Buffer.concat([head, Buffer.from(`#HY000${message}`)]);
}

/** A result of text columns. */
export function resultBodies(rows: readonly (readonly (string | null)[])[]): Buffer[] {
  const width = rows[0]?.length ?? 1;
  const column = Buffer.concat([
    ...['def', '', '', '', 'c', ''].map(lengthCoded),
    // utf8mb4, up to 1,024 bytes, VAR_STRING
    Buffer.from([0x0c, 45, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0]),
  ]);
  return [Buffer.from([width]), ...Array(width).fill(column), END, ...rows.map(rowBody), END];
}

function rowBody(row: readonly (string | null)[]): Buffer {
  return Buffer.concat(row.map((value) => (value === null ? Buffer.from([0xfb]) : lengthCoded(value))));
}

function lengthCoded(text: string): Buffer {
  const bytes = Buffer.from(text);
  const head = bytes.length < 251 ? [bytes.length] : [0xfc, bytes.length & 0xff, bytes.length >> 8];
  return Buffer.concat([Buffer.from(head), bytes]);
}

/**
 * MySQL's two ways to prove that one knows a password: a hash over the scramble and the hash of the password's hash.
 */
export function scrambled(plugin: 'sha1' | 'sha256', password: string, scramble: Buffer): Buffer {
  if (password === '') return Buffer.alloc(0);
  const hash = (...parts: Buffer[]) => createHash(plugin).update(Buffer.concat(parts)).digest();
  const once = hash(Buffer.from(password));
  const proof = plugin === 'sha1' ? hash(scramble, hash(once)) : hash(hash(once), scramble);
  return xor(once, proof);
}

/** Byte by byte; the key begins anew where it ends. */
export function xor(bytes: Buffer, key: Buffer): Buffer {
  return Buffer.from(bytes.map((byte, at) => byte ^ (key[at % key.length] ?? 0)));
}
