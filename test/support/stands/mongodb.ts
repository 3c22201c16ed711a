import { ObjectId } from 'bson';
import { mongodb } from '../../../src/connectors/mongodb/index.ts';
import type { FailureCode } from '../../../src/errors/check-failures.ts';
import { type FakeMongodb, type FakeMongodbOptions, startFakeMongodb } from '../peers/fake-mongodb.ts';
import type { Stand, Trial } from './stand.ts';

export const MONGODB_PASSWORD = 'correct, horse=$ä✓ battery';
const ORDERS = [
  { _id: new ObjectId(), total: 12.5, paid: true, lines: [], at: new Date(), buyer: 'x' },
  { _id: new ObjectId(), total: 3, paid: null, at: new Date(), buyer: 7 },
];
const SHOP: FakeMongodbOptions = {
  users: {
    app: { password: MONGODB_PASSWORD },
    'a=b,c': { password: MONGODB_PASSWORD },
    modern: { password: MONGODB_PASSWORD, mechanisms: ['SCRAM-SHA-256'] },
    old: { password: MONGODB_PASSWORD, mechanisms: ['SCRAM-SHA-1'] },
    local: { password: MONGODB_PASSWORD, source: 'shop' },
    reader: { password: MONGODB_PASSWORD, may: { shop: ['read'] } },
    stranger: { password: MONGODB_PASSWORD, may: {} },
    prepared: { password: 'IX a' },
  },
  databases: { shop: { orders: ORDERS, customers: [], 'system.views': [] }, stock: { items: [{ id: 1, sku: 'a' }] } },
  views: { recent: 'orders' },
};

export const mongodbStand: Stand<FakeMongodbOptions, FakeMongodb> = {
  connector: mongodb,
  config: { host: 'mongo.example', username: 'app', password: MONGODB_PASSWORD, database: 'shop' },
  clearText: { tls: { mode: 'DISABLE' } },
  start: (tls, options) => startFakeMongodb({ tls, ...SHOP, ...options }),
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'stock',
    tableName: 'items',
    tableClientNameColumn: 'sku',
    tablePrimaryKeyColumn: 'id',
  },
  proxied: refused(133, 'Could not find host matching read preference { mode: "primary" }', 'SERVER_UNAVAILABLE'),
  limited: refused(16_500, 'Request rate is large', 'TOO_MANY_REQUESTS'),
  trials: {
    'wrong password or key': { change: { password: 'wrong' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'unknown user': { change: { username: 'nobody' }, code: 'PASSWORD_REFUSED', configPath: 'password' },
    'missing name': {
      change: { database: 'nope' },
      code: 'DATABASE_NOT_FOUND',
      configPath: 'database',
      seenInAnswer: true,
    },
    'no right': { change: { username: 'stranger' }, code: 'PERMISSION_DENIED', configPath: 'username' },
  },
};

/** What a router or a hosted service says instead of signing anybody in. */
function refused(code: number, errmsg: string, failure: FailureCode): Trial<FakeMongodbOptions> {
  const misbehave = (command: string) => (command === 'saslStart' ? { ok: 0, code, errmsg } : undefined);
  return { options: { misbehave }, code: failure, configPath: null };
}
