import { ELASTICSEARCH, startElasticsearch } from '../peers/elasticsearch.ts';
import { READER } from '../stands/elastic-family.ts';
import { elasticsearchStand } from '../stands/elasticsearch.ts';
import type { RealPeer } from './real-peer.ts';
import { filled, type SearchPeer } from './search-peer.ts';

/** What each user may do to the cluster, and to every index. */
const RIGHTS: Readonly<Record<string, readonly [cluster: readonly string[], indices: readonly string[]]>> = {
  reader: [['monitor'], ['view_index_metadata']],
  viewer: [[], ['view_index_metadata']],
  stranger: [['monitor'], []],
  writer: [['monitor'], ['create_index', 'index', 'delete_index']],
  creator: [['monitor'], ['create_index']],
};

export const elasticsearchPeer: RealPeer<object, SearchPeer> = {
  name: 'Elasticsearch 9.5',
  programs: ELASTICSEARCH,
  stand: {
    ...elasticsearchStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('It speaks TLS alone.');
      return filled(await startElasticsearch(certificate), addUsers);
    },
  },
  says: /^Elasticsearch 9\.5\./,
  cannot: {
    'a limit is reached': 'It limits memory, and nobody’s requests.',
  },
};

async function addUsers(send: SearchPeer['send']): Promise<void> {
  for (const [name, [cluster, privileges]] of Object.entries(RIGHTS)) {
    const indices = privileges.length > 0 ? [{ names: ['*'], privileges }] : [];
    // some names of roles are its own
    await send('PUT', `/_security/role/as-${name}`, { cluster, indices });
    await send('PUT', `/_security/user/${name}`, { password: READER.password, roles: [`as-${name}`] });
  }
}
