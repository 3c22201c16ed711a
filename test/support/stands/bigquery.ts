import { bigquery } from '../../../src/connectors/bigquery/index.ts';
import { type FakeBigqueryOptions, startFakeBigquery } from '../peers/fake-bigquery.ts';
import type { FakeTable } from '../peers/fake-information-schema.ts';
import { createGoogleAccount } from '../peers/google-token.ts';
import type { StatefulPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const ACCOUNT = createGoogleAccount();
export const CLIENTS: FakeTable = {
  schema: '',
  name: 'clients',
  columns: [
    { name: 'id', type: 'INTEGER', nullable: 'NO' },
    { name: 'name', type: 'STRING' },
  ],
};
export const DATASETS = {
  sales: [CLIENTS, { schema: '', name: 'summary', kind: 'MATERIALIZED VIEW', columns: [] }],
  web: [],
};

export const bigqueryStand: Stand<Partial<FakeBigqueryOptions>, StatefulPeer> = {
  connector: bigquery,
  config: {
    projectId: 'my-project',
    dataset: 'sales',
    location: 'EU',
    credentials: {
      type: 'service_account',
      privateKey: ACCOUNT.privateKey,
      clientEmail: ACCOUNT.email,
      privateKeyId: ACCOUNT.keyId,
    },
  },
  start: (certificate, options) => startFakeBigquery({ certificate, account: ACCOUNT, datasets: DATASETS, ...options }),
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
      change: { 'credentials.privateKey': createGoogleAccount().privateKey },
      code: 'KEY_REFUSED',
      configPath: 'credentials.privateKey',
    },
    'unknown user': {
      change: { 'credentials.clientEmail': 'nobody@my-project.iam.gserviceaccount.com' },
      code: 'KEY_REFUSED',
      configPath: 'credentials.privateKey',
    },
    'missing name': { change: { dataset: 'nope' }, code: 'RESOURCE_NOT_FOUND', configPath: 'dataset' },
    'no right': { options: { rights: [] }, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' },
  },
};
