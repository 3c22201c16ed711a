import { CLICKHOUSE, type ClickHouseServer, type ClickHouseUser, startClickHouse } from '../peers/clickhouse.ts';
import { CLICKHOUSE_PASSWORD, clickhouseStand } from '../stands/clickhouse.ts';
import type { StandPeer, Trial } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

export const ADMIN = { name: 'admin', password: 'admin-pass-Wq7' };
export const READER = { name: 'reader', password: CLICKHOUSE_PASSWORD, databases: ['sales'], readonly: true };
const OPEN = { name: 'open', password: '' };
/** Who has a list of databases is not told which others there are. */
const CURIOUS = { name: 'curious', password: CLICKHOUSE_PASSWORD, readonly: true };
const STRANGER = { ...READER, name: 'stranger', databases: ['secret'] };
const CROWDED = { ...READER, name: 'crowded', queriesAnHour: 1 };
const USERS: readonly [ClickHouseUser, ...ClickHouseUser[]] = [ADMIN, READER, CURIOUS, STRANGER, CROWDED, OPEN];
const SETUP = [
  'create database sales',
  'create database secret',
  'create table sales.clients (id UInt64, name Nullable(String), since Date) engine = MergeTree order by id',
  "create table sales.`we'ird\\\\name` (`a b` Int8) engine = Memory",
  'create view sales.recent as select id from sales.clients',
  'create materialized view sales.stored engine = MergeTree order by id as select id from sales.clients',
  'create table secret.hidden (id Int8) engine = Memory',
];

export interface ClickHousePeer extends StandPeer {
  readonly server: ClickHouseServer;
}

export const clickhousePeer: RealPeer<object, ClickHousePeer> = {
  name: 'ClickHouse 18.16',
  programs: CLICKHOUSE,
  stand: {
    ...clickhouseStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('It is not started without TLS.');
      const server = await startClickHouse(USERS, certificate);
      for (const statement of SETUP) await server.run(statement);
      // the one that it gives, and the one that it finds to be too many
      for (const _query of ['first', 'second']) await server.run('select 1', CROWDED).catch(() => undefined);
      return { port: server.httpsPort, server, close: server.stop };
    },
    trials: {
      ...clickhouseStand.trials,
      'missing name': {
        ...clickhouseStand.trials['missing name'],
        change: { username: 'curious', database: 'nope' },
      } as Trial,
    },
  },
  otherwise: {
    'wrong password or key': {
      hint: /^Check `password`\.$/,
      why: 'It tells a wrong password from an unknown user, which newer ones do not.',
    },
    'unknown user': {
      configPath: 'username',
      hint: /^Check `username`: the server does not know this user\.$/,
      why: 'It tells a wrong password from an unknown user, which newer ones do not.',
    },
    'no right': {
      at: 'query/execute',
      why: 'It refuses every query that names a database which it hides; newer ones hide its tables alone.',
    },
  },
  says: /^ClickHouse 18\.16\./,
};
