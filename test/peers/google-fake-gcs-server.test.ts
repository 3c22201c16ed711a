import { afterAll, beforeAll, expect, test } from 'vitest';
import { FAKE_GCS_SERVER, startFakeGcsServer } from '../support/peers/fake-gcs-server.ts';
import { describePeer } from '../support/peers/installed.ts';
import type { StartedTool } from '../support/peers/started-tool.ts';
import { googleCloudStorageStand } from '../support/stands/google-cloud-storage.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const EVERY_CHECK = { methods: ['bucket/head', 'objects/list', 'object/put'] };

describePeer('Google Cloud Storage against fake-gcs-server', FAKE_GCS_SERVER, () => {
  const { issue, tryAt } = useStand(googleCloudStorageStand);
  let server: StartedTool;
  beforeAll(async () => {
    const many = Array.from({ length: 130 }, (_each, at) => `part-${at}.csv`);
    server = await startFakeGcsServer(await issue(), { 'my-data': ['a.csv', 'b c ü.csv'], 'my.many': many });
  });
  afterAll(() => server?.stop());

  test('every check passes, the writing one too, and leaves nothing', async () => {
    for (const objects of ['2', '2']) {
      const result = await tryAt(server, {}, EVERY_CHECK);
      expect(result.failure).toBeNull();
      expect(result.evidence).toMatchObject({
        'bucket/head': { bucket: 'my-data', location: 'US-CENTRAL1' },
        'objects/list': { objects, more: 'false' },
        'object/put': { written: 'true', removed: 'true' },
      });
    }
  });

  test('more objects than are counted', async () => {
    const result = await tryAt(server, { bucket: 'my.many' });
    expect(result.failure).toBeNull();
    expect(result.evidence['objects/list']).toMatchObject({ objects: '100', more: 'true' });
  });

  test('a bucket that is none', async () => {
    const result = await tryAt(server, { bucket: 'nope' });
    expect(gist(result)).toEqual({ at: 'bucket/head', code: 'BUCKET_NOT_FOUND', configPath: 'bucket' });
  });
});
