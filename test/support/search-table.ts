import { describe, expect, test } from 'vitest';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { CLIENTS, type SearchPeer } from './real-peers/search-peer.ts';
import { describeTenancy } from './tenancy-table.ts';
import { gist, testConnection } from './test-connection.ts';
import type { UsedStand } from './use-stand.ts';

export interface SearchTable {
  readonly used: UsedStand<object, SearchPeer>;
  /** The product and its version, as the evidence has them. */
  readonly server: string;
  /** The type of the other product. */
  readonly other: Connector;
  readonly hasDataStreams: boolean;
}

/** What holds of a node of Elasticsearch and of OpenSearch alike. */
export function describeSearch({ used, server, other, hasDataStreams }: SearchTable): void {
  const { tryIt } = used;
  const send: SearchPeer['send'] = async (...request) => (await used.shared()).send(...request);

  test('passes every check over TLS, and says what it found', async () => {
    const result = await tryIt();
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server, user: 'reader' },
      'cluster/info': { server, cluster: 'shop' },
      'indices/list': { indices: '3', aliases: '1', dataStreams: hasDataStreams ? '1' : '0' },
    });
  });

  test('the user whom the documentation makes passes by default', async () => {
    const recipe = used.stand.connector.recipe?.text ?? '';
    await send('PUT', '/products');
    for (const request of recipe.split('\n\n')) {
      const [, method = '', path = '', body = ''] = /^(\w+) (\S+)\n(.*)$/s.exec(request) ?? [];
      await send(method, path, JSON.parse(body) as object);
    }
    const [, password] = /"password": "([^"]+)"/.exec(recipe) ?? [];
    const result = await tryIt({ username: 'gateway', password, index: 'products' });
    await send('DELETE', '/products');
    expect(result).toMatchObject({ status: 'PASSED', failure: null });
  });

  test('who sends no credentials is told so', async () => {
    const result = await tryIt({ disableAuth: true, username: undefined, password: undefined });
    expect(gist(result)).toEqual({
      at: 'session/authenticate',
      code: 'CREDENTIALS_REQUIRED',
      configPath: 'disableAuth',
    });
  });

  test('is none of the other product, which the type of that says', async () => {
    const { port } = await used.shared();
    const how = { names: used.namesFor(port), publicCa: used.authority.certificate };
    const result = await testConnection(other, used.configFor(), how);
    expect(gist(result)).toEqual({ at: 'cluster/info', code: 'PROTOCOL_MISMATCH', configPath: 'url' });
    expect(result.failure?.hint).toContain(used.stand.connector.type);
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
    const logs = hasDataStreams ? { logs: [['@timestamp', 'date']] } : {};
    expect(columns).toEqual({ 'clients-1': [['id', 'keyword']], 'clients-2': clients, clients, empty: [], ...logs });
  });

  test('reads a catalog whose names take several requests', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `${'n'.repeat(200)}-${at}`);
    for (const name of names)
      await send('PUT', `/${name}`, { settings: { number_of_replicas: 0 }, mappings: { properties: CLIENTS } });
    const result = await tryIt({}, { catalog: true });
    const found = result.batches.flat().filter(({ name }) => names.includes(name));
    for (const name of names) await send('DELETE', `/${name}`);
    expect(result.failure).toBeNull();
    expect(found.map(({ columns }) => columns.length > 0)).toEqual(names.map(() => true));
  });

  describeTenancy(used, [], { hasSchemas: false });
}
