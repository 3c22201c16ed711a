import { tlsOf } from '../../kit/checks/endpoint.ts';
import { hostTarget } from '../../kit/config/target.ts';
import type { Ending } from '../../kit/contract/connector.ts';
import type { MysqlFamilyConfig } from './config.ts';
import { isMysqlError } from './failures.ts';
import { type MysqlAccount, type MysqlRow, type MysqlSession, requestMysqlTls, signInToMysql } from './wire.ts';

/**
 * Selects which connection of which server this is. MariaDB has no `server_uuid`, and passes over the comment as every
 * server before MySQL 5.7 does.
 */
export const PLACE = 'connection_id(), @@hostname, @@server_id, @@port /*!50700 , @@server_uuid */';
/** How many values PLACE gives at least. */
const LEAST_VALUES = 4;
const UNKNOWN_CONNECTION = 1094;

/** A connection, and the server that it leads to. */
export interface MysqlPlace {
  readonly connection: number;
  readonly server: string;
}

/**
 * The place that a row of PLACE tells. Undefined when the greeting came from somebody else: of a proxy's connections
 * none knows what number they have at the server.
 */
export function placeOf(row: MysqlRow, { connection }: Pick<MysqlSession, 'connection'>): MysqlPlace | undefined {
  const [id, ...server] = row;
  if (id !== String(connection) || row.length < LEAST_VALUES || server.includes(null)) return undefined;
  return { connection, server: server.join('\n') };
}

/** What a test has left at the server. */
export interface MysqlLeavings {
  /** Where a statement may still run. */
  readonly running: MysqlPlace | undefined;
  /** The quoted name of a schema that may have been made. */
  readonly schema: string | undefined;
}

/**
 * Ends what a test has left, over a new connection: a server goes on with a statement whose connection has closed.
 * Rejects when the statement may be running still, or the schema may be there.
 */
export async function endLeavings(
  config: MysqlFamilyConfig,
  account: MysqlAccount,
  leavings: MysqlLeavings,
  ending: Ending,
): Promise<void> {
  const session = await signInAnew(config, account, ending);
  try {
    // the statement goes first: it may be the one that makes the schema
    const mistake = leavings.running && (await kill(session, leavings.running));
    if (leavings.schema !== undefined) await session.query(`drop schema if exists ${leavings.schema}`);
    if (mistake) throw mistake;
  } finally {
    session.close();
  }
}

async function signInAnew(config: MysqlFamilyConfig, account: MysqlAccount, { dialer }: Ending): Promise<MysqlSession> {
  const target = hostTarget(config);
  const socket = await dialer.dial(target.host, target.port);
  const tls = tlsOf(target);
  if (!tls) return signInToMysql(socket, account);
  const waiting = await requestMysqlTls(socket, account);
  return waiting.signIn((await dialer.secure(socket, target.host, tls)).socket);
}

/**
 * Kills the statement, as the `mysql` program does at Ctrl-C. Behind a balancer this connection may lead to another
 * server, where the number is that of somebody else's: then nothing is killed, and the error says so.
 */
async function kill(session: MysqlSession, { connection, server }: MysqlPlace): Promise<Error | undefined> {
  const processes = 'from information_schema.processlist where id =';
  const [[own, ...place] = []] = await session.query(
    `select (select count(*) ${processes} ${connection} and user = (select user ${processes} connection_id())), ${PLACE}`,
  );
  if (placeOf(place, session)?.server !== server)
    return new Error('Another server answers than the one where the statement runs: nothing was killed.');
  if (own !== '1') return undefined;
  try {
    await session.query(`kill query ${connection}`);
  } catch (error) {
    if (!isMysqlError(error) || error.errno !== UNKNOWN_CONNECTION) throw error;
  }
  return undefined;
}
