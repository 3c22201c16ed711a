import { type AddressInfo, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import pg from 'pg';
import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import type { IssuedCertificate } from '../certificates.ts';
import { startFakePostgres } from '../peers/fake-postgres.ts';
import { type PostgresServer, startPostgres } from '../postgres.ts';
import type { Stand, StandPeer } from './stand.ts';

export const ACCOUNT = { username: 'app', password: 'correct horse $ä✓ battery' };
const DATABASES = [
  `create role app login password '${ACCOUNT.password}'`,
  'create database shop',
  'create database closed',
  'revoke connect on database closed from public',
  `create role crowded login password '${ACCOUNT.password}' connection limit 0`,
];

export interface PostgresStandOptions {
  /** Lines of pg_hba.conf. Left out: the stand's, or SCRAM for everyone. */
  readonly hba?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  /** PEM of the CA that signs clients' certificates. */
  readonly clientCa?: string;
}

/** What a type's server holds besides the databases `shop` and `closed` and the roles `app` and `crowded`. */
export interface PostgresContent extends PostgresStandOptions {
  /** Statements for the database `postgres`, run one by one. */
  readonly cluster?: readonly string[];
  /** SQL for the database `shop`. */
  readonly shop: string;
}

export interface PostgresPeer extends StandPeer {
  readonly server: PostgresServer;
}

/** PostgreSQL and what speaks its protocol, against a real PostgreSQL, whose tenants stand in `sales.orders`. */
export function postgresFamilyStand(
  connector: Connector,
  { cluster = [], shop, ...own }: PostgresContent,
): Stand<PostgresStandOptions, PostgresPeer> {
  return {
    connector,
    config: { host: 'db.example', ...ACCOUNT, database: 'shop' },
    clearText: { tls: { mode: 'DISABLE' } },
    start: async (certificate, options) => {
      const { clientCa: ca, ...rest } = { ...own, ...options };
      const tls = certificate && { cert: certificate.certificate, key: certificate.key, ...(ca && { ca }) };
      const server = await startPostgres({ ...rest, tls });
      const run = (database: string, statements: readonly string[]) => administer(server, database, statements, tls);
      await run('postgres', [...DATABASES, ...cluster]);
      await run('shop', [shop]);
      return { port: server.port, server, close: () => server.stop() };
    },
    startHandshake,
    clearStart: 'client',
    tenancy: {
      level: 'TABLE',
      clientColumnType: 'NUMBER',
      schemaName: 'sales',
      tableName: 'orders',
      tableClientNameColumn: 'label',
      tablePrimaryKeyColumn: 'id',
    },
    proxied: {
      change: { tls: { mode: 'DISABLE' } },
      start: startIdlePooler,
      code: 'SERVER_UNAVAILABLE',
      configPath: null,
    },
    limited: { change: { username: 'crowded' }, code: 'TOO_MANY_REQUESTS', configPath: null },
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      'no right': { change: { database: 'closed' }, code: 'PERMISSION_DENIED', configPath: 'database' },
    },
  };
}

/** What pgbouncer says that reaches no server, in clear text. */
function startIdlePooler(): Promise<StandPeer> {
  const refusesBefore = { code: '08P01', message: 'server login has been failing, try again later' };
  return startFakePostgres({ ...ACCOUNT, refusesBefore, wrongPassword: refusesBefore });
}

/** Runs statements as the superuser, all on one connection. */
export async function administer(
  { host, port, superuser: user, password }: PostgresServer,
  database: string,
  statements: readonly string[],
  tls?: object,
): Promise<void> {
  const client = new pg.Client({ host, port, user, password, database, ssl: tls && { rejectUnauthorized: false } });
  await client.connect();
  for (const sql of statements) await client.query(sql);
  await client.end();
}

/**
 * Says yes to the request for TLS, and nothing once it is agreed on: a server of its own for each certificate would
 * take long.
 */
async function startHandshake({ certificate, key }: IssuedCertificate): Promise<StandPeer> {
  const inner = createTlsServer({ cert: certificate, key });
  // a client that does not like the certificate goes
  inner.on('tlsClientError', () => undefined);
  const outer = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write('S');
      inner.emit('connection', socket);
    });
  });
  await new Promise<void>((resolve) => outer.listen(0, '127.0.0.1', resolve));
  return { port: (outer.address() as AddressInfo).port, close: async () => void outer.close() };
}
