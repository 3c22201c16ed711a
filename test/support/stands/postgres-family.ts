import { type AddressInfo, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import pg from 'pg';
import type { Connector } from '../../../src/connectors/kit/contract/connector.ts';
import type { IssuedCertificate } from '../certificates.ts';
import { startPostgres } from '../postgres.ts';
import type { Stand, StandPeer } from './stand.ts';

const account = { username: 'app', password: 'postgres-password-7a4b' };
const SETUP = [
  `create role app login password '${account.password}'`,
  'create database shop',
  'create database closed',
  'revoke connect on database closed from public',
];

/** PostgreSQL and what speaks its protocol, against a real PostgreSQL; `views` are those of its catalog that PostgreSQL lacks. */
export function postgresFamilyStand(connector: Connector, views?: string): Stand {
  return {
    connector,
    config: { host: 'db.example', ...account, database: 'shop' },
    start: (certificate) => startServer(certificate, views),
    startHandshake,
    clearStart: 'client',
    trials: {
      'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
      'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
      'no right': { change: { database: 'closed' }, code: 'PERMISSION_DENIED', configPath: 'database' },
    },
  };
}

async function startServer({ certificate, key }: IssuedCertificate, views = 'select 1'): Promise<StandPeer> {
  const server = await startPostgres({ tls: { cert: certificate, key } });
  const { host, port, superuser: user, password } = server;
  const run = async (database: string, statements: readonly string[]) => {
    const client = new pg.Client({ host, port, user, password, database });
    await client.connect();
    for (const sql of statements) await client.query(sql);
    await client.end();
  };
  await run('postgres', SETUP);
  await run('shop', [views]);
  return { port, close: () => server.stop() };
}

/** Says yes to the request for TLS, and nothing once it is agreed on: a server of its own for each certificate would take long. */
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
