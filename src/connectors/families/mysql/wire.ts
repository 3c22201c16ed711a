import type { Duplex } from 'node:stream';
import type { Connection, ConnectionOptions } from 'mysql2';
import { Failure } from '../../kit/contract/failure.ts';
import type { PeerSocket } from '../../kit/contract/peer-socket.ts';
import { MysqlStream } from './stream.ts';

/** What a signed-in server may send in answer to one statement, in bytes. */
const ANSWER_LIMIT = 1024 * 1024;
/** The same for a part of a catalog. */
export const CATALOG_LIMIT = 16 * 1024 * 1024;

export interface MysqlAccount {
  readonly username: string;
  readonly password?: string | undefined;
}

/** A row as text, column by column. */
export type MysqlRow = readonly (string | null)[];

/** A connection that a MySQL server has let in. */
export interface MysqlSession {
  /** Runs one statement. No rows where it gives none; fails with TOO_MUCH_DATA over `limit` bytes, which is 1 MiB when left out. */
  query(sql: string, limit?: number): Promise<readonly MysqlRow[]>;
  /** Says goodbye and closes. */
  close(): void;
}

/** The driver on its way to be let in; it has a server's greeting, and waits for TLS to be put on the connection. */
export interface WaitingMysql {
  /** Goes on over TLS and signs in. */
  signIn(socket: PeerSocket): Promise<MysqlSession>;
  close(): void;
}

/**
 * Reads the server's greeting from a fresh connection and asks for TLS. Fails with an error of the driver's where the server does not
 * offer it, or has another reason to refuse.
 */
export async function requestMysqlTls(socket: PeerSocket, account: MysqlAccount): Promise<WaitingMysql> {
  const driver = await openDriver(socket, account, true);
  await Promise.race([driver.askedForTls, driver.signedIn]);
  return {
    signIn(secured) {
      driver.goOnOver(secured);
      return sessionOf(driver, secured);
    },
    close: driver.close,
  };
}

/** Signs in over a connection in clear text: the password goes over it as a hash, or encrypted with the server's public key. */
export async function signInToMysql(socket: PeerSocket, account: MysqlAccount): Promise<MysqlSession> {
  return sessionOf(await openDriver(socket, account, false), socket);
}

async function sessionOf({ connection, signedIn, broken, close }: Driver, socket: PeerSocket): Promise<MysqlSession> {
  await signedIn;
  return {
    query(sql, limit = ANSWER_LIMIT) {
      socket.raiseCap(limit);
      return new Promise((resolve, reject) => {
        connection.query(sql, (error: Error | null, rows: unknown) => {
          // the driver says of a connection that broke between two queries only that it is of no use
          if (error) reject(broken() ?? error);
          else resolve(Array.isArray(rows) ? rows : []);
        });
      });
    },
    close,
  };
}

interface Driver {
  readonly connection: Connection;
  /** Settles when TLS is to be put on the connection. */
  readonly askedForTls: Promise<void>;
  readonly signedIn: Promise<void>;
  /** What ended the connection. */
  broken(): Error | undefined;
  /** Ends the pause that the request for TLS has begun. */
  goOnOver(socket: Duplex): void;
  close(): void;
}

/** The part of the driver that its types leave out. Its version is pinned, and tests cover what stands on it. */
interface DriverInternals {
  startTLS(onSecure: () => void): void;
}

async function openDriver(socket: PeerSocket, account: MysqlAccount, secure: boolean): Promise<Driver> {
  const { createConnection } = await import('mysql2');
  socket.assertOpen();
  const stream = new MysqlStream(socket);
  const connection = createConnection(optionsFor(stream, account, secure));
  let proceed: (() => void) | undefined;
  let broken: Error | undefined;
  connection.on('error', (error: Error) => {
    broken ??= error;
  });
  const askedForTls = new Promise<void>((resolve, reject) => {
    // TLS is the dialer's, which judges the certificate
    (connection as unknown as DriverInternals).startTLS = (onSecure) => {
      proceed = onSecure;
      stream.release().then(resolve, reject);
    };
  });
  const signedIn = new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  // whoever waits for one of them gets it; a test can end before
  for (const promise of [askedForTls, signedIn]) promise.catch(ignore);
  return {
    connection,
    askedForTls,
    signedIn,
    broken: () => broken,
    goOnOver(secured) {
      if (!proceed) throw new Failure('PROTOCOL_MISMATCH');
      stream.goOnOver(secured);
      proceed();
    },
    close: () => connection.end(ignore),
  };
}

function optionsFor(stream: Duplex, { username, password }: MysqlAccount, secure: boolean): ConnectionOptions {
  return {
    user: username,
    password,
    stream: () => stream,
    // a fresh object a test: the driver keeps TLS sessions by it
    ssl: secure ? {} : undefined,
    // the deadline is the test's
    connectTimeout: 0,
    // no files of ours, no session state that nobody reads; the database is opened by a check of its own
    flags: ['-LOCAL_FILES', '-SESSION_TRACK', '-CONNECT_WITH_DB'],
    // over TLS the password itself; the driver would not see that its connection is one
    authPlugins: secure ? { sha256_password: () => () => Buffer.from(`${password ?? ''}\0`) } : undefined,
    enableCleartextPlugin: false,
    connectAttributes: { program_name: 'datastore-gateway' },
    // no code is made of what a server says
    disableEval: true,
    rowsAsArray: true,
    typeCast: (field) => field.buffer()?.toString('utf8') ?? null,
  };
}

function ignore(): void {
  // see where it is used
}
