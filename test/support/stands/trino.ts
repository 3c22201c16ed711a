import { trino } from '../../../src/connectors/trino/index.ts';
import { type FakeTrinoOptions, startFakeTrino } from '../peers/fake-trino.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const TRINO_PASSWORD = 'pä55:"word"';
const CATALOGS = {
  'my"hive': {
    sales: {
      clients: { columns: { id: 'bigint!', name: 'varchar(20)', 'a b': 'array(row("x" integer))' } },
      recent: { type: 'VIEW' as const, columns: { id: 'bigint' } },
      bare: { columns: {} },
    },
    "o'hara": { t: { columns: { d: 'date' } } },
  },
};

export const trinoStand: Stand<FakeTrinoOptions, StatefulPeer> = {
  connector: trino,
  config: { host: 'trino.example', username: 'reader', password: TRINO_PASSWORD, catalog: 'my"hive' },
  clearText: { tls: { mode: 'DISABLE' }, password: undefined },
  // over clear text nobody signs in
  start: (certificate, options) =>
    startFakeTrino({
      certificate,
      users: certificate && { reader: TRINO_PASSWORD, stranger: TRINO_PASSWORD },
      strangers: ['stranger'],
      catalogs: CATALOGS,
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
  limited: {
    options: { failing: { errorName: 'QUERY_QUEUE_FULL', errorType: 'INSUFFICIENT_RESOURCES' } },
    code: 'TOO_MANY_REQUESTS',
    configPath: null,
  },
  trials: {
    'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'missing name': { change: { catalog: 'nope' }, code: 'CATALOG_NOT_FOUND', configPath: 'catalog' },
    'no right': { change: { username: 'stranger' }, code: 'PERMISSION_DENIED', configPath: 'username' },
  },
};
