import { OPENSEARCH, type OpensearchServer, startOpensearch } from '../peers/opensearch.ts';
import { READER } from '../stands/elastic-family.ts';
import { opensearchStand } from '../stands/opensearch.ts';
import type { StandPeer } from '../stands/stand.ts';
import { authority } from '../use-stand.ts';
import type { RealPeer } from './real-peer.ts';

export const CLIENTS = {
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

const CERTIFICATE =
  'It takes no certificate later than at its start, which lasts 10 seconds; the TLS servers show what each comes to.';

export interface OpensearchPeer extends StandPeer {
  readonly server: OpensearchServer;
  /** Sends a request as who may do everything. */
  send(method: string, path: string, body?: object): Promise<string>;
}

export const opensearchPeer: RealPeer<object, OpensearchPeer> = {
  name: 'OpenSearch 2.19',
  programs: OPENSEARCH,
  stand: {
    ...opensearchStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('It speaks TLS alone.');
      const server = await startOpensearch(certificate, authority.certificate);
      const send: OpensearchPeer['send'] = (method, path, body) =>
        server.administer(method, path, body === undefined ? '' : JSON.stringify(body));
      await fill(send);
      return { port: server.port, server, send, close: server.stop };
    },
  },
  says: /^OpenSearch 2\.19\./,
  cannot: {
    'a limit is reached': 'It limits memory, and nobody’s requests.',
    'self-signed': CERTIFICATE,
    'for another name': CERTIFICATE,
    expired: CERTIFICATE,
  },
};

async function fill(send: OpensearchPeer['send']): Promise<void> {
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
}
