import { mongoDataApi } from '../../../src/connectors/mongo-data-api/index.ts';
import { type FakeDataApiOptions, startFakeDataApi } from '../peers/fake-mongo-data-api.ts';
import type { HttpPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

const KEY = 'data-api-key-91c2';
const PATH = '/app/data-abcde/endpoint/data/v1';

export const mongoDataApiStand: Stand<FakeDataApiOptions, HttpPeer> = {
  connector: mongoDataApi,
  config: {
    apiUrl: `https://data.example${PATH}`,
    apiKey: KEY,
    dataSource: 'cluster0',
    database: 'shop',
    collection: 'orders',
  },
  clearText: { apiUrl: `http://data.example${PATH}`, tls: { mode: 'DISABLE' } },
  start: (certificate, options) =>
    startFakeDataApi({
      certificate,
      apiKey: KEY,
      data: { cluster0: { shop: { orders: [{ _id: 1 }], empty: [] } } },
      forbidden: ['closed'],
      ...options,
    }),
  trials: {
    'wrong password or key': { change: { apiKey: 'wrong' }, code: 'KEY_REFUSED', configPath: 'apiKey' },
    'unknown user': { never: 'A key is all that signs in.' },
    'missing name': { change: { dataSource: 'nope' }, code: 'RESOURCE_NOT_FOUND', configPath: 'dataSource' },
    'no right': { change: { collection: 'closed' }, code: 'PERMISSION_DENIED', configPath: 'collection' },
  },
};
