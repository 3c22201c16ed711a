import { clickhouse } from '../../../src/connectors/clickhouse/index.ts';
import { type FakeClickHouseOptions, startFakeClickHouse } from '../peers/fake-clickhouse.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const CLICKHOUSE_PASSWORD = 'pä55 "word"';
const TABLES = {
  clients: { columns: { id: 'UInt64', name: 'LowCardinality(Nullable(String))', since: 'Date' } },
  "we'ird\\name": { columns: { 'a b': 'Nullable(Int8)' } },
  recent: { engine: 'MaterializedView', columns: { id: 'UInt64' } },
};

export const clickhouseStand: Stand<FakeClickHouseOptions, StatefulPeer> = {
  connector: clickhouse,
  config: { host: 'clickhouse.example', username: 'reader', password: CLICKHOUSE_PASSWORD, database: 'sales' },
  clearText: { tls: { mode: 'DISABLE' } },
  start: (certificate, options) =>
    startFakeClickHouse({
      certificate,
      users: [
        { name: 'reader', password: CLICKHOUSE_PASSWORD },
        { name: 'stranger', password: CLICKHOUSE_PASSWORD, databases: [] },
        { name: 'crowded', password: CLICKHOUSE_PASSWORD, isCrowded: true },
        { name: 'default', password: '' },
      ],
      databases: { sales: TABLES },
      ...options,
    }),
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'sales',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  },
  limited: { change: { username: 'crowded' }, code: 'TOO_MANY_REQUESTS', configPath: null },
  trials: {
    'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
    'no right': {
      change: { username: 'stranger' },
      code: 'PERMISSION_DENIED',
      configPath: 'database',
      seenInAnswer: true,
    },
  },
};
