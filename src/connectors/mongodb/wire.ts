import type { DeserializeOptions, Document, SerializeOptions } from 'bson';
import { Failure } from '../kit/contract/failure.ts';
import type { PeerSocket } from '../kit/contract/peer-socket.ts';

const HEADER_BYTES = 16;
/**
 * Where the numbers of a header stand: the request's own, that of the request it answers, and what kind of message it
 * is.
 */
const REQUEST_ID_AT = 4;
const RESPONSE_TO_AT = 8;
const OPCODE_AT = 12;
/** The flags and the kind of the one section stand between the header and the document. */
const SECTION_KIND_AT = HEADER_BYTES + 4;
const DOCUMENT_AT = SECTION_KIND_AT + 1;
const EMPTY_DOCUMENT_BYTES = 5;
/** The longest reply taken from a server, in bytes: what the checks ask for is far shorter. */
const LONGEST_REPLY = 4 * 1024 * 1024;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const CHECKSUM_BYTES = 4;
/** The bits of the flags that a client has to know. It may pass over the others. */
const REQUIRED_FLAGS = 0xffff;

/** An error that a MongoDB server answered with. */
export class MongoError extends Error {
  override readonly name = 'MongoError';
  /** The error's number in the server's own table: 18 is AuthenticationFailed, 13 is Unauthorized. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The BSON encoder and decoder, as the package has it. */
export interface Bson {
  serialize(document: Document, options: SerializeOptions): Uint8Array;
  deserialize(bytes: Uint8Array, options: DeserializeOptions): Document;
}

/**
 * MongoDB's wire protocol over a prepared socket: one command at a time, each an OP_MSG without compression, which
 * every server since 3.6 takes. Every length and flag of a reply is looked at before it is decoded. A reply that is not
 * well-formed ends the connection.
 */
export class MongoWire {
  readonly #socket: PeerSocket;
  readonly #bson: Bson;
  #chunks: Buffer[] = [];
  #received = 0;
  #requestId = 0;
  #waiting: { resolve(reply: Document): void; reject(error: unknown): void } | undefined;
  #broken: unknown;
  #signedIn = false;

  constructor(socket: PeerSocket, bson: Bson) {
    this.#socket = socket;
    this.#bson = bson;
    socket.assertOpen();
    socket.on('data', this.#take);
    socket.on('error', this.#fail);
    socket.on('end', () => this.#fail(new Failure('CONNECTION_LOST')));
    socket.on('close', () => this.#fail(new Failure('CONNECTION_LOST')));
  }

  /**
   * Raises the limit of replies to LONGEST_REPLY: before the sign-in a server may send no more than the socket lets
   * through.
   */
  signedIn(): void {
    this.#signedIn = true;
  }

  /** Tells whether a command can be run now. */
  get isFree(): boolean {
    return this.#waiting === undefined && this.#broken === undefined;
  }

  /** Runs one command in a database. Rejects with MongoError when the server refuses it. */
  async run(database: string, command: Document): Promise<Document> {
    if (this.#waiting) throw new Error('A command is still running.');
    if (this.#broken !== undefined) throw this.#broken;
    const message = this.#encode({ ...command, $db: database });
    if (this.#signedIn) this.#socket.raiseCap(LONGEST_REPLY);
    const reply = await new Promise<Document>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(message);
    });
    if (Number(reply.ok) === 1) return reply;
    const { code, errmsg } = reply;
    throw new MongoError(typeof code === 'number' ? code : 0, typeof errmsg === 'string' ? errmsg : '');
  }

  close(): void {
    this.#socket.destroy();
  }

  #encode(command: Document): Buffer {
    const body = this.#bson.serialize(command, { ignoreUndefined: true });
    const head = Buffer.alloc(DOCUMENT_AT);
    this.#requestId += 1;
    head.writeInt32LE(head.length + body.length, 0);
    head.writeInt32LE(this.#requestId, REQUEST_ID_AT);
    head.writeInt32LE(OP_MSG, OPCODE_AT);
    return Buffer.concat([head, body]);
  }

  #take = (chunk: Buffer): void => {
    this.#chunks.push(chunk);
    this.#received += chunk.length;
    try {
      const reply = this.#next();
      if (!reply) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(reply);
    } catch (error) {
      this.#fail(error instanceof Failure ? error : new Failure('PROTOCOL_MISMATCH', { error }));
    }
  };

  /** Takes the reply that is due from what has come in. Undefined until it is there as a whole. */
  #next(): Document | undefined {
    const head = this.#head();
    if (head.length < 4) return undefined;
    const length = head.readInt32LE(0);
    if (length < DOCUMENT_AT + EMPTY_DOCUMENT_BYTES || length > LONGEST_REPLY) throw new Failure('PROTOCOL_MISMATCH');
    if (head.length >= HEADER_BYTES && head.readInt32LE(OPCODE_AT) !== OP_MSG) throw new Failure('PROTOCOL_MISMATCH');
    // a server speaks only when it is asked, and sends one reply at a time
    if (!this.#waiting || this.#received > length) throw new Failure('PROTOCOL_MISMATCH');
    if (this.#received < length) return undefined;
    const message = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#received = 0;
    return this.#decode(message);
  }

  #head(): Buffer {
    const [first] = this.#chunks;
    if (this.#chunks.length > 1 && first && first.length < HEADER_BYTES) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #decode(message: Buffer): Document {
    const flags = message.readUInt32LE(HEADER_BYTES);
    const isAnswer = message.readInt32LE(RESPONSE_TO_AT) === this.#requestId && message[SECTION_KIND_AT] === 0;
    if (!isAnswer || (flags & REQUIRED_FLAGS & ~CHECKSUM_PRESENT) !== 0) throw new Failure('PROTOCOL_MISMATCH');
    const body = message.subarray(DOCUMENT_AT, message.length - (flags & CHECKSUM_PRESENT ? CHECKSUM_BYTES : 0));
    if (body.length < EMPTY_DOCUMENT_BYTES || body.readInt32LE(0) !== body.length)
      throw new Failure('PROTOCOL_MISMATCH');
    // the id of a cursor is a number of 64 bits, which a double does not hold
    return this.#bson.deserialize(body, { useBigInt64: true, promoteBuffers: true });
  }

  #fail = (error: unknown): void => {
    this.#broken ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#broken);
    this.#socket.destroy();
  };
}
