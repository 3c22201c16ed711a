import { PGBOUNCER, startPgbouncer } from '../peers/pgbouncer.ts';
import { closedPort } from '../peers/tarpit.ts';
import { postgresStand } from '../stands/postgres.ts';
import { ACCOUNT } from '../stands/postgres-family.ts';
import type { StandPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const NO_PAIR = /^Check `username` and `password`: the pooler in front of the server knows no such pair\.$/;
const OWN_USERS = 'It has a list of users of its own; the hint says so.';
const { startHandshake: _fake, ...stand } = postgresStand;

export const pgbouncerPeer: RealPeer<object, StandPeer> = {
  name: 'PgBouncer 1.18, before PostgreSQL 18',
  programs: PGBOUNCER,
  version: ['/usr/sbin/pgbouncer', '--version'],
  also: ['nothing behind the proxy'],
  stand: {
    ...stand,
    start: async (tls) => {
      const behind = await postgresStand.start(undefined);
      const place = `host=127.0.0.1 port=${behind.port}`;
      const pooler = await startPgbouncer({
        databases: [
          ...['shop', 'closed'].map((name) => `${name} = ${place} dbname=${name}`),
          `away = host=127.0.0.1 port=${await closedPort()}`,
        ],
        users: { app: ACCOUNT.password, crowded: ACCOUNT.password },
        ...(tls && { tls }),
        settings: ['query_wait_timeout = 2', 'server_login_retry = 1'],
      });
      const close = async () => {
        await pooler.close();
        await behind.close();
      };
      return { port: pooler.port, close };
    },
    proxied: { change: { database: 'away' }, code: 'SERVER_UNAVAILABLE', configPath: null },
  },
  otherwise: {
    'wrong password or key': { hint: NO_PAIR, why: OWN_USERS },
    'unknown user': { hint: NO_PAIR, why: OWN_USERS },
    'missing name': {
      at: 'session/authenticate',
      hint: /^Check `database`: the pooler in front of the server has none of this name\.$/,
      why: 'It has a list of databases of its own, which it looks at before the sign-in is over; the hint says so.',
    },
    'no right': {
      at: 'session/authenticate',
      why: 'It signs in at the server before the sign-in at itself is over, and hands on what that refuses.',
    },
  },
};
