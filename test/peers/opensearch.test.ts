import { beforeAll, expect, test } from 'vitest';
import { elasticsearch } from '../../src/connectors/elasticsearch/index.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { opensearchPeer } from '../support/real-peers/opensearch.ts';
import { describeSearch } from '../support/search-table.ts';
import { READER } from '../support/stands/elastic-family.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const START_MS = 180_000;

describePeer('OpenSearch, with its security plugin', opensearchPeer.programs, () => {
  const used = useStand(opensearchPeer.stand);
  beforeAll(used.shared, START_MS);

  describeCauses(opensearchPeer, used);
  describeSearch({ used, server: 'OpenSearch 2.19.4', other: elasticsearch, hasDataStreams: true });

  test('who gives an API key is told that it may know none', async () => {
    const result = await used.tryIt({ apiKey: READER.apiKey, username: undefined, password: undefined });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_REFUSED', configPath: 'apiKey' });
    expect(result.failure?.hint).toMatch(/no API keys/);
  });
});
