import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { elasticsearch } from '../../../../src/connectors/elasticsearch/index.ts';
import type { Tenancy } from '../../../../src/connectors/kit/config/tenancy.ts';
import { opensearch } from '../../../../src/connectors/opensearch/index.ts';
import { type Authority, createAuthority } from '../../../support/certificates.ts';
import { describeHttpFaults } from '../../../support/http-faults.ts';
import { type FakeElastic, type FakeElasticOptions, startFakeElastic } from '../../../support/peers/fake-elastic.ts';
import { gist, testConnection } from '../../../support/test-connection.ts';

const READER = { name: 'reader', password: 'pä55:"word"', apiKey: 'VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw' };
const ENCODED_KEY = Buffer.from(READER.apiKey).toString('base64');
const CLIENTS = {
  id: { type: 'long' },
  name: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
  address: { properties: { city: { type: 'keyword' }, point: { properties: { lat: { type: 'half_float' } } } } },
  tags: { type: 'nested', properties: { tag: { type: 'keyword' } } },
};
const CLIENT_FIELDS = [
  { name: 'id', dataType: 'long', nullable: null },
  { name: 'name', dataType: 'text', nullable: null },
  { name: 'name.keyword', dataType: 'keyword', nullable: null },
  { name: 'address.city', dataType: 'keyword', nullable: null },
  { name: 'address.point.lat', dataType: 'half_float', nullable: null },
  { name: 'tags.tag', dataType: 'keyword', nullable: null },
];
const LOG_FIELDS = [{ name: '@timestamp', dataType: 'date', nullable: null }];
const LOGS = { '.ds-logs-000001': {}, '.ds-logs-000002': { '@timestamp': { type: 'date' } } };
const TENANCY: Tenancy = {
  level: 'TABLE',
  clientColumnType: 'NUMBER',
  schemaName: 'unused',
  tableName: 'clients-2',
  tableClientNameColumn: 'name.keyword',
  tablePrimaryKeyColumn: 'id',
};
const PLAIN = { tls: { mode: 'DISABLE' } };
const peers: FakeElastic[] = [];

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

describe.each([
  ['Elasticsearch', '8.15.2', elasticsearch, 'OpenSearch', 'OPENSEARCH'],
  ['OpenSearch', '2.17.1', opensearch, 'Elasticsearch', 'ELASTICSEARCH'],
] as const)('%s', (product, version, connector, otherProduct, otherType) => {
  let authority: Authority;

  beforeAll(async () => {
    authority = await createAuthority();
  });

  async function start(options: FakeElasticOptions = {}): Promise<FakeElastic> {
    const peer = await startFakeElastic({
      product,
      users: [
        READER,
        { ...READER, name: 'viewer', rights: ['view'] },
        { ...READER, name: 'stranger', rights: ['monitor'] },
      ],
      indices: {
        'clients-1': { id: { type: 'keyword' } },
        'clients-2': CLIENTS,
        empty: undefined,
        '.hidden': {},
        ...LOGS,
      },
      aliases: { clients: ['clients-2', 'clients-1'], '.internal': ['clients-1'] },
      dataStreams: { logs: Object.keys(LOGS) },
      ...options,
    });
    peers.push(peer);
    return peer;
  }

  function configFor(peer: { port: number }, more: Record<string, unknown> = {}): Record<string, unknown> {
    const { name: username, password } = READER;
    const url = `http://127.0.0.1:${peer.port}`;
    return { serverType: 'SELF_MANAGED', url, username, password, ...PLAIN, ...more };
  }

  const nobody = { username: undefined, password: undefined };

  describe('that works', () => {
    test('passes every check, over one connection, and says what it found', async () => {
      const peer = await start();
      const result = await testConnection(connector, configFor(peer));
      expect(result.failure).toBeNull();
      expect(result.steps).toEqual([
        'endpoint/resolve: PASSED',
        'endpoint/connect: PASSED',
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
      ['its encoded form', ENCODED_KEY],
      ['its id and key', READER.apiKey],
    ])('takes an API key in %s', async (_form, apiKey) => {
      const result = await testConnection(connector, configFor(await start(), { ...nobody, apiKey }));
      expect(result.failure).toBeNull();
    });

    test('needs no credentials where nobody is asked for them', async () => {
      const peer = await start({ users: undefined });
      const result = await testConnection(connector, configFor(peer, { ...nobody, disableAuth: true }));
      expect(result.failure).toBeNull();
      expect(peer.requests.every((request) => request.headers.authorization === undefined)).toBe(true);
    });

    test('is found under a path', async () => {
      const peer = await start({ prefix: '/search/api' });
      const url = `http://127.0.0.1:${peer.port}/search/api/`;
      expect((await testConnection(connector, configFor(peer, { url }))).failure).toBeNull();
    });

    test('is found by a Cloud ID', async () => {
      const host = 'b0c1.eu.cloud.example';
      const peer = await start({ certificate: await authority.issue({ names: [host] }) });
      const cloudId = `shop:${Buffer.from(`eu.cloud.example:${peer.port}$b0c1$kibana`).toString('base64')}`;
      const tls = { caCertificate: authority.certificate };
      const serverType = product === 'Elasticsearch' ? 'ELASTIC_CLOUD' : 'OPEN_CLOUD';
      const config = configFor(peer, { serverType, cloudId, url: undefined, tls });
      const asked: string[] = [];
      const lookup = async (name: string) => {
        asked.push(name);
        return ['127.0.0.1'];
      };
      const result = await testConnection(connector, config, { lookup });
      expect(result.failure).toBeNull();
      expect(asked).toEqual([host]);
    });

    test.each(['clients-1', 'clients', 'logs'])('is about %s alone, when that is the index', async (index) => {
      const result = await testConnection(connector, configFor(await start(), { index }));
      expect(result.failure).toBeNull();
      const { indices, aliases, dataStreams } = result.evidence['indices/list'] ?? {};
      expect(Number(indices) + Number(aliases) + Number(dataStreams)).toBe(1);
    });

    test('takes a document, in an index that is gone afterwards', async () => {
      const peer = await start();
      const before = peer.indices();
      const result = await testConnection(connector, configFor(peer), { methods: ['document/index'] });
      expect(result.evidence['document/index']).toEqual({ written: 'true', removed: 'true' });
      expect(peer.indices()).toEqual(before);
      expect(peer.requests.map((request) => request.method)).toEqual(['GET', 'PUT', 'PUT', 'DELETE']);
    });
  });

  describe('the catalog', () => {
    test('has indices, aliases and data streams with the fields of their mappings', async () => {
      const result = await testConnection(connector, configFor(await start()), { catalog: true });
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
      const result = await testConnection(connector, configFor(await start(), { index: 'clients' }), { catalog: true });
      expect(result.batches.flat()).toEqual([
        { namespace: null, name: 'clients', kind: 'VIEW', columns: CLIENT_FIELDS },
      ]);
    });

    test('of many indices with long names comes in parts that a request line holds', async () => {
      const names = Array.from({ length: 60 }, (_, index) => `${'ü'.repeat(20 + index)}-${index}`);
      const indices = Object.fromEntries(names.map((name) => [name, { id: { type: 'long' } }]));
      const peer = await start({ indices, aliases: {}, dataStreams: {} });
      const result = await testConnection(connector, configFor(peer), { catalog: true });
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
      const result = await testConnection(connector, configFor(await start({ isHostile: true })), { catalog: true });
      expect(gist(result)).toEqual({ at: 'catalog/read', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    });

    test('with a mapping that is too deep is none', async () => {
      let field: Record<string, unknown> = { type: 'keyword' };
      for (let depth = 0; depth < 200; depth += 1) field = { properties: { a: field } };
      const peer = await start({ indices: { deep: { a: field } }, aliases: {}, dataStreams: {} });
      const result = await testConnection(connector, configFor(peer, { index: 'deep' }), { catalog: true });
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
      ['no right to ask for the version', { username: 'viewer' }, 'cluster/info', 'PERMISSION_DENIED', 'username'],
      ['no right to the indices', { username: 'stranger' }, 'indices/list', 'PERMISSION_DENIED', 'username'],
      ['an unknown index', { index: 'nope' }, 'indices/list', 'INDEX_NOT_FOUND', 'index'],
    ])('%s', async (_title, more, at, code, configPath) => {
      const result = await testConnection(connector, configFor(await start(), more));
      expect(gist(result)).toEqual({ at, code, configPath });
      expect(result.failure?.hint).toBeTruthy();
    });

    test('a server of the other product, with the type that fits it', async () => {
      const result = await testConnection(connector, configFor(await start({ product: otherProduct })));
      expect(gist(result)).toEqual({ at: 'cluster/info', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
      expect(result.failure?.hint).toContain(otherType);
    });

    test('a user who may list indices, but not ask for the version, can read the catalog', async () => {
      const result = await testConnection(connector, configFor(await start(), { username: 'viewer' }), {
        catalog: true,
      });
      expect(result.failure).toBeNull();
    });

    test('no right to write', async () => {
      const config = configFor(await start(), { username: 'viewer' });
      const result = await testConnection(connector, config, { methods: ['document/index'] });
      expect(gist(result)).toEqual({ at: 'document/index', code: 'PERMISSION_DENIED', configPath: 'username' });
    });

    test('a cluster that takes no documents, from which the index is removed all the same', async () => {
      const peer = await start({ refusesDocuments: true });
      const before = peer.indices();
      const result = await testConnection(connector, configFor(peer), { methods: ['document/index'] });
      expect(gist(result)).toEqual({ at: 'document/index', code: 'SERVER_UNAVAILABLE', configPath: 'url' });
      expect(peer.indices()).toEqual(before);
    });

    test('an unknown deployment', async () => {
      const host = 'gone.eu.cloud.example';
      const certificate = await authority.issue({ names: [host] });
      const peer = await start({ certificate, isUnknownDeployment: true });
      const cloudId = Buffer.from(`eu.cloud.example:${peer.port}$gone$`).toString('base64');
      const tls = { caCertificate: authority.certificate };
      const config = configFor(peer, { serverType: 'ELASTIC_CLOUD', cloudId, url: undefined, tls });
      const result = await testConnection(connector, config, { lookup: async () => ['127.0.0.1'] });
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'RESOURCE_NOT_FOUND', configPath: 'cloudId' });
    });

    test('an HTTP server that is neither product', async () => {
      const result = await testConnection(connector, configFor(await start({ misbehave: { status: 404 } })));
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    });
  });

  describe('tenancy', () => {
    test.each([
      ['a mapping that is there', {}, undefined],
      ['a mapping in an alias', { tableName: 'clients' }, undefined],
      ['an index that is not there', { tableName: 'nope' }, 'TENANCY_TABLE_NOT_FOUND'],
      ['a wildcard', { tableName: '*' }, 'TENANCY_TABLE_NOT_FOUND'],
      ['an index without a mapping', { tableName: 'empty' }, 'TENANCY_COLUMN_NOT_FOUND'],
      ['a field that is not there', { tablePrimaryKeyColumn: 'nope' }, 'TENANCY_COLUMN_NOT_FOUND'],
      ['a key of another type', { clientColumnType: 'STRING' as const }, 'TENANCY_COLUMN_TYPE'],
      ['a key that is text', { clientColumnType: 'STRING' as const, tablePrimaryKeyColumn: 'name.keyword' }, undefined],
    ])('%s', async (_title, more, code) => {
      const tenancy = { ...TENANCY, ...more };
      const result = await testConnection(connector, configFor(await start()), { tenancy });
      expect(result.failure?.code).toBe(code);
      expect(result.failedAt).toBe(code === undefined ? undefined : 'tenancy/mapping');
    });
  });

  describeHttpFaults({
    connector,
    start,
    name: 'localhost',
    config: (host, port, caCertificate) =>
      caCertificate
        ? configFor({ port }, { url: `https://${host}:${port}`, tls: { caCertificate } })
        : configFor({ port }, { url: `http://${host}:${port}` }),
    hostPath: 'url',
    portPath: 'url',
  });
});
