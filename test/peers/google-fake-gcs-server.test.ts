import { expect, test } from 'vitest';
import { describeRealPeer } from '../support/peer-causes.ts';
import { fakeGcsServer } from '../support/real-peers/fake-gcs-server.ts';

const EVERY_CHECK = { methods: ['bucket/head', 'objects/list', 'object/put'] };

describeRealPeer(fakeGcsServer, ({ tryIt }) => {
  test('every check passes, the writing one too, and leaves nothing', async () => {
    for (const objects of ['2', '2']) {
      const result = await tryIt({}, EVERY_CHECK);
      expect(result.failure).toBeNull();
      expect(result.evidence).toMatchObject({
        'bucket/head': { bucket: 'my-data', location: 'US-CENTRAL1' },
        'objects/list': { objects, more: 'false' },
        'object/put': { written: 'true', removed: 'true' },
      });
    }
  });

  test('more objects than are counted', async () => {
    const result = await tryIt({ bucket: 'my.many' });
    expect(result.failure).toBeNull();
    expect(result.evidence['objects/list']).toMatchObject({ objects: '100', more: 'true' });
  });
});
