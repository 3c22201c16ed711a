import type { Document } from 'bson';
import { z } from 'zod';
import { Failure } from '../kit/contract/failure.ts';
import type { PeerSocket } from '../kit/contract/peer-socket.ts';
import { listOf } from '../kit/http/answers.ts';
import type { MongodbConfig } from './config.ts';
import { ScramClient, type ScramMechanism } from './scram.ts';
import { MongoError, MongoWire } from './wire.ts';

/** The oldest wire version that is taken: that of MongoDB 3.6, the first that knows OP_MSG. */
const OLDEST_WIRE_VERSION = 6;
const EXTERNAL = '$external';
/** How long a server may take for one command, in milliseconds. */
const MAX_COMMAND_MS = 20_000;
/** Lets a secondary answer too: what the checks read is the same there. */
const READ_ANYWHERE = { $readPreference: { mode: 'primaryPreferred' } };
/** How many documents of a cursor a server hands out at a time. */
const BATCH = 200;
const UNAUTHORIZED = 13;
const COMMAND_NOT_FOUND = 59;

const HELLO = z.object({
  maxWireVersion: z.int(),
  ismaster: z.boolean().optional(),
  setName: z.string().optional(),
  /** The primary's `host:port`, as the set itself names it. */
  primary: z.string().optional(),
  saslSupportedMechs: listOf(z.string()).optional(),
});
const SASL = z.object({ conversationId: z.unknown(), done: z.boolean(), payload: z.instanceof(Uint8Array) });
const BUILD = z.object({
  version: z.string(),
  /** FerretDB's own: its `version` is that of the MongoDB that it passes for. */
  ferretdbVersion: z.string().optional(),
});
const CURSOR = z.object({
  cursor: z.object({
    id: z.union([z.bigint(), z.int()]).transform(BigInt),
    ns: z.string(),
    firstBatch: z.array(z.unknown()).optional(),
    nextBatch: z.array(z.unknown()).optional(),
  }),
});

export type MongoHello = z.output<typeof HELLO>;
export type MongodbAccount = Pick<
  MongodbConfig,
  'username' | 'password' | 'authSource' | 'authMechanism' | 'replicaSet'
>;

/** Where a server stands in a list that it hands out in parts. */
export interface MongoCursor {
  readonly id: bigint;
  readonly database: string;
  readonly collection: string;
}

/** A connection that a MongoDB server has let in. */
export interface MongoSession {
  /** What the server says about itself. */
  readonly hello: MongoHello;
  /** The server's make and the number of its version, and nothing more; MongoDB alone when the server does not tell. */
  readonly server: string;
  /** How the user was let in; undefined for a connection without sign-in. */
  readonly mechanism: string | undefined;
  /** Runs a command that reads, on a primary or a secondary. Rejects with MongoError. */
  read(database: string, command: Document): Promise<Document>;
  /**
   * The documents of a command that answers with a cursor, some at a time. Fails with PROTOCOL_MISMATCH when one is not
   * of the schema.
   */
  readAll<Schema extends z.ZodType>(
    database: string,
    command: Document,
    schema: Schema,
  ): AsyncGenerator<z.output<Schema>[]>;
  /** The cursor that the server has not come to the end of; undefined when there is none. */
  openCursor(): MongoCursor | undefined;
  /** Ends a cursor of the user's, which may be another session's. */
  killCursor(cursor: MongoCursor): Promise<void>;
  /** Runs a command that writes. Rejects with MongoError. */
  write(database: string, command: Document): Promise<Document>;
  close(): void;
}

/**
 * Signs in over a prepared socket, whose TLS, if any, is done. MongoDB's own driver is not used: it takes no socket,
 * connects to the hosts that a server names, and hashes as many rounds as a server asks for.
 */
export async function signInToMongodb(socket: PeerSocket, account: MongodbAccount): Promise<MongoSession> {
  const wire = new MongoWire(socket, await import('bson'));
  const hello = await greet(wire, account);
  if (account.replicaSet !== undefined && hello.setName !== account.replicaSet) {
    throw new Failure('RESOURCE_NOT_FOUND', {
      configPath: 'replicaSet',
      hint: 'The server is in another replica set, or in none. Check `replicaSet`, or leave it out.',
    });
  }
  const mechanism = await authenticate(wire, account, hello);
  wire.signedIn();
  const read = (database: string, command: Document) =>
    wire.run(database, { ...command, maxTimeMS: MAX_COMMAND_MS, ...READ_ANYWHERE });
  const open: { cursor?: MongoCursor | undefined } = {};
  return {
    hello,
    mechanism,
    server: await serverOf(wire),
    read,
    openCursor: () => open.cursor,
    killCursor: (cursor) => killCursor(wire, cursor),
    readAll: (database, command, schema) =>
      readAll(wire, database, () => read(database, { ...command, cursor: { batchSize: BATCH } }), schema, open),
    write: (database, command) => wire.run(database, { ...command, maxTimeMS: MAX_COMMAND_MS }),
    close: () => wire.close(),
  };
}

/**
 * Sends the command that every server answers before anything else, under the name by which the oldest ones know it.
 */
async function greet(wire: MongoWire, account: MongodbAccount): Promise<MongoHello> {
  const asked = account.username !== undefined && account.authMechanism !== 'X509';
  const reply = await wire.run('admin', {
    isMaster: 1,
    helloOk: true,
    client: { driver: { name: 'datastore-gateway', version: '1' }, os: { type: 'unknown' } },
    ...(asked ? { saslSupportedMechs: `${sourceOf(account)}.${account.username}` } : {}),
  });
  const hello = answer(HELLO, reply);
  if (hello.maxWireVersion < OLDEST_WIRE_VERSION) {
    throw new Failure('PROTOCOL_MISMATCH', {
      hint: 'The server is older than MongoDB 3.6, or of another make: upgrade it, or check `host` and `port`.',
    });
  }
  return hello;
}

/** Signs the user in, and returns by which mechanism. */
async function authenticate(wire: MongoWire, account: MongodbAccount, hello: MongoHello): Promise<string | undefined> {
  const { username, password } = account;
  if (account.authMechanism === 'X509') {
    await wire.run(EXTERNAL, { authenticate: 1, mechanism: 'MONGODB-X509', user: username });
    return 'MONGODB-X509';
  }
  if (username === undefined) {
    // a server that asks for a sign-in refuses this command
    await wire.run('admin', { listDatabases: 1, nameOnly: true, filter: { name: 'admin' } });
    return undefined;
  }
  if (password === undefined) throw new Error('a user without a password passed the config');
  const mechanism = mechanismFor(account, hello);
  await converse(wire, sourceOf(account), new ScramClient(mechanism, username, password));
  return mechanism;
}

function mechanismFor({ authMechanism }: MongodbAccount, { saslSupportedMechs }: MongoHello): ScramMechanism {
  if (authMechanism === undefined)
    return saslSupportedMechs?.includes('SCRAM-SHA-256') ? 'SCRAM-SHA-256' : 'SCRAM-SHA-1';
  const mechanism = authMechanism === 'SCRAM_SHA_256' ? 'SCRAM-SHA-256' : 'SCRAM-SHA-1';
  // a server lists no mechanism for a user that it does not know
  if (saslSupportedMechs && saslSupportedMechs.length > 0 && !saslSupportedMechs.includes(mechanism)) {
    throw new Failure('SIGN_IN_METHOD_REFUSED', { configPath: 'authMechanism' });
  }
  return mechanism;
}

async function converse(wire: MongoWire, source: string, scram: ScramClient): Promise<void> {
  const start = answer(
    SASL,
    await wire.run(source, {
      saslStart: 1,
      mechanism: scram.mechanism,
      payload: scram.first(),
      autoAuthorize: 1,
      options: { skipEmptyExchange: true },
    }),
  );
  const { conversationId } = start;
  const go = async (payload: Buffer) =>
    answer(SASL, await wire.run(source, { saslContinue: 1, conversationId, payload }));
  const final = await go(await scram.proof(start.payload));
  scram.verify(final.payload);
  // a server older than 4.4 wants its last message acknowledged
  if (!final.done && !(await go(Buffer.alloc(0))).done) throw new Failure('PROTOCOL_MISMATCH');
}

function sourceOf({ authSource = 'admin' }: MongodbAccount): string {
  return authSource;
}

async function serverOf(wire: MongoWire): Promise<string> {
  try {
    const { version, ferretdbVersion } = answer(BUILD, await wire.run('admin', { buildInfo: 1 }));
    const make = ferretdbVersion === undefined ? 'MongoDB' : 'FerretDB';
    const number = /^v?(\d{1,3}(?:\.\d{1,4}){1,3})/.exec(ferretdbVersion ?? version)?.[1];
    return number === undefined ? make : `${make} ${number}`;
  } catch (error) {
    // a server may keep its version from this user
    if (error instanceof MongoError && [UNAUTHORIZED, COMMAND_NOT_FOUND].includes(error.code)) return 'MongoDB';
    throw error;
  }
}

/** What `open` tells holds for one cursor at a time: no other is opened before whoever reads it has come to its end. */
async function* readAll<Schema extends z.ZodType>(
  wire: MongoWire,
  database: string,
  first: () => Promise<Document>,
  schema: Schema,
  open: { cursor?: MongoCursor | undefined },
): AsyncGenerator<z.output<Schema>[]> {
  const batch = listOf(schema);
  const take = (reply: Document) => {
    const { cursor } = answer(CURSOR, reply);
    const { id, ns } = cursor;
    open.cursor = id === 0n ? undefined : { id, database, collection: ns.slice(database.length + 1) };
    return cursor;
  };
  let hasFailed = false;
  try {
    yield answer(batch, take(await first()).firstBatch ?? []);
    while (open.cursor) {
      const { id, collection } = open.cursor;
      const { nextBatch = [] } = take(await wire.run(database, { getMore: id, collection, batchSize: BATCH }));
      const documents = answer(batch, nextBatch);
      // a server that does not go forward would be asked for ever
      if (documents.length === 0) return;
      yield documents;
    }
  } catch (error) {
    hasFailed = true;
    throw error;
  } finally {
    const { cursor } = open;
    // whoever reads has had enough
    if (cursor && !hasFailed && wire.isFree) {
      open.cursor = undefined;
      await killCursor(wire, cursor);
    }
  }
}

/** A server that has lost the cursor, or that is another router of the cluster, says so in its answer. */
async function killCursor(wire: MongoWire, { id, database, collection }: MongoCursor): Promise<void> {
  await wire.run(database, { killCursors: collection, cursors: [id] });
}

/** The parts of a reply that a check asks for. Fails with PROTOCOL_MISMATCH when it has another shape. */
export function answer<Schema extends z.ZodType>(schema: Schema, reply: unknown): z.output<Schema> {
  const parsed = schema.safeParse(reply);
  if (!parsed.success) throw new Failure('PROTOCOL_MISMATCH');
  return parsed.data;
}
