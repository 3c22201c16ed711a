import { beforeAll, describe, expect, test } from 'vitest';
import { opensearch } from '../../src/connectors/opensearch/index.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { elasticsearchPeer } from '../support/real-peers/elasticsearch.ts';
import type { SearchPeer } from '../support/real-peers/search-peer.ts';
import { describeSearch } from '../support/search-table.ts';
import { READER } from '../support/stands/elastic-family.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const START_MS = 180_000;

describePeer('Elasticsearch, with its security module', elasticsearchPeer.programs, () => {
  const used = useStand(elasticsearchPeer.stand);
  beforeAll(used.shared, START_MS);

  describeCauses(elasticsearchPeer, used);
  // the module that has them is not on Maven Central
  describeSearch({ used, server: 'Elasticsearch 9.5.3', other: opensearch, hasDataStreams: false });

  describe('an API key', () => {
    const tryKey = (apiKey: string) => used.tryIt({ apiKey, username: undefined, password: undefined });
    const send: SearchPeer['send'] = async (...request) => (await used.shared()).send(...request);
    let made: { readonly id: string; readonly api_key: string; readonly encoded: string };
    const rights = {
      reader: { cluster: ['monitor'], indices: [{ names: ['*'], privileges: ['view_index_metadata'] }] },
    };
    const make = async (more: object = {}) =>
      JSON.parse(await send('POST', '/_security/api_key', { name: 'gateway', role_descriptors: rights, ...more }));
    beforeAll(async () => {
      made = await make();
    });

    test.each([
      ['in its encoded form', () => made.encoded],
      ['as id:key', () => `${made.id}:${made.api_key}`],
    ])('%s signs in', async (_form, key) => {
      const result = await tryKey(key());
      expect(result.failure).toBeNull();
      expect(result.evidence['indices/list']).toMatchObject({ indices: '3' });
    });

    test.each<readonly [string, () => Promise<string>]>([
      ['of another secret', async () => `${made.id}:${'x'.repeat(22)}`],
      ['that is none', async () => READER.apiKey],
      [
        'that was invalidated',
        async () => {
          const { id, encoded } = await make();
          await send('DELETE', '/_security/api_key', { ids: [id] });
          return encoded;
        },
      ],
      ['that has expired', async () => (await make({ expiration: '1ms' })).encoded],
    ])('%s is refused', async (_which, key) => {
      const result = await tryKey(await key());
      expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_REFUSED', configPath: 'apiKey' });
    });

    test('without a right is told so', async () => {
      const { encoded } = await make({ role_descriptors: { nothing: { cluster: ['monitor'] } } });
      const result = await tryKey(encoded);
      expect(gist(result)).toEqual({ at: 'indices/list', code: 'PERMISSION_DENIED', configPath: 'apiKey' });
    });
  });
});
