import { generateKeyPairSync } from 'node:crypto';
import { snowflake } from '../../../src/connectors/snowflake/index.ts';
import type { FakeTable } from '../peers/fake-information-schema.ts';
import { type FakeSnowflakeOptions, startFakeSnowflake } from '../peers/fake-snowflake.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const USER = {
  name: 'READER',
  password: 'a "long" password',
  privateKey: rsaKey(2048),
  token: 'ver:1-a-token',
};
/** Each way to sign in. */
export const WAYS = {
  password: { password: { password: USER.password } },
  keyPair: { keyPair: { privateKey: USER.privateKey } },
  accessToken: { accessToken: { token: USER.token } },
};
const TABLES: readonly FakeTable[] = [
  {
    schema: 'PUBLIC',
    name: 'CLIENTS',
    columns: [
      { name: 'ID', type: 'NUMBER', nullable: 'NO' },
      { name: 'NAME', type: 'TEXT' },
    ],
  },
  { schema: 'PUBLIC', name: 'EMPTY_VIEW', kind: 'VIEW', columns: [] },
  { schema: 'Sales "EU"', name: "o'brien\\", columns: [{ name: 'a', type: 'VARIANT' }] },
];
const NO_RIGHT = { code: '003001', message: 'SQL access control error: Insufficient privileges' };

export const snowflakeStand: Stand<Partial<FakeSnowflakeOptions>, StatefulPeer> = {
  connector: snowflake,
  config: {
    account: 'myorg-account1',
    username: 'reader',
    authentication: WAYS.password,
    warehouse: 'compute_wh',
    database: 'analytics',
  },
  start: (certificate, options) => startFakeSnowflake({ certificate, user: USER, tables: TABLES, ...options }),
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'PUBLIC',
    tableName: 'CLIENTS',
    tableClientNameColumn: 'NAME',
    tablePrimaryKeyColumn: 'ID',
  },
  trials: {
    'wrong password or key': {
      change: { 'authentication.password.password': 'wrong' },
      code: 'PASSWORD_REFUSED',
      configPath: 'authentication.password.password',
    },
    'unknown user': {
      change: { username: 'nobody' },
      code: 'PASSWORD_REFUSED',
      configPath: 'authentication.password.password',
    },
    'missing name': {
      change: { database: 'nope' },
      code: 'DATABASE_NOT_FOUND',
      configPath: 'database',
      seenInAnswer: true,
    },
    'no right': { options: { refusal: NO_RIGHT }, code: 'PERMISSION_DENIED', configPath: 'role' },
  },
};

/** PKCS#8 in PEM. */
export function rsaKey(modulusLength: number): string {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}
