import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { elasticsearch } from '../../src/connectors/elasticsearch/index.ts';
import { opensearch } from '../../src/connectors/opensearch/index.ts';
import { describeCauses, describeGateway } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { OPENSEARCH, type OpensearchServer, startOpensearch } from '../support/peers/opensearch.ts';
import { READER } from '../support/stands/elastic-family.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import type { Stand } from '../support/stands/stand.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const START_MS = 180_000;
const CLIENTS = {
  id: { type: 'long' },
  name: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
  address: { properties: { city: { type: 'keyword' }, point: { properties: { lat: { type: 'half_float' } } } } },
  tags: { type: 'nested', properties: { tag: { type: 'keyword' } } },
};
/** What each user may do to the cluster, and to every index. */
const RIGHTS: Readonly<Record<string, readonly [cluster: readonly string[], indices: readonly string[]]>> = {
  reader: [['cluster:monitor/main'], ['indices:admin/resolve/index', 'indices:admin/mappings/get']],
  viewer: [[], ['indices:admin/resolve/index', 'indices:admin/mappings/get']],
  stranger: [['cluster:monitor/main'], []],
  writer: [
    ['cluster:monitor/main', 'indices:data/write/bulk'],
    ['indices:admin/create', 'indices:admin/delete', 'indices:admin/mapping/put', 'indices:data/write/*'],
  ],
  creator: [['cluster:monitor/main'], ['indices:admin/create']],
};
/** Where its security plugin keeps who may do what. */
const SECURITY = '/_plugins/_security/api';

describePeer('OpenSearch, with its security plugin', OPENSEARCH, () => {
  let server: OpensearchServer;
  const send = (method: string, path: string, body?: object) =>
    server.administer(method, path, body === undefined ? '' : JSON.stringify(body));

  beforeAll(async () => {
    server = await startOpensearch(await authority.issue({ names: ['search.example'] }), authority.certificate);
    for (const [name, [cluster, indices]] of Object.entries(RIGHTS)) {
      const index_permissions = indices.length > 0 ? [{ index_patterns: ['*'], allowed_actions: indices }] : [];
      await send('PUT', `${SECURITY}/roles/${name}`, { cluster_permissions: cluster, index_permissions });
      await send('PUT', `${SECURITY}/internalusers/${name}`, { password: READER.password });
      await send('PUT', `${SECURITY}/rolesmapping/${name}`, { users: [name] });
    }
    await send('PUT', '/clients-1', { mappings: { properties: { id: { type: 'keyword' } } } });
    await send('PUT', '/clients-2', { mappings: { properties: CLIENTS } });
    await send('PUT', '/empty');
    await send('PUT', '/.hidden', { settings: { 'index.hidden': true } });
    const add = (index: string, alias: string) => ({ add: { index, alias } });
    await send('POST', '/_aliases', {
      actions: [add('clients-2', 'clients'), add('clients-1', 'clients'), add('clients-1', '.internal')],
    });
    await send('PUT', '/_index_template/logs', { index_patterns: ['logs'], data_stream: {} });
    await send('PUT', '/_data_stream/logs');
  }, START_MS);
  afterAll(() => server?.stop());

  const realStand: Stand = {
    ...opensearchStand,
    start: async () => ({ port: server.port, close: async () => undefined }),
  };
  const used = useStand(realStand);
  const { tryIt } = used;

  test('passes every check over TLS, and says what it found', async () => {
    const result = await tryIt();
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'OpenSearch 2.19.4', user: 'reader' },
      'cluster/info': { server: 'OpenSearch 2.19.4', cluster: 'shop' },
      'indices/list': { indices: '3', aliases: '1', dataStreams: '1' },
    });
  });

  test('the user whom the documentation makes passes by default', async () => {
    await send('PUT', '/products');
    const requests = (opensearch.recipe?.text ?? '').split('\n\n');
    for (const request of requests) {
      const [, method = '', path = '', body = ''] = /^(\w+) (\S+)\n(.*)$/s.exec(request) ?? [];
      await server.administer(method, path, body);
    }
    const [, password] = /"password": "(.+)"/.exec(opensearch.recipe?.text ?? '') ?? [];
    const result = await tryIt({ username: 'gateway', password, index: 'products' });
    await send('DELETE', '/products');
    expect(result).toMatchObject({ status: 'PASSED', failure: null });
  });

  describeCauses(realStand, [
    'wrong password or key',
    'unknown user',
    'missing name',
    'no right',
    'silent once signed in',
  ]);

  describeGateway(
    realStand,
    ['wrong password or key', 'unknown user', 'missing name', 'no right'],
    'search.example',
    (port) => ({ url: `https://localhost:${port}` }),
  );

  test.each<readonly [string, Record<string, unknown>, string, string]>([
    [
      'no credentials',
      { disableAuth: true, username: undefined, password: undefined },
      'CREDENTIALS_REQUIRED',
      'disableAuth',
    ],
    ['an API key', { apiKey: READER.apiKey, username: undefined, password: undefined }, 'KEY_REFUSED', 'apiKey'],
  ])('%s: is told', async (_what, change, code, configPath) => {
    expect(gist(await tryIt(change))).toEqual({ at: 'session/authenticate', code, configPath });
  });

  test('who gives an API key is told that it may know none', async () => {
    const result = await tryIt({ apiKey: READER.apiKey, username: undefined, password: undefined });
    expect(result.failure?.hint).toMatch(/no API keys/);
  });

  test('is no Elasticsearch, which the type of that says', async () => {
    const { port } = server;
    const names = used.namesFor(port);
    const result = await testConnection(elasticsearch, used.configFor(), { names, publicCa: authority.certificate });
    expect(gist(result)).toEqual({ at: 'cluster/info', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    expect(result.failure?.hint).toContain('OPENSEARCH');
  });

  test('a user who may not look at the cluster is warned, and goes on', async () => {
    const result = await tryIt({ username: 'viewer' });
    expect(result.failure).toBeNull();
    expect(result.steps.slice(-2)).toEqual(['cluster/info: WARNING', 'indices/list: PASSED']);
  });

  describe('documents', () => {
    const ours = async () => /datastore-gateway-test-\S+/.exec(await send('GET', '/_cat/indices'))?.[0];

    test('are written, and removed with their index', async () => {
      const result = await tryIt({ username: 'writer' }, { methods: ['document/index'] });
      expect(result.evidence['document/index']).toEqual({ written: 'true', removed: 'true' });
      expect(await ours()).toBeUndefined();
    });

    test('are not, by whoever may not', async () => {
      const result = await tryIt({}, { methods: ['document/index'] });
      expect(gist(result)).toEqual({ at: 'document/index', code: 'PERMISSION_DENIED', configPath: 'username' });
    });

    test('leave an index behind where the user may not delete it, which is said', async () => {
      const result = await tryIt({ username: 'creator' }, { methods: ['document/index'] });
      expect(gist(result)).toMatchObject({ at: 'document/index', code: 'PERMISSION_DENIED' });
      const left = (await ours()) ?? '';
      expect(left).not.toBe('');
      expect(result.log.join()).toContain(left);
      await send('DELETE', `/${left}`);
    });
  });

  test('reads the catalog', async () => {
    const result = await tryIt({}, { catalog: true });
    expect(result.failure).toBeNull();
    const columns = Object.fromEntries(
      result.batches.flat().map((entry) => [entry.name, entry.columns.map(({ name, dataType }) => [name, dataType])]),
    );
    const clients = expect.arrayContaining([
      ['id', 'long'],
      ['name.keyword', 'keyword'],
      ['address.point.lat', 'half_float'],
    ]);
    expect(columns).toEqual({
      'clients-1': [['id', 'keyword']],
      'clients-2': clients,
      clients,
      empty: [],
      logs: [['@timestamp', 'date']],
    });
  });

  test('reads a catalog whose names take several requests', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `${'n'.repeat(200)}-${at}`);
    for (const name of names)
      await send('PUT', `/${name}`, { settings: { number_of_replicas: 0 }, mappings: { properties: CLIENTS } });
    const result = await tryIt({}, { catalog: true });
    const found = result.batches.flat().filter(({ name }) => names.includes(name));
    await send('DELETE', `/${'n'.repeat(200)}-*`);
    expect(result.failure).toBeNull();
    expect(found.map(({ columns }) => columns.length > 0)).toEqual(names.map(() => true));
  });

  describeTenancy(used, [], { hasSchemas: false });
});
