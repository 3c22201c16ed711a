import { databricks } from '../../../src/connectors/databricks/index.ts';
import { type FakeDatabricksOptions, startFakeDatabricks } from '../peers/fake-databricks.ts';
import type { FakeTable } from '../peers/fake-information-schema.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

const TOKEN = 'dapi-0123456789abcdef';
export const CLIENT = { id: 'f00d-client', secret: 'dose-of-secret' };
/** Each way to sign in. */
export const WAYS = {
  accessToken: { accessToken: { token: TOKEN } },
  oauth: { oauth: { clientId: CLIENT.id, clientSecret: CLIENT.secret } },
};
const TABLES: readonly FakeTable[] = [
  {
    schema: 'sales',
    name: 'clients',
    kind: 'MANAGED',
    columns: [
      { name: 'id', type: 'bigint', nullable: 'NO' },
      { name: 'name', type: 'string' },
    ],
  },
  { schema: 'sales', name: "o'brien\\", kind: 'VIEW', columns: [{ name: 'a', type: 'struct<b:int>' }] },
  { schema: 'web', name: 'hits', kind: 'EXTERNAL', columns: [] },
];

export const databricksStand: Stand<FakeDatabricksOptions, StatefulPeer> = {
  connector: databricks,
  config: {
    host: 'dbc-a1b2345c-d6e7.cloud.databricks.com',
    httpPath: '/sql/1.0/warehouses/a1b234c567d8e9fa',
    authentication: WAYS.accessToken,
    catalog: 'main',
  },
  start: (certificate, options) =>
    startFakeDatabricks({ certificate, token: TOKEN, client: CLIENT, tables: TABLES, ...options }),
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'sales',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  },
  trials: {
    'wrong password or key': {
      change: { 'authentication.accessToken.token': 'dapi-wrong' },
      code: 'KEY_REFUSED',
      configPath: 'authentication.accessToken.token',
    },
    'unknown user': {
      change: { authentication: { oauth: { clientId: 'nobody', clientSecret: CLIENT.secret } } },
      code: 'KEY_REFUSED',
      configPath: 'authentication.oauth.clientSecret',
    },
    'missing name': { change: { schema: 'nope' }, code: 'SCHEMA_NOT_FOUND', configPath: 'schema' },
    'no right': { options: { denied: ['query'] }, code: 'PERMISSION_DENIED', configPath: 'httpPath' },
  },
};
