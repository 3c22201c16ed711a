import type { Duplex } from 'node:stream';
import type { Connection, ConnectionOptions } from 'mysql2';
import { Failure } from '../../kit/contract/failure.ts';
import type { PeerSocket } from '../../kit/contract/peer-socket.ts';
import { isMysqlError } from './failures.ts';
import { MysqlStream } from './stream.ts';

/** How much a signed-in server may send in answer to one statement, in bytes. */
const ANSWER_LIMIT = 1024 * 1024;
/** How much it may send in answer to a statement that reads a part of a catalog, in bytes. */
export const CATALOG_LIMIT = 16 * 1024 * 1024;

export interface MysqlAccount {
  readonly username: string;
  readonly password?: string | undefined;
  /** True where the server may have the password itself over TLS (mysql_clear_password). */
  readonly allowsClearPassword?: boolean;
}

/** A row, with the value of each column as text. */
export type MysqlRow = readonly (string | null)[];

/** A connection that a MySQL server has let in. */
export interface MysqlSession {
  /** The connection's number, as the greeting tells it. */
  readonly connection: number;
  /** Tells whether the server has left a statement unanswered. */
  isWaiting(): boolean;
  /**
   * Runs one statement, and gives its rows. Fails with TOO_MUCH_DATA when the answer is longer than `limit` bytes,
   * which are 1 MiB when left out.
   */
  query(sql: string, limit?: number): Promise<readonly MysqlRow[]>;
  /** Says goodbye and closes. */
  close(): void;
}

/**
 * The driver on its way to be let in: it has read the server's greeting, and waits for TLS to be put on the connection.
 */
export interface WaitingMysql {
  /** Goes on over TLS and signs in. */
  signIn(socket: PeerSocket): Promise<MysqlSession>;
  close(): void;
}

/**
 * Reads the server's greeting from a fresh connection and asks for TLS. Fails with one of the driver's errors when the
 * server does not offer TLS, or has another reason to refuse.
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

/**
 * Signs in over a connection in clear text. The password goes over it as a hash, or encrypted with the server's public
 * key.
 */
export async function signInToMysql(socket: PeerSocket, account: MysqlAccount): Promise<MysqlSession> {
  return sessionOf(await openDriver(socket, account, false), socket);
}

async function sessionOf({ connection, signedIn, broken, close }: Driver, socket: PeerSocket): Promise<MysqlSession> {
  await signedIn;
  let unanswered = 0;
  return {
    connection: connection.threadId,
    isWaiting: () => unanswered > 0,
    query(sql, limit = ANSWER_LIMIT) {
      socket.raiseCap(limit);
      unanswered += 1;
      return new Promise((resolve, reject) => {
        connection.query(sql, (error: Error | null, rows: unknown) => {
          // one that a closed connection ends was not answered
          if (!error || isMysqlError(error)) unanswered -= 1;
          // of a connection that broke between two queries the driver says no more than that it cannot be used
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
  /** The error that ended the connection; undefined while it lives. */
  broken(): Error | undefined;
  /** Ends the pause that the request for TLS has begun. */
  goOnOver(socket: Duplex): void;
  close(): void;
}

/**
 * The part of the driver that its types leave out. The driver's version is pinned, and tests cover what stands on this.
 */
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
    // the dialer does TLS, because it judges the certificate
    (connection as unknown as DriverInternals).startTLS = (onSecure) => {
      proceed = onSecure;
      stream.release().then(resolve, reject);
    };
  });
  const signedIn = new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
  // a test can end before anyone waits for them; whoever waits gets the rejection all the same
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

function optionsFor(stream: Duplex, account: MysqlAccount, secure: boolean): ConnectionOptions {
  const { username, password, allowsClearPassword = false } = account;
  return {
    user: username,
    password,
    stream: () => stream,
    // the object is a fresh one, because the driver keeps TLS sessions by it
    ssl: secure ? {} : undefined,
    // the test has a deadline of its own
    connectTimeout: 0,
    // the server gets no file of ours, and sends no session state; a check of its own opens the database
    flags: ['-LOCAL_FILES', '-SESSION_TRACK', '-CONNECT_WITH_DB'],
    // over TLS the password itself is sent, which the driver does only when it sees that its connection is TLS
    authPlugins: secure ? { sha256_password: () => () => Buffer.from(`${password ?? ''}\0`) } : undefined,
    enableCleartextPlugin: secure && allowsClearPassword,
    connectAttributes: { program_name: 'datastore-gateway' },
    // the driver must not make code of what a server says
    disableEval: true,
    rowsAsArray: true,
    typeCast: (field) => field.buffer()?.toString('utf8') ?? null,
  };
}

function ignore(): void {
  // whoever waits for the driver gets the error from a promise
}
