import { beforeAll, describe, expect, test } from 'vitest';
import { elasticsearch } from '../../src/connectors/elasticsearch/index.ts';
import { opensearch } from '../../src/connectors/opensearch/index.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import type { OpensearchServer } from '../support/peers/opensearch.ts';
import { CLIENTS, type OpensearchPeer, opensearchPeer } from '../support/real-peers/opensearch.ts';
import { READER } from '../support/stands/elastic-family.ts';
import { describeTenancy } from '../support/tenancy-table.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { authority, useStand } from '../support/use-stand.ts';

const START_MS = 180_000;
describePeer('OpenSearch, with its security plugin', opensearchPeer.programs, () => {
  const used = useStand(opensearchPeer.stand);
  const { tryIt } = used;
  let server: OpensearchServer;
  let send: OpensearchPeer['send'];
  beforeAll(async () => {
    ({ server, send } = await used.shared());
  }, START_MS);

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

  describeCauses(opensearchPeer, used);

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
