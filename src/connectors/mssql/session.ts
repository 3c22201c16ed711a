import type { Connection, ConnectionConfiguration, Request } from 'tedious';
import { explainNetworkError } from '../kit/contract/explain.ts';
import { Failure } from '../kit/contract/failure.ts';
import type { PeerSocket } from '../kit/contract/peer-socket.ts';
import type { MssqlConfig } from './config.ts';

/** How much a signed-in server may send in answer to one statement, in bytes, unless more is expected. */
const ANSWER_LIMIT = 256 * 1024;
/** A time that no test lasts, in milliseconds: the driver wants one, but the dialer ends the connection. */
const LONGER_THAN_ANY_TEST = 600_000;
const CLIENT = 'datastore-gateway';

export type MssqlAccount = Pick<MssqlConfig, 'host' | 'port' | 'username' | 'password' | 'domain'> & {
  /** The database to open. Left out: the login's own. */
  readonly database?: string;
};

export type MssqlValue = string | number | boolean | null;

/** The errors that a server answered with, by their numbers, in the order in which they came. */
export class MssqlError extends Error {
  override readonly name = 'MssqlError';
  readonly numbers: readonly number[];

  constructor(numbers: readonly number[], cause: unknown) {
    super(`SQL Server says ${numbers.join(', ')}`, { cause });
    this.numbers = numbers;
  }
}

/** A connection that a SQL Server has let in. */
export interface MssqlSession {
  /**
   * Runs one statement, in which the values are called @p1, @p2, …, and gives its rows as lists. `limit` is how much
   * the server may answer, in bytes. Rejects with MssqlError.
   */
  query(sql: string, values?: readonly string[], limit?: number): Promise<readonly (readonly MssqlValue[])[]>;
  /** Runs a batch without values and without an answer. Rejects with MssqlError. */
  run(batch: string): Promise<void>;
  close(): void;
}

/**
 * Signs in over a prepared socket: PRELOGIN and TLS are done, so the driver neither negotiates nor encrypts. Rejects
 * with MssqlError when the server refuses.
 */
export async function signInToMssql(socket: PeerSocket, account: MssqlAccount): Promise<MssqlSession> {
  const tedious = await import('tedious');
  socket.assertOpen();
  const connection = new tedious.Connection(configuration(socket, account));
  const guard = guardDriver(connection, socket);
  await guard(
    () =>
      new Promise<void>((resolve, reject) => {
        connection.once('connect', (error?: Error) => (error ? reject(error) : resolve()));
        connection.connect();
      }),
  );
  const ask = (send: (request: Request) => void, sql: string, values: readonly string[], limit: number) =>
    guard(
      () =>
        new Promise<MssqlValue[][]>((resolve, reject) => {
          socket.raiseCap(limit);
          const rows: MssqlValue[][] = [];
          const request = new tedious.Request(sql, (error) => (error ? reject(error) : resolve(rows)));
          values.forEach((value, index) => {
            request.addParameter(`p${index + 1}`, tedious.TYPES.NVarChar, value);
          });
          request.on('row', (columns: readonly { value: MssqlValue }[]) =>
            rows.push(columns.map(({ value }) => value)),
          );
          send(request);
        }),
    );
  return {
    query: (sql, values = [], limit = ANSWER_LIMIT) =>
      ask((request) => connection.execSql(request), sql, values, limit),
    run: async (batch) => void (await ask((request) => connection.execSqlBatch(request), batch, [], ANSWER_LIMIT)),
    close: () => connection.close(),
  };
}

function configuration(socket: PeerSocket, account: MssqlAccount): ConnectionConfiguration {
  const { username: userName, password, domain } = account;
  let taken = false;
  return {
    server: account.host,
    authentication:
      domain === undefined
        ? { type: 'default', options: { userName, password } }
        : // the proof is made with the domain in capitals: a server makes it with the domain that it is told
          { type: 'ntlm', options: { userName, password, domain: domain.toUpperCase() } },
    options: {
      port: account.port,
      ...(account.database === undefined ? {} : { database: account.database }),
      connector: async () => {
        // the driver calls this a second time when the server sends it on to another one
        if (taken) throw rerouted();
        taken = true;
        return socket as never;
      },
      encrypt: false,
      appName: CLIENT,
      workstationId: CLIENT,
      maxRetriesOnTransientErrors: 0,
      connectTimeout: LONGER_THAN_ANY_TEST,
      requestTimeout: 0,
      rowCollectionOnRequestCompletion: false,
      useColumnNames: false,
    },
  };
}

function rerouted(): Failure {
  return new Failure('UNEXPECTED_ANSWER', {
    configPath: 'host',
    hint: 'The server sends on to another one, which the gateway does not follow: give that one, or set the connection policy to Proxy.',
  });
}

type Guard = <T>(work: () => Promise<T>) => Promise<T>;

/** Answers the driver's PRELOGIN, and sees to it that whoever waits for the driver learns how it ended. */
function guardDriver(connection: Connection, socket: PeerSocket): Guard {
  let numbers: number[] = [];
  const broken = Promise.withResolvers<never>();
  // nobody may be waiting when it rejects
  broken.promise.catch(ignore);
  connection.once('rerouting', () => broken.reject(rerouted()));
  socket.once('close', () =>
    // it waits a turn, so that a driver that has closed the connection says first why
    setImmediate(() => {
      const error = socket.errored ?? new Failure('CONNECTION_LOST');
      broken.reject(error);
      // the driver listens for errors alone, and would wait out its timer
      if (!socket.errored) socket.emit('error', error);
    }),
  );
  connection.on('error', ignore);
  connection.on('errorMessage', ({ number }: { number: number }) => numbers.push(number));
  connection.sendPreLogin = ignore;
  connection.readPreloginResponse = async () => ({ encryptionString: 'NOT_SUP' }) as never;
  return async (work) => {
    numbers = [];
    try {
      return await Promise.race([work(), broken.promise]);
    } catch (error) {
      if (numbers.length > 0) throw new MssqlError(numbers, error);
      // what is no error of the network is something in an answer that the driver does not understand
      throw explainNetworkError(error) ?? new Failure('PROTOCOL_MISMATCH', { error });
    }
  };
}

function ignore(): void {
  // whoever waits gets the error from the guard
}
