import { OPENSEARCH, startOpensearch } from '../peers/opensearch.ts';
import { READER } from '../stands/elastic-family.ts';
import { opensearchStand } from '../stands/opensearch.ts';
import { authority } from '../use-stand.ts';
import type { RealPeer } from './real-peer.ts';
import { filled, type SearchPeer } from './search-peer.ts';

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

export const opensearchPeer: RealPeer<object, SearchPeer> = {
  name: 'OpenSearch 2.19',
  programs: OPENSEARCH,
  stand: {
    ...opensearchStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('It speaks TLS alone.');
      const peer = await filled(await startOpensearch(certificate, authority.certificate), addUsers);
      await peer.send('PUT', '/_index_template/logs', { index_patterns: ['logs'], data_stream: {} });
      await peer.send('PUT', '/_data_stream/logs');
      return peer;
    },
  },
  says: /^OpenSearch 2\.19\./,
  cannot: {
    'a limit is reached': 'Its limits are of memory and queues, which no setting brings about at will.',
    'self-signed': CERTIFICATE,
    'for another name': CERTIFICATE,
    expired: CERTIFICATE,
  },
};

async function addUsers(send: SearchPeer['send']): Promise<void> {
  for (const [name, [cluster, indices]] of Object.entries(RIGHTS)) {
    const index_permissions = indices.length > 0 ? [{ index_patterns: ['*'], allowed_actions: indices }] : [];
    await send('PUT', `${SECURITY}/roles/${name}`, { cluster_permissions: cluster, index_permissions });
    await send('PUT', `${SECURITY}/internalusers/${name}`, { password: READER.password });
    await send('PUT', `${SECURITY}/rolesmapping/${name}`, { users: [name] });
  }
}
