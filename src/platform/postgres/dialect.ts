import {
  type CompiledQuery,
  type Dialect,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely';
import pg from 'pg';
import { leaveToNext, PostgresPoolDriver, PreparedReads } from './driver.ts';
import { statementOf } from './packet.ts';
import { type OnDatabasePeer, tellingSockets } from './peers.ts';

const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** How long a statement waits for one of the connections: others have them, or this process is busy itself. */
const WAIT_TIMEOUT_MS = 20_000;
/**
 * How long a connection may be silent in the middle of a statement: none of the gateway's takes as long but migrations.
 * A server behind a network that drops everything never answers, and the system would wait for a quarter of an hour.
 */
const SILENT_MS = 30_000;
/** After how long without a word the system asks whether the other side is still there. */
export const KEEP_ALIVE_MS = 10_000;
/** After how long Postgres ends a transaction that nobody goes on with. */
const IDLE_IN_TRANSACTION_MS = 60_000;

/**
 * Statements are short: to start processes that help with one, or to compile it, takes longer than the statement. Each
 * has an index: where Postgres expects to meet what is sought soon, it would rather read the table from its beginning,
 * and reads all of it where it is wrong.
 */
export const PLANNER_SETTINGS = ['max_parallel_workers_per_gather = 0', 'jit = off', 'enable_seqscan = off']
  .map((setting) => `set ${setting}`)
  .join('; ');

export interface PostgresDialectOptions {
  /** The operator's own URL, with pg's options for TLS in it. */
  readonly url: string;
  readonly onPeer?: OnDatabasePeer | undefined;
}

/** What the pool tells of itself. */
export type DriverPool = Pick<pg.Pool, 'totalCount' | 'idleCount' | 'waitingCount'>;

/** Connects within 5 s, however long one may wait for a connection of the pool. */
class PooledClient extends pg.Client {
  constructor(options: pg.ClientConfig = {}) {
    super({ ...options, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  }
}

/** A driver of Postgres, which waits for an answer for as long as it takes until it is told otherwise. */
export interface PostgresDriverParts {
  readonly dialect: Dialect;
  readonly pool: DriverPool;
  /** Leaves a statement of a transaction for which nobody waits to its next one. */
  readonly runAtOnce: typeof leaveToNext;
  /** Reads by a short kept statement, which may go to Postgres with others. */
  readonly readShort: <Row>(query: CompiledQuery) => Promise<QueryResult<Row>>;
  /** From now on a connection on which nothing comes or goes for 30 s is broken. */
  readonly boundSilence: () => void;
}

/** Kysely on a pool of at most 10 connections; a wait for one ends after 20 s. */
export function openPostgresDialect(options: PostgresDialectOptions): PostgresDriverParts {
  let isBounded = false;
  const socketOf = tellingSockets(options.onPeer);
  const stream = () => {
    const socket = socketOf();
    return socket.setTimeout(SILENT_MS, () => {
      const words = `The database did not answer within ${SILENT_MS} ms`;
      if (isBounded) socket.destroy(Object.assign(new Error(words), { code: 'ETIMEDOUT' }));
    });
  };
  const pool = new pg.Pool({
    connectionString: options.url,
    stream,
    max: MAX_CONNECTIONS,
    Client: PooledClient,
    connectionTimeoutMillis: WAIT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: 'datastore-gateway',
    types: { getTypeParser },
    onConnect: (client) => client.query(PLANNER_SETTINGS),
  });
  // the pool throws a broken connection away, and the statement on it fails; without a listener the process would end
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const reads = new PreparedReads(pool);
  const dialect: Dialect = {
    createDriver: () => new PostgresPoolDriver(pool, reads),
    createAdapter: () => new PostgresAdapter(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  const boundSilence = () => {
    isBounded = true;
  };
  const readShort: PostgresDriverParts['readShort'] = (query) => reads.ask(statementOf(query));
  return { dialect, pool, boundSilence, readShort, runAtOnce: leaveToNext };
}

/** Parses as pg does, but count() and other 64-bit integers become numbers, as they are on SQLite. */
const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8 && format !== 'binary') return safeInteger;
  return pg.types.getTypeParser(oid, format as 'text');
};

function safeInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError('An integer from the database is beyond 2^53');
  return value;
}
