import { firebolt } from '../../../src/connectors/firebolt/index.ts';
import { type FakeFireboltOptions, SYSTEM_ENGINE, startFakeFirebolt, USER_ENGINE } from '../peers/fake-firebolt.ts';
import type { FakeTable } from '../peers/fake-information-schema.ts';
import type { HttpPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

const CLIENT = { id: 'a1b2c3d4-reader', secret: 'secret-of-the+account&=' };
const TABLES: readonly FakeTable[] = [
  {
    schema: 'public',
    name: 'clients',
    columns: [
      { name: 'id', type: 'bigint', nullable: 'NO' },
      { name: 'name', type: 'text' },
    ],
  },
  { schema: 'public', name: "o'brien\\", kind: 'VIEW', columns: [{ name: 'a', type: 'array(int)' }] },
];

export const fireboltStand: Stand<Partial<FakeFireboltOptions>, HttpPeer> = {
  connector: firebolt,
  config: {
    clientId: CLIENT.id,
    clientSecret: CLIENT.secret,
    account: 'my-account',
    database: 'sales',
    engine: 'reports',
  },
  places: [`${SYSTEM_ENGINE}:443`, `${USER_ENGINE}:443`],
  start: (certificate, options) => startFakeFirebolt({ certificate, client: CLIENT, tables: TABLES, ...options }),
  tenancy: {
    level: 'TABLE',
    clientColumnType: 'NUMBER',
    schemaName: 'public',
    tableName: 'clients',
    tableClientNameColumn: 'name',
    tablePrimaryKeyColumn: 'id',
  },
  trials: {
    'wrong password or key': { change: { clientSecret: 'wrong' }, code: 'KEY_REFUSED', configPath: 'clientSecret' },
    'unknown user': { change: { clientId: 'nobody' }, code: 'KEY_REFUSED', configPath: 'clientSecret' },
    'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
    'no right': { options: { denied: ['engine'] }, code: 'PERMISSION_DENIED', configPath: 'engine' },
  },
};
