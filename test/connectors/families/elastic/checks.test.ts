import { describe, expect, test } from 'vitest';
import { describeHttpFaults } from '../../../support/http-faults.ts';
import type { FakeElastic, FakeElasticOptions } from '../../../support/peers/fake-elastic.ts';
import { json, startHttpPeer } from '../../../support/peers/http-peer.ts';
import { READER } from '../../../support/stands/elastic-family.ts';
import { elasticsearchStand } from '../../../support/stands/elasticsearch.ts';
import { opensearchStand } from '../../../support/stands/opensearch.ts';
import { describeTenancy } from '../../../support/tenancy-table.ts';
import { gist } from '../../../support/test-connection.ts';
import { useStand } from '../../../support/use-stand.ts';

const CLIENT_FIELDS = [
  { name: 'id', dataType: 'long', nullable: null },
  { name: 'name', dataType: 'text', nullable: null },
  { name: 'name.keyword', dataType: 'keyword', nullable: null },
  { name: 'address.city', dataType: 'keyword', nullable: null },
  { name: 'address.point.lat', dataType: 'half_float', nullable: null },
  { name: 'tags.tag', dataType: 'keyword', nullable: null },
];
const LOG_FIELDS = [{ name: '@timestamp', dataType: 'date', nullable: null }];

describe.each([
  ['Elasticsearch', '8.15.2', elasticsearchStand, 'OpenSearch', 'OPENSEARCH'],
  ['OpenSearch', '2.17.1', opensearchStand, 'Elasticsearch', 'ELASTICSEARCH'],
] as const)('%s', (product, version, subject, otherProduct, otherType) => {
  const stand = useStand<FakeElasticOptions, FakeElastic>(subject);
  const { issue, keep, start, tryAt, tryIt, tryWith } = stand;
  const nobody = { username: undefined, password: undefined };

  describe('that works', () => {
    test('passes every check, over one connection, and says what it found', async () => {
      const peer = await start();
      const result = await tryAt(peer);
      expect(result.failure).toBeNull();
      expect(result.steps).toEqual([
        'endpoint/resolve: PASSED',
        'endpoint/connect: PASSED',
        'tls/handshake: PASSED',
        'session/authenticate: PASSED',
        'cluster/info: PASSED',
        'indices/list: PASSED',
      ]);
      expect(result.evidence).toMatchObject({
        'session/authenticate': { server: `${product} ${version}`, user: 'reader' },
        'cluster/info': { server: `${product} ${version}`, cluster: 'shop' },
        'indices/list': { indices: '3', aliases: '1', dataStreams: '1' },
      });
      expect(peer.connections()).toBe(1);
    });

    test.each([
      ['its encoded form', Buffer.from(READER.apiKey).toString('base64')],
      ['its id and key', READER.apiKey],
    ])('takes an API key in %s', async (_form, apiKey) => {
      const result = await tryIt({ ...nobody, apiKey });
      expect(result.failure).toBeNull();
    });

    test('needs no credentials where nobody is asked for them', async () => {
      const peer = await start({ users: undefined });
      const result = await tryAt(peer, { ...nobody, disableAuth: true });
      expect(result.failure).toBeNull();
      expect(peer.requests.every((request) => request.headers.authorization === undefined)).toBe(true);
    });

    test('is found under a path', async () => {
      const url = 'https://search.example:9200/search/api/';
      expect((await tryWith({ prefix: '/search/api' }, { url })).failure).toBeNull();
    });

    test('is found by a Cloud ID', async () => {
      const host = 'b0c1.eu.cloud.example';
      const peer = await start({ certificate: await issue({ names: [host] }) });
      const cloudId = `shop:${Buffer.from(`eu.cloud.example:${peer.port}$b0c1$kibana`).toString('base64')}`;
      const serverType = product === 'Elasticsearch' ? 'ELASTIC_CLOUD' : 'OPEN_CLOUD';
      const changes = { serverType, cloudId, url: undefined };
      const asked: string[] = [];
      const lookup = async (name: string) => {
        asked.push(name);
        return ['127.0.0.1'];
      };
      const result = await tryAt(peer, changes, { names: {}, lookup });
      expect(result.failure).toBeNull();
      expect(asked).toEqual([host]);
    });

    test.each(['clients-1', 'clients', 'logs'])('is about %s alone, when that is the index', async (index) => {
      const result = await tryIt({ index });
      expect(result.failure).toBeNull();
      const { indices, aliases, dataStreams } = result.evidence['indices/list'] ?? {};
      expect(Number(indices) + Number(aliases) + Number(dataStreams)).toBe(1);
    });

    test('takes a document, in an index that is gone afterwards', async () => {
      const peer = await start();
      const before = peer.indices();
      const result = await tryAt(peer, {}, { methods: ['document/index'] });
      expect(result.evidence['document/index']).toEqual({ written: 'true', removed: 'true' });
      expect(peer.indices()).toEqual(before);
      expect(peer.requests.map((request) => request.method)).toEqual(['GET', 'PUT', 'PUT', 'DELETE']);
    });
  });

  describe('the catalog', () => {
    test('has indices, aliases and data streams with the fields of their mappings', async () => {
      const result = await tryIt({}, { catalog: true });
      expect(result.failure).toBeNull();
      const entries = result.batches.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
      expect(entries).toEqual([
        { namespace: null, name: 'clients', kind: 'VIEW', columns: CLIENT_FIELDS },
        {
          namespace: null,
          name: 'clients-1',
          kind: 'INDEX',
          columns: [{ name: 'id', dataType: 'keyword', nullable: null }],
        },
        { namespace: null, name: 'clients-2', kind: 'INDEX', columns: CLIENT_FIELDS },
        { namespace: null, name: 'empty', kind: 'INDEX', columns: [] },
        { namespace: null, name: 'logs', kind: 'COLLECTION', columns: LOG_FIELDS },
      ]);
    });

    test('of one index is that of this index', async () => {
      const result = await tryIt({ index: 'clients' }, { catalog: true });
      expect(result.batches.flat()).toEqual([
        { namespace: null, name: 'clients', kind: 'VIEW', columns: CLIENT_FIELDS },
      ]);
    });

    test('of many indices with long names comes in parts that a request line holds', async () => {
      const names = Array.from({ length: 60 }, (_, index) => `${'ü'.repeat(20 + index)}-${index}`);
      const indices = Object.fromEntries(names.map((name) => [name, { id: { type: 'long' } }]));
      const result = await tryWith({ indices, aliases: {}, dataStreams: {} }, {}, { catalog: true });
      expect(result.failure).toBeNull();
      expect(
        result.batches
          .flat()
          .map((entry) => entry.name)
          .sort(),
      ).toEqual(names.sort());
      expect(result.batches.length).toBeGreaterThan(3);
      expect(Math.max(...result.batches.map((batch) => batch.length))).toBeLessThanOrEqual(25);
    });

    test('an answer of millions of things that are no names is given up at once', async () => {
      const result = await tryWith({ isHostile: true }, {}, { catalog: true });
      expect(gist(result)).toEqual({ at: 'catalog/read', code: 'TOO_MUCH_DATA', configPath: 'url' });
    });

    test('of more indices than the executor can take in at a time is not read', async () => {
      const result = await tryWith({ isVast: true }, {}, { catalog: true });
      expect(gist(result)).toEqual({ at: 'catalog/read', code: 'TOO_MUCH_DATA', configPath: 'url' });
    });

    test('with a mapping that is too deep is none', async () => {
      let field: Record<string, unknown> = { type: 'keyword' };
      for (let depth = 0; depth < 200; depth += 1) field = { properties: { a: field } };
      const result = await tryWith(
        { indices: { deep: { a: field } }, aliases: {}, dataStreams: {} },
        { index: 'deep' },
        { catalog: true },
      );
      expect(gist(result)).toEqual({ at: 'catalog/read', code: 'UNEXPECTED_ANSWER', configPath: null });
    });
  });

  describe('what goes wrong is named', () => {
    test.each([
      ['a wrong password', { password: 'wrong' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      ['an unknown user', { username: 'nobody' }, 'session/authenticate', 'PASSWORD_REFUSED', 'password'],
      ['a wrong key', { ...nobody, apiKey: 'aWQ6d3Jvbmc=' }, 'session/authenticate', 'KEY_REFUSED', 'apiKey'],
      [
        'no credentials',
        { ...nobody, disableAuth: true },
        'session/authenticate',
        'CREDENTIALS_REQUIRED',
        'disableAuth',
      ],
      ['no right to the indices', { username: 'stranger' }, 'indices/list', 'PERMISSION_DENIED', 'username'],
      ['an unknown index', { index: 'nope' }, 'indices/list', 'INDEX_NOT_FOUND', 'index'],
    ])('%s', async (_title, more, at, code, configPath) => {
      const result = await tryIt(more);
      expect(gist(result)).toEqual({ at, code, configPath });
      expect(result.failure?.hint).toBeTruthy();
    });

    test('a server of the other product, with the type that fits it', async () => {
      const result = await tryWith({ product: otherProduct });
      expect(gist(result)).toEqual({ at: 'cluster/info', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
      expect(result.failure?.hint).toContain(otherType);
    });

    test('a user who may see an index alone passes, and is told what that costs', async () => {
      const result = await tryIt({ username: 'viewer', index: 'clients' });
      expect(result.failure).toBeNull();
      expect(result.steps.slice(-2)).toEqual(['cluster/info: WARNING', 'indices/list: PASSED']);
      expect(result.evidence['cluster/info']).toEqual({
        missingRight: 'cluster:monitor/main',
        costs: 'neither product nor version can be told',
      });
    });

    test('a user who may list indices, but not ask for the version, can read the catalog', async () => {
      const result = await tryIt(
        { username: 'viewer' },
        {
          catalog: true,
        },
      );
      expect(result.failure).toBeNull();
    });

    test('no right to write', async () => {
      const changes = { username: 'viewer' };
      const result = await tryIt(changes, { methods: ['document/index'] });
      expect(gist(result)).toEqual({ at: 'document/index', code: 'PERMISSION_DENIED', configPath: 'username' });
    });

    test('a cluster that takes no documents, from which the index is removed all the same', async () => {
      const peer = await start({ refusesDocuments: true });
      const before = peer.indices();
      const result = await tryAt(peer, {}, { methods: ['document/index'] });
      expect(gist(result)).toEqual({ at: 'document/index', code: 'SERVER_UNAVAILABLE', configPath: 'url' });
      expect(peer.indices()).toEqual(before);
    });

    test('an unknown deployment', async () => {
      const host = 'gone.eu.cloud.example';
      const cloudId = Buffer.from('eu.cloud.example$gone$').toString('base64');
      const changes = { serverType: 'ELASTIC_CLOUD', cloudId, url: undefined };
      const result = await tryWith({ certificate: await issue({ names: [host] }), isUnknownDeployment: true }, changes);
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'cloudId' });
    });

    test('an HTTP server that is neither product', async () => {
      const result = await tryWith({ misbehave: { status: 404 } });
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    });
  });

  test.each([
    ['that is there', json(200, { products: { aliases: {}, mappings: {}, settings: {} } })],
    ['that is not', json(404, { error: { type: 'index_not_found_exception' }, status: 404 })],
  ])('an index in the URL, one %s', async (_title, answer) => {
    const peer = await keep(startHttpPeer(() => answer, { certificate: await issue() }));
    const result = await tryAt(peer, { url: 'https://search.example:9200/products' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    expect(result.failure?.hint).toContain('`index`');
    expect(peer.requests[0]?.path).toBe('/products/');
  });

  describeTenancy(
    stand,
    [
      ['in an alias', { tableName: 'clients' }, undefined],
      ['whose index is a wildcard', { tableName: '*' }, 'TENANCY_TABLE_NOT_FOUND', 'tableName'],
      ['whose index has no mapping', { tableName: 'empty' }, 'TENANCY_COLUMN_NOT_FOUND', 'tableClientNameColumn'],
    ],
    { hasSchemas: false },
  );

  describeHttpFaults(subject);
});
