import { athena } from '../../../src/connectors/athena/index.ts';
import { type FakeAthenaOptions, startFakeAthena } from '../peers/fake-athena.ts';
import type { FakeTable } from '../peers/fake-information-schema.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
export const TEMPORARY = { ...KEY, accessKeyId: 'ASIDEXAMPLE', sessionToken: 'a-session-token' };
export const EXPIRED = { ...TEMPORARY, accessKeyId: 'ASIEXPIRED' };
export const ATHENA_STRANGER = { accessKeyId: 'AKIDSTRANGER', secretAccessKey: 'a-secret-of-the-stranger' };
export const CLIENTS: FakeTable = {
  schema: '',
  name: 'clients',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'name', type: 'string' },
  ],
};
export const DATABASES = {
  sales: [CLIENTS, { schema: '', name: 'v', kind: 'VIRTUAL_VIEW', columns: [] }],
  web: [],
};

export const athenaStand: Stand<Partial<FakeAthenaOptions>, StatefulPeer> = {
  connector: athena,
  config: { region: 'eu-central-1', ...KEY, outputLocation: 's3://my-results/athena/', database: 'sales' },
  places: ['sts.eu-central-1.amazonaws.com:443'],
  start: (certificate, options) =>
    startFakeAthena({
      certificate,
      credentials: [KEY, TEMPORARY, { ...EXPIRED, expired: true }, ATHENA_STRANGER],
      strangers: [ATHENA_STRANGER.accessKeyId],
      databases: DATABASES,
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
  trials: {
    'wrong password or key': {
      change: { secretAccessKey: 'wrong' },
      code: 'KEY_REFUSED',
      configPath: 'secretAccessKey',
    },
    'unknown user': { change: { accessKeyId: 'AKIDNOBODY' }, code: 'KEY_REFUSED', configPath: 'accessKeyId' },
    'missing name': { change: { database: 'nope' }, code: 'DATABASE_NOT_FOUND', configPath: 'database' },
    'no right': { change: ATHENA_STRANGER, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' },
  },
};
