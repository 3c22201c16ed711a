import { describe, expect, test } from 'vitest';
import { qdrant } from '../../src/connectors/qdrant/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { startHttpPeer } from '../support/peers/http-peer.ts';
import { qdrantStand } from '../support/stands/qdrant.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { configFor, issue, keep, start, tryAt, tryIt, tryWith } = useStand(qdrantStand);

describe('a Qdrant that works', () => {
  test('passes every check, over one connection, and says what it found', async () => {
    const peer = await start();
    const methods = ['collection/get', 'collections/list', 'points/count'];
    const result = await tryAt(peer, {}, { methods });
    expect(result.failure).toBeNull();
    expect(result.status).toBe('PASSED');
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Qdrant 1.15.4' },
      'collection/get': { collection: 'products', status: 'green', points: '3', segments: '2' },
      'collections/list': { collections: '2' },
      'points/count': { points: '3' },
    });
    expect(peer.connections()).toBe(1);
  });

  test('runs collection/get by default, and neither of the other two', async () => {
    const result = await tryIt();
    expect(result.steps).toEqual([
      'endpoint/resolve: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
      'collection/get: PASSED',
    ]);
  });

  test('needs no key where none is asked for', async () => {
    const peer = await start({ apiKey: undefined, scopedKey: undefined });
    expect(await tryAt(peer, { apiKey: undefined })).toMatchObject({ status: 'PASSED' });
    expect(peer.requests.map((request) => request.headers['api-key'])).toEqual([undefined, undefined, undefined]);
  });

  test('takes a key that may read the one collection alone', async () => {
    const changes = { apiKey: 'scoped', collection: 'empty' };
    expect(await tryIt(changes)).toMatchObject({ status: 'PASSED' });
  });

  test('warns of a collection that the server reports an error in', async () => {
    const result = await tryWith({ status: 'red' });
    expect(result.steps).toContain('collection/get: WARNING');
  });
});

describe('the catalog', () => {
  const described = {
    products: {
      params: {
        vectors: {
          image: { size: 512, distance: 'Dot', datatype: 'uint8' },
          text: { size: 1536, distance: 'Cosine' },
        },
        sparse_vectors: { keywords: {} },
      },
      payload_schema: { city: { data_type: 'keyword', points: 3 } },
    },
    'of its payload alone': { params: {} },
  };

  test('holds every collection, with its vectors and its indexed fields as columns', async () => {
    const collections = { products: 3, empty: 0, 'of its payload alone': 1 };
    const result = await tryWith({ collections, described, dropped: ['gone'] }, {}, { catalog: true });
    expect(result.failure).toBeNull();
    expect(result.evidence['catalog/read']).toEqual({ entries: '3', columns: '5' });
    const column = (name: string, dataType: string) => ({ name, dataType, nullable: null });
    expect(result.batches.flat()).toEqual([
      { namespace: null, name: 'empty', kind: 'COLLECTION', columns: [column('vector', 'float32[4] Cosine')] },
      { namespace: null, name: 'of its payload alone', kind: 'COLLECTION', columns: [] },
      {
        namespace: null,
        name: 'products',
        kind: 'COLLECTION',
        columns: [
          column('image', 'uint8[512] Dot'),
          column('text', 'float32[1536] Cosine'),
          column('keywords', 'sparse vector'),
          column('city', 'keyword'),
        ],
      },
    ]);
  });

  test('of many collections comes in parts, and holds only what the key may read', async () => {
    const names = Array.from({ length: 250 }, (_, index) => `c${index}`);
    const collections = Object.fromEntries(names.map((name) => [name, 1]));
    const peer = await start({ collections, scopedKey: { key: 'scoped', collections: names.slice(0, 220) } });
    const result = await tryAt(peer, { apiKey: 'scoped' }, { catalog: true });
    expect(result.batches.map((batch) => batch.length)).toEqual([100, 100, 20]);
    expect(peer.connections()).toBe(1);
  });

  test('that no Qdrant gives is refused', async () => {
    const result = await tryWith(
      { described: { products: { params: { vectors: { size: 'many' } } } } },
      {},
      { catalog: true },
    );
    expect(gist(result)).toMatchObject({ at: 'catalog/read', code: 'PROTOCOL_MISMATCH' });
  });
});

describe('what goes wrong is named', () => {
  test.each([
    ['a wrong key', { apiKey: 'wrong' }, 'session/authenticate', 'KEY_REFUSED', 'apiKey'],
    ['no key', { apiKey: undefined }, 'session/authenticate', 'CREDENTIALS_REQUIRED', 'apiKey'],
    ['an unknown collection', { collection: 'nope' }, 'collection/get', 'COLLECTION_NOT_FOUND', 'collection'],
    [
      'a collection that the key may not read',
      { apiKey: 'scoped' },
      'collection/get',
      'PERMISSION_DENIED',
      'collection',
    ],
  ])('%s', async (_title, more, at, code, configPath) => {
    const result = await tryIt(more);
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('an HTTP server that is no Qdrant', async () => {
    const result = await tryWith({ misbehave: { status: 404 } });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'baseUrl' });
  });
});

describe('a key is refused in the words of', () => {
  const CLOUD = 'https://a1b2.eu-central-1-0.aws.cloud.qdrant.io';

  test.each([
    ['servers of today', 401, 'text/plain', 'Must provide an API key or an Authorization bearer token', {}],
    ['older servers', 403, 'text/plain', 'Invalid api-key', {}],
    ['the entrance of its cloud', 403, 'application/json', '{"error":"forbidden"}', { baseUrl: CLOUD }],
  ])('%s', async (_title, status, type, body, changes) => {
    const names = ['qdrant.example', 'a1b2.eu-central-1-0.aws.cloud.qdrant.io'];
    const answer = { status, headers: { 'content-type': type }, body };
    const peer = await keep(startHttpPeer(() => answer, { certificate: await issue({ names }) }));
    const result = await tryAt(peer, changes);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_REFUSED', configPath: 'apiKey' });
  });
});

describeHttpFaults(qdrantStand);

describeBadConfigs(qdrantStand, [
  [
    'a port that differs from the one in the URL',
    { baseUrl: 'https://q.example:6334', port: 6333 },
    'port',
    'INVALID_COMBINATION',
  ],
  [
    'the scheme’s own port in the URL and another beside it',
    { baseUrl: 'https://q.example:443', port: 6333 },
    'port',
    'INVALID_COMBINATION',
  ],
  ['clear text without saying so', { baseUrl: 'http://q.example' }, 'baseUrl', 'INVALID_COMBINATION'],
  ['a key with a line break in it', { apiKey: 'a\nb' }, 'apiKey', 'INVALID_FORMAT'],
]);

describe('the config', () => {
  test.each(['..', '.', 'a/b', 'a\nb', ''])('refuses the collection %j', (collection) => {
    expect(qdrant.config.safeParse(configFor({ collection })).success).toBe(false);
  });

  test.each([
    [{}, { host: 'q.example', port: 6333 }],
    [{ port: 443 }, { host: 'q.example', port: 443 }],
    [
      { baseUrl: 'https://q.example:6334', port: 6334 },
      { host: 'q.example', port: 6334 },
    ],
    [{ baseUrl: 'https://q.example/prefix/' }, { host: 'q.example', port: 6333 }],
    [{ baseUrl: 'https://q.example:443' }, { host: 'q.example', port: 443 }],
    [{ baseUrl: 'https://q.example:6334/' }, { host: 'q.example', port: 6334 }],
  ])('of %j leads to %j', (more, target) => {
    expect(qdrant.targets(qdrant.config.parse(configFor({ baseUrl: 'https://q.example', ...more })))).toMatchObject([
      target,
    ]);
  });
});
