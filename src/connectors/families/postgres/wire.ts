import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Client, QueryResultRow } from 'pg';
import type { TlsMode } from '../../kit/config/tls.ts';
import { Failure } from '../../kit/contract/failure.ts';
import { firstMessage } from '../../kit/contract/first-message.ts';
import type { PeerSocket } from '../../kit/contract/peer-socket.ts';
import { canBindTo } from './channel-binding.ts';
import { PostgresMessages } from './messages.ts';

/** The request for TLS: its length, 8, and the code 1234.5679. */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
/** The two answers to the request: `S` is yes, `N` is no. */
const YES = 0x53;
const NO = 0x4e;
/** How much a signed-in server may send, in bytes: the answers to the checks are short. */
const SESSION_LIMIT = 8 * 1024 * 1024;

/** Asks a PostgreSQL server for TLS over a fresh connection. Fails with TLS_NOT_OFFERED or PROTOCOL_MISMATCH. */
export async function requestPostgresTls(socket: Duplex): Promise<void> {
  const answer = firstMessage(socket, (received) => received);
  socket.write(TLS_REQUEST);
  const bytes = await answer;
  // any byte after the first would pass for a part of what comes over TLS
  if (bytes.length !== 1) throw new Failure('PROTOCOL_MISMATCH');
  if (bytes[0] === NO) throw new Failure('TLS_NOT_OFFERED', { configPath: 'tls.mode' });
  if (bytes[0] !== YES) throw new Failure('PROTOCOL_MISMATCH');
}

export interface PostgresAccount {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password?: string;
  readonly database: string;
  /**
   * The cluster that the startup option `--cluster=` names: letters, digits and hyphens. Left out: no option is sent.
   */
  readonly cluster?: string | undefined;
  /** True when a server may have the password in clear text, be the connection in clear text itself. */
  readonly allowCleartextPassword?: boolean | undefined;
}

/** What a server gave at the sign-in, so that a connection's statement can be cancelled over another one. */
export interface CancelKey {
  readonly processId: number;
  readonly secretKey: number;
}

/** The parameters that are kept of those that a server tells when it lets a user in. */
const PARAMETERS = ['server_version', 'crdb_version', 'server_encoding'] as const;

/** A connection that a PostgreSQL server has let in. */
export interface PostgresSession {
  /** Runs one statement; the values stand for $1, $2, … */
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** A parameter as the server tells it: `18.4`, `16.9 (Debian 16.9-1)`. */
  parameter(name: (typeof PARAMETERS)[number]): string | undefined;
  /** Lets the server send this many bytes more from now on, for a longer answer than most. */
  allow(bytes: number): void;
  /**
   * The error with which the server refused the session after it had taken the password: no such database, or no right
   * to it.
   */
  readonly refusal: Error | undefined;
  /** What cancels the statement that the server has not answered; undefined when there is none, or no key for it. */
  cancelKey(): CancelKey | undefined;
  /** Sends no statement from now on: what is sent after the end of a test is cancelled by nobody. */
  refuseStatements(): void;
  /** Says goodbye and closes. */
  close(): void;
}

/**
 * Signs in over a prepared socket, whose TLS (unless the mode is DISABLE) is done already. Resolves as soon as the
 * server has taken the credentials, also when it then refuses the database. Nothing is taken from the environment.
 */
export async function signInToPostgres(
  socket: PeerSocket,
  account: PostgresAccount,
  mode: TlsMode,
): Promise<PostgresSession> {
  const binding = bindingFor(socket, mode);
  const client = await createClient(socket, account, { secure: mode !== 'DISABLE', binds: binding !== 'none' });
  const wire = client.connection;
  let signedIn = false;
  const parameters = new Map<string, string>();
  let refusal: Error | undefined;
  let isAnswered = true;
  let isRefusing = false;
  wire.once('authenticationOk', () => {
    signedIn = true;
    socket.raiseCap(SESSION_LIMIT);
  });
  wire.on('parameterStatus', ({ parameterName, parameterValue }: { parameterName: string; parameterValue: string }) => {
    // other parameters are not kept, since a server can tell more and more of them
    if (PARAMETERS.some((known) => known === parameterName)) parameters.set(parameterName, parameterValue);
  });
  let broken: Error | undefined;
  client.on('error', (error) => {
    broken ??= error;
  });
  try {
    await client.connect();
  } catch (error) {
    if (!signedIn && binding === 'impossible' && isAboutBinding(error))
      throw new Failure('SIGN_IN_METHOD_REFUSED', { error, configPath: 'tls.mode', hint: BINDING_HINT });
    if (!signedIn || !isAboutDatabase(error)) throw error;
    refusal = error;
  }
  return {
    async query(text, values = []) {
      if (isRefusing) throw new Failure('CANCELLED');
      isAnswered = false;
      try {
        const { rows } = await client.query(text, [...values]);
        isAnswered = true;
        return rows;
      } catch (error) {
        isAnswered = isPostgresError(error);
        // of a connection that broke between two queries the driver says no more than that it cannot be used
        throw broken ?? error;
      }
    },
    parameter: (name) => parameters.get(name),
    allow: (bytes) => socket.raiseCap(bytes),
    refusal,
    cancelKey: () => (isAnswered ? undefined : keyOf(client)),
    refuseStatements() {
      isRefusing = true;
    },
    close: () => client.end(() => undefined),
  };
}

const BINDING_HINT =
  'The sign-in cannot be bound to the server’s certificate, whose signature has no hash (Ed25519, say). Set tls.mode to ' +
  'VERIFY_CA or VERIFY_FULL, with the CA in tls.caCertificate: then it need not be.';

/**
 * Whether the sign-in is bound to the server's certificate, so that nobody in the middle can pass it on. A certificate
 * that cannot be bound to needs no binding where it was verified; where it was not, anybody could show such a one.
 */
function bindingFor(socket: PeerSocket, mode: TlsMode): 'none' | 'bound' | 'impossible' {
  const certificate = socket.getPeerCertificate?.().raw;
  if (mode === 'DISABLE' || certificate === undefined) return 'none';
  if (canBindTo(certificate)) return 'bound';
  return mode === 'REQUIRE' ? 'impossible' : 'none';
}

/** Tells whether a sign-in failed because the server, or the driver, found no hash for the certificate. */
function isAboutBinding(error: unknown): boolean {
  if (isPostgresError(error)) return error.code === INTERNAL_ERROR;
  return error instanceof Error && error.message.startsWith('SASL channel binding: ');
}

/** What a PostgreSQL server says of faults that it does not expect. */
const INTERNAL_ERROR = 'XX000';

/**
 * The parts of the driver that its types leave out. The driver's version is pinned, and tests cover what stands on
 * these.
 */
interface DriverInternals {
  getStartupConf(): Record<string, string>;
  /** What the server gave to cancel statements by; null when it gave nothing. */
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly connection: EventEmitter & { attachListeners(source: MessageSource): void };
}

interface MessageSource {
  on(event: 'data' | 'end', listener: (chunk: Buffer) => void): unknown;
}

async function createClient(
  socket: PeerSocket,
  account: PostgresAccount,
  { secure, binds }: { readonly secure: boolean; readonly binds: boolean },
): Promise<Client> {
  const { Client: PgClient } = await import('pg');
  socket.assertOpen();
  const client = new PgClient({
    host: account.host,
    port: account.port,
    user: account.username,
    database: account.database,
    // it is a function, because without a password the driver looks for one in the environment and in files
    password: () => {
      if (account.password === undefined)
        throw new Failure('CREDENTIALS_REQUIRED', { configPath: 'password', hint: 'Give the password.' });
      return account.password;
    },
    ssl: false,
    sslnegotiation: 'postgres',
    stream: () => socket,
    enableChannelBinding: binds,
    connectionTimeoutMillis: 0,
  });
  const internals = client as unknown as DriverInternals;
  // this is all that is sent at the start, so that no variable of the environment gets in
  internals.getStartupConf = () => ({
    user: account.username,
    database: account.database,
    application_name: 'datastore-gateway',
    ...clusterOption(account.cluster),
  });
  const attach = internals.connection.attachListeners.bind(internals.connection);
  const takesClearText = secure || socket.isLoopback || account.allowCleartextPassword === true;
  internals.connection.attachListeners = (source) => attach(checked(source, socket, takesClearText));
  return client;
}

function keyOf(client: Client): CancelKey | undefined {
  const { processID: processId, secretKey } = client as unknown as DriverInternals;
  return processId === null || secretKey === null ? undefined : { processId, secretKey };
}

const CLUSTER = /^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/;

/**
 * The startup option that names the cluster. Options can hold any setting of the session, so no other text goes out.
 */
function clusterOption(cluster: string | undefined): Record<string, string> {
  if (cluster === undefined) return {};
  if (!CLUSTER.test(cluster)) throw new Failure('RESOURCE_NOT_FOUND', { configPath: 'cluster' });
  return { options: `--cluster=${cluster}` };
}

/** The source as the driver sees it: it gives whole, well-formed messages. Anything else ends the connection. */
function checked(source: MessageSource, socket: Duplex, takesClearText: boolean): MessageSource {
  const messages = new PostgresMessages({ takesClearText });
  return {
    on(event, listener) {
      if (event !== 'data') return source.on(event, listener);
      return source.on(event, (chunk) => {
        try {
          for (const message of messages.push(chunk)) listener(message);
        } catch (error) {
          socket.destroy(error instanceof Failure ? error : new Failure('PROTOCOL_MISMATCH', { error }));
        }
      });
    },
  };
}

/** An error that a PostgreSQL server sent. */
export interface PostgresError extends Error {
  /** Five characters from the table of the SQL standard and of PostgreSQL. */
  readonly code: string;
  /** The server's function that reports the error. Its name is not translated, as messages are. */
  readonly routine: string | undefined;
}

export function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string';
}

/** Tells whether an error is what a server says about the database after it has taken the password. */
function isAboutDatabase(error: unknown): error is PostgresError {
  return isPostgresError(error) && ['3D000', '42501'].includes(error.code);
}
