import { mssql } from '../../../src/connectors/mssql/index.ts';
import { type FakeMssql, type FakeMssqlOptions, type FakeMssqlTable, startFakeMssql } from '../peers/fake-mssql.ts';
import type { Stand } from './stand.ts';

const PASSWORD = 'correct horse $ä✓ battery';
const ORDERS: FakeMssqlTable = {
  schema: 'sales',
  name: 'orders',
  columns: [
    { name: 'id', type: 'int', nullable: false },
    { name: 'client', type: 'nvarchar', bytes: 100, nullable: false },
    { name: 'note', type: 'nvarchar', bytes: -1 },
    { name: 'code', type: 'varchar', bytes: 12 },
    { name: 'file', type: 'varbinary', bytes: -1 },
    { name: 'total', type: 'decimal', bytes: 9, precision: 10, scale: 2 },
    { name: 'at', type: 'datetime2', bytes: 8, scale: 7 },
    { name: 'row', type: 'uniqueidentifier', bytes: 16 },
    { name: 'tenant', type: 'bigint', alias: 'TenantId', bytes: 8 },
  ],
};
const SHOP: FakeMssqlOptions = {
  users: {
    app: { password: PASSWORD },
    builder: { password: PASSWORD, mayCreate: true },
    blind: { password: PASSWORD, mayRead: false },
    viewer: { password: PASSWORD, mayRead: 'views' },
    guest: { password: PASSWORD, databases: [] },
    contained: { password: PASSWORD, databases: [], contained: true },
    retired: { password: PASSWORD, error: 18_470 },
    locked: { password: PASSWORD, error: 18_486 },
    expired: { password: PASSWORD, error: 18_487 },
    crowded: { password: PASSWORD, error: 10_928 },
    walled: { password: PASSWORD, error: 40_615 },
    moving: { password: PASSWORD, error: 40_613 },
    strange: { password: PASSWORD, error: 99_999 },
  },
  accounts: [{ username: 'Jo', domain: 'CORP', password: PASSWORD }],
  databases: {
    shop: [
      ORDERS,
      { schema: 'sales', name: 'Orders2', columns: [{ name: 'id', type: 'int' }] },
      { schema: 'sales', name: 'recent', kind: 'V', columns: [{ name: 'id', type: 'int' }] },
      { schema: 'dbo', name: 'nothing' },
    ],
  },
};

export const mssqlStand: Stand<FakeMssqlOptions, FakeMssql> = {
  connector: mssql,
  config: { host: 'db.example', username: 'app', password: PASSWORD, database: 'shop', schema: 'sales' },
  clearText: { tls: { mode: 'DISABLE' } },
  start: (tls, options) => startFakeMssql({ tls, ...SHOP, ...options }),
  clearStart: 'client',
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'sales',
    tableName: 'orders',
    tableClientNameColumn: 'client',
    tablePrimaryKeyColumn: 'id',
  },
  proxied: { change: { username: 'moving' }, code: 'SERVER_UNAVAILABLE', configPath: null },
  limited: { change: { username: 'crowded' }, code: 'TOO_MANY_REQUESTS', configPath: null },
  trials: {
    'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
    'no right': { change: { username: 'guest' }, code: 'PERMISSION_DENIED', configPath: 'database' },
  },
};
