import { createHash, createHmac, pbkdf2Sync, randomBytes, X509Certificate } from 'node:crypto';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { type Document, deserialize, Long, ObjectId, serialize } from 'bson';
import type { IssuedCertificate } from '../certificates.ts';

const OP_MSG = 2013;

export interface FakeMongodbUser {
  readonly password?: string;
  /** Left out: both kinds of SCRAM. */
  readonly mechanisms?: readonly string[];
  /** Left out: admin. */
  readonly source?: string;
  /** What the user may do, by database; left out: everything. */
  readonly may?: Readonly<Record<string, readonly ('read' | 'write')[]>>;
}

export interface FakeMongodbOptions {
  /** By name; of X.509 users by the subject as MongoDB writes it. None: the server asks for no sign-in. */
  readonly users?: Readonly<Record<string, FakeMongodbUser>>;
  /** The documents of each collection, by database and name. */
  readonly databases?: Readonly<Record<string, Readonly<Record<string, readonly Document[]>>>>;
  /** Names of views, each over the collection of the same database. */
  readonly views?: Readonly<Record<string, string>>;
  readonly tls?: IssuedCertificate & { readonly clientCa?: string };
  readonly replicaSet?: { readonly name: string; readonly primary: string; readonly isPrimary: boolean };
  readonly iterations?: number;
  /** A server of before 4.4, which sends its proof before the conversation is over. */
  readonly withEmptyExchange?: boolean;
  /** Documents in one batch. Left out: what the client asks for. */
  readonly batch?: number;
  /** Instead of its own answer to a command, a document or bytes; undefined: its own. */
  readonly misbehave?: (command: string, request: Document) => Document | Buffer | undefined;
  /** Tells which commands are carried out and never answered. */
  readonly stalls?: (command: string) => boolean;
}

export interface FakeMongodb {
  readonly port: number;
  /** The names of the commands so far, in order. */
  readonly commands: string[];
  /** The requests as they came. */
  readonly requests: Document[];
  /** How many cursors have not come to their end. */
  cursors(): number;
  /** The names of the collections in a database now. */
  collections(database: string): string[];
  connections(): number;
  open(): number;
  close(): Promise<void>;
}

/** An OP_MSG around a document, as a server sends it; `head` overrides its numbers. */
export function mongoReply(
  body: Document | Buffer,
  responseTo: number,
  head: { readonly length?: number; readonly opcode?: number; readonly flags?: number; readonly kind?: number } = {},
): Buffer {
  const document = Buffer.isBuffer(body) ? body : serialize(body);
  const start = Buffer.alloc(21);
  start.writeInt32LE(head.length ?? start.length + document.length, 0);
  start.writeInt32LE(1, 4);
  start.writeInt32LE(responseTo, 8);
  start.writeInt32LE(head.opcode ?? OP_MSG, 12);
  start.writeUInt32LE(head.flags ?? 0, 16);
  start.writeUInt8(head.kind ?? 0, 20);
  return Buffer.concat([start, document]);
}

/**
 * A MongoDB server in memory, written from the published wire protocol and RFC 5802: it checks SCRAM proofs and the
 * subjects of client certificates for real, knows rights by database, and can misbehave.
 */
export async function startFakeMongodb(options: FakeMongodbOptions = {}): Promise<FakeMongodb> {
  const databases = new Map(
    Object.entries(options.databases ?? {}).map(([name, collections]) => [name, new Map(Object.entries(collections))]),
  );
  const cursors: Cursors = new Map();
  const commands: string[] = [];
  const requests: Document[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const onSocket = (socket: Socket) => {
    const session = new Session(options, databases, cursors);
    onMessages(socket, (request, id) => {
      const [command = ''] = Object.keys(request);
      commands.push(command);
      requests.push(request);
      const instead = options.misbehave?.(command, request);
      if (Buffer.isBuffer(instead)) return instead;
      const reply = mongoReply(instead ?? session.answer(command, request, socket), id);
      return options.stalls?.(command) ? Buffer.alloc(0) : reply;
    });
  };
  const server: Server = options.tls
    ? createTlsServer(
        {
          cert: options.tls.certificate,
          key: options.tls.key,
          ...(options.tls.clientCa ? { ca: options.tls.clientCa, requestCert: true, rejectUnauthorized: true } : {}),
        },
        onSocket,
      )
    : createTcpServer(onSocket);
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    commands,
    requests,
    cursors: () => cursors.size,
    collections: (database) => [...(databases.get(database)?.keys() ?? [])],
    connections: () => connections,
    open: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function onMessages(socket: Socket, answer: (request: Document, id: number) => Buffer): void {
  let rest = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    // TLS, to a server that does not speak it
    if (rest[0] === 0x16 && rest[1] === 3) socket.destroy();
    while (rest.length >= 16 && rest.length >= rest.readInt32LE(0)) {
      const message = rest.subarray(0, rest.readInt32LE(0));
      rest = rest.subarray(message.length);
      if (message.readInt32LE(12) !== OP_MSG || message.readUInt32LE(16) !== 0 || message[20] !== 0) {
        socket.destroy();
        return;
      }
      socket.write(answer(deserialize(message.subarray(21)), message.readInt32LE(4)));
    }
  });
}

/** Where a client does not say how many it wants. */
const FIRST_BATCH = 101;

type Cursors = Map<bigint, { readonly namespace: string; rest: Document[] }>;
type Databases = Map<string, Map<string, readonly Document[]>>;

interface Conversation {
  readonly user: string;
  readonly source: string;
  readonly hash: 'sha1' | 'sha256';
  readonly clientFirstBare: string;
  readonly serverFirst: string;
  readonly salted: Buffer;
  proved?: boolean;
}

class Refusal extends Error {
  readonly document: Document;
  constructor(code: number, codeName: string) {
    super(codeName);
    this.document = { ok: 0, code, codeName, errmsg: `${codeName} says a server that talks too much` };
  }
}

/** What one connection has come to. */
class Session {
  readonly #options: FakeMongodbOptions;
  readonly #databases: Databases;
  readonly #cursors: Cursors;
  #conversation: Conversation | undefined;
  #user: FakeMongodbUser | undefined;

  constructor(options: FakeMongodbOptions, databases: Databases, cursors: Cursors) {
    this.#cursors = cursors;
    this.#options = options;
    this.#databases = databases;
  }

  answer(command: string, request: Document, socket: Socket): Document {
    try {
      return { ...this.#run(command, request, socket), ok: 1 };
    } catch (error) {
      if (error instanceof Refusal) return error.document;
      throw error;
    }
  }

  #run(command: string, request: Document, socket: Socket): Document {
    const database = String(request.$db);
    switch (command) {
      case 'isMaster':
      case 'ismaster':
      case 'hello':
        return this.#hello(request);
      case 'saslStart':
        return this.#saslStart(request, database);
      case 'saslContinue':
        return this.#saslContinue(request, database);
      case 'authenticate':
        return this.#authenticate(request, database, socket);
      case 'buildInfo':
        return { version: '7.0.14', modules: ['enterprise'] };
      case 'listDatabases':
        return this.#listDatabases(request);
      case 'listCollections':
        return this.#listCollections(request, database);
      case 'aggregate':
        return this.#aggregate(request, database);
      case 'getMore':
        return this.#getMore(request);
      case 'killCursors':
        return this.#killCursors(request, database);
      case 'insert':
        this.#allow(database, 'write');
        this.#requirePrimary();
        this.#collectionsOf(database).set(String(request.insert), request.documents);
        return { n: request.documents.length };
      case 'drop':
        this.#allow(database, 'write');
        if (!this.#collectionsOf(database).delete(String(request.drop))) throw new Refusal(26, 'NamespaceNotFound');
        return { ns: `${database}.${request.drop}`, nIndexesWas: 1 };
      default:
        throw new Refusal(59, 'CommandNotFound');
    }
  }

  #hello(request: Document): Document {
    const { replicaSet } = this.#options;
    const [, source = '', name = ''] = /^([^.]*)\.(.*)$/s.exec(String(request.saslSupportedMechs ?? '')) ?? [];
    const user = this.#options.users?.[name];
    const known = user && (user.source ?? 'admin') === source;
    return {
      ismaster: replicaSet?.isPrimary ?? true,
      ...(replicaSet ? { setName: replicaSet.name, primary: replicaSet.primary, hosts: ['127.0.0.1:6379'] } : {}),
      ...(known ? { saslSupportedMechs: user.mechanisms ?? ['SCRAM-SHA-1', 'SCRAM-SHA-256'] } : {}),
      maxWireVersion: 21,
      minWireVersion: 0,
      maxBsonObjectSize: 16_777_216,
      localTime: new Date(),
    };
  }

  #saslStart(request: Document, source: string): Document {
    const mechanism = String(request.mechanism);
    const bare = /^n,,(n=([^,]*),r=([^,]+))$/.exec(Buffer.from(request.payload.buffer).toString());
    if (!bare) throw new Refusal(17, 'ProtocolError');
    const [, clientFirstBare = '', escaped = '', clientNonce = ''] = bare;
    const name = escaped.replaceAll('=2C', ',').replaceAll('=3D', '=');
    const user = this.#options.users?.[name];
    const mechanisms = user?.mechanisms ?? ['SCRAM-SHA-1', 'SCRAM-SHA-256'];
    if (user && !mechanisms.includes(mechanism)) throw new Refusal(334, 'MechanismUnavailable');
    const hash = mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha1';
    const salt = randomBytes(16);
    const iterations = this.#options.iterations ?? 5_000;
    const password =
      hash === 'sha256'
        ? (user?.password ?? randomBytes(8).toString('hex'))
        : createHash('md5').update(`${name}:mongo:${user?.password}`).digest('hex');
    const serverFirst = `r=${clientNonce}${randomBytes(12).toString('base64')},s=${salt.toString('base64')},i=${iterations}`;
    const salted = pbkdf2Sync(password, salt, Math.min(iterations, 50_000), hash === 'sha256' ? 32 : 20, hash);
    this.#conversation = { user: name, source, hash, clientFirstBare, serverFirst, salted };
    return { conversationId: 1, done: false, payload: Buffer.from(serverFirst) };
  }

  #saslContinue(request: Document, source: string): Document {
    const conversation = this.#conversation;
    if (!conversation || conversation.source !== source) throw new Refusal(17, 'ProtocolError');
    const user = this.#options.users?.[conversation.user];
    if (conversation.proved) return this.#letIn(user, Buffer.alloc(0), true);
    const { hash, salted, clientFirstBare, serverFirst } = conversation;
    const final = Buffer.from(request.payload.buffer).toString();
    const [withoutProof = '', proof = ''] = final.split(',p=');
    const nonce = /^r=([^,]+)/.exec(serverFirst)?.[1];
    const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
    const conversationText = `${clientFirstBare},${serverFirst},${withoutProof}`;
    const storedKey = createHash(hash).update(hmac(salted, 'Client Key')).digest();
    const signature = hmac(storedKey, conversationText);
    const clientKey = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0));
    const isRight =
      user !== undefined &&
      (user.source ?? 'admin') === source &&
      withoutProof === `c=biws,r=${nonce}` &&
      createHash(hash).update(clientKey).digest().equals(storedKey);
    if (!isRight) throw new Refusal(18, 'AuthenticationFailed');
    const proofOfServer = Buffer.from(`v=${hmac(hmac(salted, 'Server Key'), conversationText).toString('base64')}`);
    conversation.proved = true;
    return this.#letIn(user, proofOfServer, this.#options.withEmptyExchange !== true);
  }

  #letIn(user: FakeMongodbUser | undefined, payload: Buffer, done: boolean): Document {
    if (done) this.#user = user;
    return { conversationId: 1, done, payload };
  }

  #authenticate(request: Document, database: string, socket: Socket): Document {
    const { raw } = socket instanceof TLSSocket ? socket.getPeerCertificate() : { raw: undefined };
    if (request.mechanism !== 'MONGODB-X509' || database !== '$external' || !raw) {
      throw new Refusal(18, 'AuthenticationFailed');
    }
    const subject = new X509Certificate(raw).subject.split('\n').toReversed().join(',');
    const user = this.#options.users?.[subject];
    if (!user || (request.user !== undefined && request.user !== subject))
      throw new Refusal(18, 'AuthenticationFailed');
    this.#user = user;
    return { dbname: '$external', user: subject };
  }

  #listDatabases(request: Document): Document {
    this.#allow('admin');
    const names = [...this.#databases.keys()].filter((name) => this.#may(name, 'read'));
    const wanted = names.filter((name) => request.filter?.name === undefined || request.filter.name === name);
    return { databases: wanted.map((name) => ({ name })) };
  }

  #listCollections(request: Document, database: string): Document {
    this.#allow(database, 'read');
    const collections = [...(this.#databases.get(database)?.keys() ?? [])];
    const views = this.#databases.has(database) ? Object.keys(this.#options.views ?? {}) : [];
    const all = [
      ...collections.map((name) => ({ name, type: 'collection' })),
      ...views.map((name) => ({ name, type: 'view' })),
    ].filter(({ name }) => request.filter?.name === undefined || request.filter.name === name);
    return this.#cursor(`${database}.$cmd.listCollections`, all, request);
  }

  #aggregate(request: Document, database: string): Document {
    this.#allow(database, 'read');
    const name = String(request.aggregate);
    const [first] = request.pipeline as Document[];
    const isView = name in (this.#options.views ?? {});
    const size = isView ? first?.$limit : first?.$sample?.size;
    const stages = (request.pipeline as Document[]).map((stage) => Object.keys(stage)[0]).join();
    if (typeof size !== 'number' || !stages.endsWith(',$project,$unwind,$group,$sort,$limit')) {
      throw new Refusal(40_324, 'Location40324');
    }
    const documents = this.#databases.get(database)?.get(this.#options.views?.[name] ?? name) ?? [];
    return this.#cursor(`${database}.${name}`, fieldsIn(documents.slice(0, size)), request);
  }

  #getMore(request: Document): Document {
    const id = BigInt(request.getMore.toString());
    const cursor = this.#cursors.get(id);
    if (!cursor?.namespace.endsWith(`.${request.collection}`)) throw new Refusal(43, 'CursorNotFound');
    const nextBatch = cursor.rest.splice(0, this.#options.batch ?? Number(request.batchSize ?? cursor.rest.length));
    if (cursor.rest.length === 0) this.#cursors.delete(id);
    return { cursor: { id: this.#cursors.has(id) ? Long.fromBigInt(id) : Long.ZERO, ns: cursor.namespace, nextBatch } };
  }

  #killCursors(request: Document, database: string): Document {
    const ids = (request.cursors as { toString(): string }[]).map((id) => BigInt(id.toString()));
    const isHere = (id: bigint) => this.#cursors.get(id)?.namespace === `${database}.${request.killCursors}`;
    const cursorsKilled = ids.filter(isHere);
    for (const id of cursorsKilled) this.#cursors.delete(id);
    return { cursorsKilled, cursorsNotFound: ids.filter((id) => !cursorsKilled.includes(id)) };
  }

  #cursor(namespace: string, documents: Document[], request: Document): Document {
    const rest = [...documents];
    const firstBatch = rest.splice(0, this.#options.batch ?? Number(request.cursor?.batchSize ?? FIRST_BATCH));
    // beyond what a double holds, as real ones are
    const id = BigInt.asIntN(62, BigInt(`0x${randomBytes(8).toString('hex')}`)) | 1n;
    if (rest.length > 0) this.#cursors.set(id, { namespace, rest });
    return { cursor: { id: rest.length > 0 ? Long.fromBigInt(id) : Long.ZERO, ns: namespace, firstBatch } };
  }

  #collectionsOf(database: string): Map<string, readonly Document[]> {
    const known = this.#databases.get(database) ?? new Map<string, readonly Document[]>();
    this.#databases.set(database, known);
    return known;
  }

  #requirePrimary(): void {
    if (this.#options.replicaSet?.isPrimary === false) throw new Refusal(10_107, 'NotWritablePrimary');
  }

  #may(database: string, right: 'read' | 'write'): boolean {
    if (!this.#options.users) return true;
    if (!this.#user) return false;
    return this.#user.may ? (this.#user.may[database]?.includes(right) ?? false) : true;
  }

  #allow(database: string, right?: 'read' | 'write'): void {
    const isAllowed = right ? this.#may(database, right) : !this.#options.users || this.#user !== undefined;
    if (!isAllowed) throw new Refusal(13, 'Unauthorized');
  }
}

/**
 * What the one pipeline that is asked for gives: names and types of the fields, with the number of documents that have
 * them.
 */
function fieldsIn(documents: readonly Document[]): Document[] {
  const groups = new Map<string, { _id: { name: string; type: string }; documents: number; place: number }>();
  for (const document of documents) {
    for (const [place, [name, value]] of Object.entries(document).entries()) {
      const type = typeOf(value);
      const group = groups.get(`${name}\0${type}`);
      if (group) {
        group.documents += 1;
        group.place = Math.min(group.place, place);
      } else groups.set(`${name}\0${type}`, { _id: { name, type }, documents: 1, place });
    }
  }
  return [...groups.values()].toSorted(
    (one, other) => one.place - other.place || (one._id.name < other._id.name ? -1 : 1),
  );
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (value instanceof Date) return 'date';
  if (value instanceof ObjectId) return 'objectId';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'double';
  return typeof value;
}
