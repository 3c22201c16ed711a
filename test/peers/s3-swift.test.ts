import { beforeAll, describe, expect, test } from 'vitest';
import { s3 } from '../../src/connectors/s3/index.ts';
import { describeCauses } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { BUCKETS_DOMAIN, type SwiftServer } from '../support/peers/swift.ts';
import { OBJECTS, swiftPeer } from '../support/real-peers/swift.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const EVERY_CHECK = ['bucket/head', 'objects/list', 'object/get', 'object/put'];

describePeer('S3 against Swift', swiftPeer.programs, () => {
  const used = useStand(swiftPeer.stand);
  let swift: SwiftServer;

  beforeAll(async () => {
    ({ swift } = await used.shared());
  }, 90_000);

  describeCauses(swiftPeer, used);

  function configFor(more: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      ...swift.owner,
      region: swift.region,
      bucket: 'my-data',
      baseUrl: swift.url,
      tls: { mode: 'DISABLE' },
      ...more,
    };
  }

  test('every check passes, the writing one too', async () => {
    const config = configFor({ path: 'exports/a b & ü.csv', pathKind: 'FILE' });
    const result = await testConnection(s3, config, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'bucket/head': { bucket: 'my-data' },
      'objects/list': { found: 'true' },
      'object/get': { bytes: '12' },
      'object/put': { written: 'true', removed: 'true' },
    });
    expect(await swift.keys('my-data')).toEqual(Object.keys(OBJECTS).sort());
  });

  test('every check passes in the virtual-host style, and a bucket that is not there is named', async () => {
    const baseUrl = `http://${BUCKETS_DOMAIN}:${new URL(swift.url).port}`;
    const at = async (bucket: string) => {
      const config = configFor({ baseUrl, bucket, forcePathStyle: false, path: 'readme', pathKind: 'FILE' });
      const lookup = async (host: string) => {
        expect(host).toBe(`${bucket}.${BUCKETS_DOMAIN}`);
        return ['127.0.0.1'];
      };
      return testConnection(s3, config, { methods: EVERY_CHECK, lookup });
    };
    expect((await at('my-data')).failure).toBeNull();
    expect(gist(await at('nope'))).toMatchObject({ code: 'BUCKET_NOT_FOUND', configPath: 'bucket' });
  });

  test('an empty object can be read', async () => {
    const config = configFor({ path: 'exports/empty', pathKind: 'FILE' });
    const result = await testConnection(s3, config, { methods: ['object/get'] });
    expect(result.evidence['object/get']).toEqual({ bytes: '0' });
  });

  test.each([
    ['exports', '2'],
    ['nothing', '0'],
  ])('the objects in the folder %s are counted', async (path, objects) => {
    const result = await testConnection(s3, configFor({ path, pathKind: 'FOLDER' }));
    expect(result.evidence['objects/list']).toMatchObject({ objects, more: 'false' });
  });

  describe('the least rights', () => {
    const READABLE = 'exports/readable.csv';
    const asGuest = (more: Record<string, unknown>) => ({
      ...configFor({ baseUrl: swift.aclUrl, ...more }),
      ...swift.guest,
    });
    const grant = { 'x-amz-grant-read': `id="test:guest"` };

    beforeAll(async () => {
      // the right to read a bucket is that to list it; who may read an object, the object says
      await swift.askS3('PUT', '/listed', grant);
      await swift.askS3('PUT', '/listed/exports/closed.csv', {}, 'id,name');
      await swift.askS3('PUT', '/unlisted');
      await swift.askS3('PUT', `/unlisted/${READABLE}`, grant, 'id,name');
      await swift.askS3('PUT', '/closed');
    });

    test.each([
      ['the bucket', {}],
      ['a folder', { path: 'exports', pathKind: 'FOLDER' }],
    ])('s3:ListBucket passes every check of %s', async (_what, path) => {
      const result = await testConnection(s3, asGuest({ bucket: 'listed', ...path }));
      expect(result.failure).toBeNull();
      expect(result.steps.slice(-2)).toEqual(['bucket/head: PASSED', 'objects/list: PASSED']);
      expect(result.evidence['objects/list']).toMatchObject({ objects: '1' });
    });

    test('s3:GetObject passes every check of one object, with warnings', async () => {
      const result = await testConnection(s3, asGuest({ bucket: 'unlisted', path: READABLE, pathKind: 'FILE' }));
      expect(result.failure).toBeNull();
      expect(result.steps.slice(-3)).toEqual(['bucket/head: WARNING', 'objects/list: WARNING', 'object/get: PASSED']);
    });

    test.each([
      ['s3:ListBucket', { bucket: 'closed' }, 'bucket/head', undefined],
      [
        's3:GetObject',
        { bucket: 'listed', path: 'exports/closed.csv', pathKind: 'FILE' },
        'object/get',
        'Grant s3:GetObject',
      ],
    ])('without %s the check that needs it says so', async (_right, more, at, hint = 'Grant') => {
      const result = await testConnection(s3, asGuest(more));
      expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' });
      expect(result.failure?.hint).toContain(hint);
      expect(result.evidence[at]).toMatchObject({ serverError: 'AccessDenied' });
    });
  });

  describe('what goes wrong is named', () => {
    test.each([
      ['a wrong region', { region: 'us-east-1' }, 'session/authenticate', 'WRONG_REGION', 'region'],
      ['an unknown object', { path: 'nope', pathKind: 'FILE' }, 'object/get', 'OBJECT_NOT_FOUND', 'path'],
    ])('%s', async (_title, more, at, code, configPath) => {
      const methods = 'path' in more ? ['object/get'] : undefined;
      const result = await testConnection(s3, configFor(more), methods ? { methods } : {});
      expect(gist(result)).toEqual({ at, code, configPath });
    });
  });
});
