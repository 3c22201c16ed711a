import type { Duplex } from 'node:stream';
import { CarriedStream } from '../../kit/contract/carried-stream.ts';
import { Failure } from '../../kit/contract/failure.ts';

const HEADER_BYTES = 4;
/** The longest packet taken from a server, in bytes; rows of the checks are far smaller. */
const MAX_PACKET_BYTES = 1024 * 1024;
/** Packets are numbered by one byte. */
const SEQUENCE_NUMBERS = 256;
const GREETING = 0x0a;
const ERROR = 0xff;
const NEXT_FACTOR = 0x02;
/**
 * The packets that a server may send until the client has signed in: done, more for the way to sign in, another way,
 * another factor, and an error.
 */
const SIGN_IN_KINDS: readonly number[] = [0x00, 0x01, NEXT_FACTOR, 0xfe, ERROR];
/** A server answers a query with this when it asks for one of the client's files. */
const FILE_REQUEST = 0xfb;

/**
 * A connection as the MySQL driver sees it: it gets whole packets that are due, each looked at before. The driver
 * itself takes what comes, and reports on the console what it does not understand. A packet that is not well-formed
 * ends the connection with PROTOCOL_MISMATCH.
 */
export class MysqlStream extends CarriedStream {
  #rest: Buffer = Buffer.alloc(0);
  /** The number of the packet that is due. */
  #due = 0;
  #phase: 'greeting' | 'sign-in' | 'commands' = 'greeting';
  /** True while it is the client's turn to speak. */
  #mustWait = false;
  #handedOn: Promise<void> = Promise.resolve();

  constructor(carrier: Duplex) {
    super();
    this.goOnOver(carrier);
  }

  /**
   * Takes nothing more from the connection, so that TLS can be put on it. Resolves when all that was written is on its
   * way. Fails with PROTOCOL_MISMATCH when the server has sent more than its greeting, which would pass for a part of
   * what comes over TLS.
   */
  async release(): Promise<void> {
    const { carrier } = this;
    if (!carrier) throw this.errored ?? new Failure('CONNECTION_LOST');
    carrier.pause();
    this.letGo();
    if (this.#rest.length > 0 || this.readableLength > 0) throw new Failure('PROTOCOL_MISMATCH');
    await this.#handedOn;
  }

  /** Goes on over this connection. */
  goOnOver(carrier: Duplex): void {
    this.goOver(carrier);
    // it flows at once: the driver may have asked for more already, of the connection before this one
    if (!carrier.destroyed) carrier.resume();
  }

  /** Sends what the driver writes, which is one whole packet at a time. */
  override _write(packet: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const sequence = packet[HEADER_BYTES - 1] ?? 0;
    if (sequence === 0) this.#phase = 'commands';
    this.#due = (sequence + 1) % SEQUENCE_NUMBERS;
    this.#mustWait = false;
    const { carrier } = this;
    this.#handedOn = new Promise((resolve) => {
      const written = (error?: Error | null) => {
        callback(error);
        resolve();
      };
      if (carrier) carrier.write(packet, encoding, written);
      else written(new Failure('CONNECTION_LOST'));
    });
  }

  protected override takeIn(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    try {
      while (!this.destroyed && this.carrier) {
        const packet = this.#next();
        if (!packet) return;
        this.hand(packet);
      }
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined);
    }
  }

  /** Takes the packet that is due from what has come in. Undefined until it is there as a whole. */
  #next(): Buffer | undefined {
    const rest = this.#rest;
    if (rest.length < HEADER_BYTES) return undefined;
    const length = rest.readUIntLE(0, 3);
    if (length === 0 || length > MAX_PACKET_BYTES) throw new Failure('PROTOCOL_MISMATCH');
    const kind = rest[HEADER_BYTES];
    if (kind === undefined) return undefined;
    this.#check(rest[HEADER_BYTES - 1] ?? 0, kind);
    if (rest.length < HEADER_BYTES + length) return undefined;
    this.#rest = rest.subarray(HEADER_BYTES + length);
    this.#due = (this.#due + 1) % SEQUENCE_NUMBERS;
    if (this.#phase === 'greeting') {
      this.#phase = 'sign-in';
      this.#mustWait = true;
    }
    return rest.subarray(0, HEADER_BYTES + length);
  }

  /** Ends the connection when the packet is not due. `kind` is the first byte of the packet's body. */
  #check(sequence: number, kind: number): void {
    // a server that shuts down says so without being asked
    if (this.#phase === 'commands' && sequence === 0 && kind === ERROR) throw new Failure('SERVER_UNAVAILABLE');
    if (this.#mustWait || sequence !== this.#due) throw new Failure('PROTOCOL_MISMATCH');
    if (this.#phase === 'greeting' && kind !== GREETING && kind !== ERROR) throw new Failure('PROTOCOL_MISMATCH');
    if (this.#phase === 'sign-in') checkSignIn(kind);
    if (this.#phase === 'commands' && sequence === 1 && kind === FILE_REQUEST) throw new Failure('PROTOCOL_MISMATCH');
  }
}

function checkSignIn(kind: number): void {
  if (!SIGN_IN_KINDS.includes(kind)) throw new Failure('PROTOCOL_MISMATCH');
  if (kind === NEXT_FACTOR) {
    throw new Failure('SIGN_IN_METHOD_REFUSED', {
      configPath: 'username',
      hint: 'The account signs in with more than one factor. Give one that signs in with a password or a client certificate alone.',
    });
  }
}
