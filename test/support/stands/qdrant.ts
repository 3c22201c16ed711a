import { qdrant } from '../../../src/connectors/qdrant/index.ts';
import { type FakeQdrantOptions, startFakeQdrant } from '../peers/fake-qdrant.ts';
import type { HttpPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

const KEY = 'qdrant-key-6f1d';
const SCOPED_KEY = { key: 'scoped', collections: ['empty'] };

export const qdrantStand: Stand<FakeQdrantOptions, HttpPeer> = {
  connector: qdrant,
  config: { baseUrl: 'https://qdrant.example', apiKey: KEY, collection: 'products' },
  clearText: { baseUrl: 'http://qdrant.example', tls: { mode: 'DISABLE' } },
  start: (certificate, options) =>
    startFakeQdrant({
      certificate,
      apiKey: KEY,
      scopedKey: SCOPED_KEY,
      collections: { products: 3, empty: 0 },
      ...options,
    }),
  trials: {
    'wrong password or key': { change: { apiKey: 'wrong' }, code: 'KEY_REFUSED', configPath: 'apiKey' },
    'unknown user': { never: 'A key is all that signs in.' },
    'missing name': { change: { collection: 'nope' }, code: 'COLLECTION_NOT_FOUND', configPath: 'collection' },
    'no right': { change: { apiKey: SCOPED_KEY.key }, code: 'PERMISSION_DENIED', configPath: 'collection' },
  },
};
