import { describe, expect, test } from 'vitest';
import { changedDestinations } from '../../src/connectors/kit/config/shape.ts';
import { s3 } from '../../src/connectors/s3/index.ts';
import { failureCodes } from '../../src/errors/check-failures.ts';
import { describeAwsRoles } from '../support/aws-role-table.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { S3_KEY, type S3Credentials, type S3Right } from '../support/peers/fake-s3.ts';
import { OBJECTS, s3Stand } from '../support/stands/s3.ts';
import { gist, testConnection } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

const { configFor, issue, start, tryAt, tryIt, tryWith } = useStand(s3Stand);
const EVERY_CHECK = ['bucket/head', 'objects/list', 'object/get', 'object/put'];

describe('a bucket that works', () => {
  test('passes every check, the writing one too, over one connection', async () => {
    const peer = await start();
    const changes = { path: 'exports/2026/a b.csv', pathKind: 'FILE' };
    const result = await tryAt(peer, changes, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'FakeS3/1.0', accessKeyId: 'AKIDEXAMPLE' },
      'bucket/head': { bucket: 'my-data', region: 'us-east-1' },
      'objects/list': { found: 'true' },
      'object/get': { bytes: '12' },
      'object/put': { written: 'true', removed: 'true' },
    });
    const put = peer.requests.find((request) => request.method === 'PUT');
    expect(put?.path).toMatch(/^\/my-data\/exports\/2026\/datastore-gateway-test-/);
    expect(peer.keys('my-data')).toEqual(Object.keys(OBJECTS));
    expect(peer.connections()).toBe(1);
  });

  test('reads and writes nothing by default', async () => {
    const peer = await start();
    const result = await tryAt(peer);
    expect(result.steps.slice(3)).toEqual([
      'session/authenticate: PASSED',
      'bucket/head: PASSED',
      'objects/list: PASSED',
    ]);
    expect(result.evidence['objects/list']).toEqual({ objects: '4', more: 'false' });
    expect(peer.requests.map((request) => request.method)).toEqual(['GET', 'GET', 'GET']);
  });

  test.each([
    ['exports', 'FOLDER', { objects: '3' }, 'PASSED'],
    ['nothing', 'FOLDER', { objects: '0' }, 'WARNING'],
    ['readme', 'FILE', { found: 'true' }, 'PASSED'],
    ["exports/2026/q's & <r>.csv", 'FILE', { found: 'true' }, 'PASSED'],
    ['exports/2026', 'FILE', { found: 'false' }, 'WARNING'],
  ])('the path %j, a %s, is looked for', async (path, pathKind, evidence, status) => {
    const result = await tryIt({ path, pathKind });
    expect(result.evidence['objects/list']).toMatchObject(evidence);
    expect(result.steps).toContain(`objects/list: ${status}`);
  });

  test.each<[string, Pick<S3Credentials, 'rights' | 'listsUnder'>, Record<string, string>, Record<string, string>]>([
    [
      'list one folder alone',
      { rights: ['list'], listsUnder: 'exports/' },
      { path: 'exports', pathKind: 'FOLDER' },
      { 'bucket/head': 'PASSED', 'objects/list': 'PASSED' },
    ],
    [
      'list one folder and read in it',
      { rights: ['list', 'get'], listsUnder: 'exports/' },
      { path: 'exports/empty', pathKind: 'FILE' },
      { 'bucket/head': 'PASSED', 'objects/list': 'PASSED', 'object/get': 'PASSED' },
    ],
    [
      'read objects alone',
      { rights: ['get'] },
      { path: 'readme', pathKind: 'FILE' },
      { 'bucket/head': 'WARNING', 'objects/list': 'WARNING', 'object/get': 'PASSED' },
    ],
  ])('a key that may %s passes by default', async (_title, rights, changes, steps) => {
    const result = await tryWith({ credentials: [{ ...S3_KEY, ...rights }] }, changes);
    expect(result.failure).toBeNull();
    expect(result.steps.slice(4)).toEqual(Object.entries(steps).map(([name, status]) => `${name}: ${status}`));
    for (const [name, status] of Object.entries(steps))
      if (status === 'WARNING')
        expect(result.evidence[name]).toEqual({
          missingRight: 's3:ListBucket',
          costs: expect.stringContaining('told'),
        });
  });

  test('an empty object can be read', async () => {
    const changes = { path: 'exports/empty', pathKind: 'FILE' };
    const result = await tryIt(changes, { methods: ['object/get'] });
    expect(result.evidence['object/get']).toEqual({ bytes: '0' });
  });

  test('takes temporary credentials', async () => {
    const result = await tryWith(
      { credentials: [{ ...S3_KEY, sessionToken: 'FwoGZXIvYXdzEJr//example==' }] },
      { sessionToken: 'FwoGZXIvYXdzEJr//example==' },
    );
    expect(result.failure).toBeNull();
  });

  test('is reached in its virtual-host style over TLS, and under a path', async () => {
    const certificate = await issue({ names: ['*.s3.example'] });
    const peer = await start({ certificate, domain: 's3.example' });
    const changes = {
      forcePathStyle: false,
    };
    const result = await tryAt(peer, changes);
    expect(result.failure).toBeNull();
    expect(peer.requests.map((request) => [request.headers.host, request.path])).toEqual(
      Array(3).fill(['my-data.s3.example', '/']),
    );
  });
});

describe('what goes wrong is named', () => {
  const temporary = { ...S3_KEY, accessKeyId: 'ASIATEMPORARY', sessionToken: 'token' };
  const expired = { ...temporary, accessKeyId: 'ASIAEXPIRED', expired: true };

  test.each([
    ['an unknown access key id', { accessKeyId: 'AKIDNOBODY' }, 'session/authenticate', 'KEY_REFUSED', 'accessKeyId'],
    ['a wrong secret', { secretAccessKey: 'wrong' }, 'session/authenticate', 'KEY_REFUSED', 'secretAccessKey'],
    [
      'a wrong session token',
      { accessKeyId: temporary.accessKeyId, sessionToken: 'other' },
      'session/authenticate',
      'KEY_REFUSED',
      'sessionToken',
    ],
    [
      'a session token left out',
      { accessKeyId: temporary.accessKeyId },
      'session/authenticate',
      'KEY_REFUSED',
      'accessKeyId',
    ],
    [
      'an expired session',
      { accessKeyId: expired.accessKeyId, sessionToken: 'token' },
      'session/authenticate',
      'TOKEN_EXPIRED',
      'sessionToken',
    ],
    ['a wrong region', { region: 'eu-central-1' }, 'session/authenticate', 'WRONG_REGION', 'region'],
    ['a bucket of another region', { bucket: 'elsewhere' }, 'session/authenticate', 'WRONG_REGION', 'region'],
    ['an unknown bucket', { bucket: 'nope' }, 'bucket/head', 'BUCKET_NOT_FOUND', 'bucket'],
    ['an unknown object', { path: 'nope', pathKind: 'FILE' }, 'object/get', 'OBJECT_NOT_FOUND', 'path'],
  ])('%s', async (_title, more, at, code, configPath) => {
    const methods = 'path' in more ? ['bucket/head', 'object/get'] : undefined;
    const result = await tryWith({ credentials: [S3_KEY, temporary, expired] }, more, methods ? { methods } : {});
    expect(gist(result)).toEqual({ at, code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test.each([
    ['the host', { baseUrl: 'https://my-data.s3.example' }],
    ['the path', { baseUrl: 'https://s3.example/my-data' }],
    ['the host twice', { baseUrl: 'https://my-data.s3.example', forcePathStyle: false }],
  ])('a bucket that stands in %s of the base URL as well', async (_where, changes) => {
    const certificate = await issue({ names: ['s3.example', '*.s3.example', '*.my-data.s3.example'] });
    const peer = await start({ certificate, domain: 's3.example' });
    for (const path of [{}, { path: 'exports', pathKind: 'FOLDER' }, { path: 'readme', pathKind: 'FILE' }]) {
      const result = await tryAt(peer, { ...changes, ...path });
      expect(gist(result)).toEqual({ at: 'bucket/head', code: 'BUCKET_NOT_FOUND', configPath: 'baseUrl' });
      expect(result.failure?.hint).toContain('stands in the base URL already');
    }
  });

  test('a bucket that stands in the host already, twice in a name that does not resolve', async () => {
    const unknown = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    const tryHost = (baseUrl: string) =>
      testConnection(s3, configFor({ baseUrl, forcePathStyle: false }), { lookup: () => Promise.reject(unknown) });
    const twice = await tryHost('https://my-data.s3.example');
    expect(gist(twice)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: 'baseUrl' });
    expect(twice.failure?.hint).toContain('stands in the base URL already');
    const once = await tryHost('https://s3.example');
    expect(gist(once)).toEqual(gist(twice));
    expect(once.failure?.hint).toBe(failureCodes.NAME_NOT_FOUND.hint);
  });

  test('a proxy that strips the path of the base URL breaks the signature', async () => {
    const result = await tryWith({ stripsPath: '/store' }, { baseUrl: 'https://s3.example/store' });
    expect(gist(result)).toEqual({ at: 'session/authenticate', code: 'KEY_REFUSED', configPath: 'baseUrl' });
    expect(result.failure?.hint).toMatch(/`secretAccessKey`.*strips the path of `baseUrl`/);
  });

  test('a wrong region shows the right one', async () => {
    const result = await tryIt({ bucket: 'elsewhere' });
    expect(result.evidence['session/authenticate']).toEqual({ region: 'eu-west-1', serverError: 'PermanentRedirect' });
  });

  test.each([-20, 20])('a clock that differs by %i minutes', async (clockAhead) => {
    expect(gist(await tryWith({ clockAhead }))).toMatchObject({
      at: 'session/authenticate',
      code: 'CLOCK_SKEW',
    });
  });

  test.each<[string, S3Right[], string]>([
    // whether the object can be read is told by reading it
    ['no right at all', [], 'object/get'],
    ['no right to read', ['list'], 'object/get'],
    ['no right to write', ['list', 'get'], 'object/put'],
    ['no right to delete', ['list', 'get', 'put'], 'object/put'],
  ])('%s', async (_title, rights, at) => {
    const changes = { path: 'readme', pathKind: 'FILE' };
    const result = await tryWith({ credentials: [{ ...S3_KEY, rights }] }, changes, { methods: EVERY_CHECK });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' });
    expect(result.failure?.hint?.includes('remains')).toBe(rights.includes('put'));
  });

  test.each([401, 403, 404])('a %i that is not S3’s', async (status) => {
    expect(gist(await tryWith({ misbehave: { status } }))).toEqual({
      at: 'session/authenticate',
      code: 'PROTOCOL_MISMATCH',
      configPath: 'baseUrl',
    });
  });
});

describeHttpFaults(s3Stand);

describe('the config', () => {
  const base = configFor({ region: 'eu-central-1', baseUrl: undefined });

  test.each([
    [{}, { host: 'my-data.s3.eu-central-1.amazonaws.com', port: 443, hostPath: 'region' }],
    [{ forcePathStyle: true }, { host: 's3.eu-central-1.amazonaws.com', port: 443 }],
    [{ bucket: 'my.data' }, { host: 's3.eu-central-1.amazonaws.com', port: 443 }],
    [{ region: 'cn-north-1' }, { host: 'my-data.s3.cn-north-1.amazonaws.com.cn', port: 443 }],
    [{ region: 'us-gov-west-1' }, { host: 'my-data.s3.us-gov-west-1.amazonaws.com', port: 443 }],
    [
      { baseUrl: 'https://abc.r2.cloudflarestorage.com', region: 'auto' },
      { host: 'abc.r2.cloudflarestorage.com', port: 443 },
    ],
    [
      { baseUrl: 'https://minio.example:9000', forcePathStyle: false },
      { host: 'my-data.minio.example', port: 9000 },
    ],
  ])('of %j leads to %j', (more, target) => {
    expect(s3.targets(s3.config.parse({ ...base, ...more }))).toMatchObject([target]);
  });

  describeBadConfigs({ connector: s3, config: base }, [
    ['a region that is a host', { region: 'evil.example/#' }, 'region', 'INVALID_FORMAT'],
    ['no region of AWS', { region: 'auto' }, 'region', 'INVALID_COMBINATION'],
    ['a bucket that is a host', { bucket: 'x.evil.example/' }, 'bucket', 'INVALID_FORMAT'],
    [
      'a bucket that fits in no host name',
      { bucket: 'My_Data', forcePathStyle: false },
      'bucket',
      'INVALID_COMBINATION',
    ],
    ['an empty access key id', { accessKeyId: '' }, 'accessKeyId', 'TOO_SHORT'],
    ['an access key id with a slash', { accessKeyId: 'a/b' }, 'accessKeyId', 'INVALID_FORMAT'],
    ['a secret with a line break', { secretAccessKey: 'a\nb' }, 'secretAccessKey', 'INVALID_FORMAT'],
    ['clear text without saying so', { baseUrl: 'http://minio.example' }, 'baseUrl', 'INVALID_COMBINATION'],
    ['a weaker TLS mode for AWS', { tls: { mode: 'REQUIRE' } }, 'tls.mode', 'INVALID_COMBINATION'],
    ['a kind of path without a path', { pathKind: 'FILE' }, 'pathKind', 'INVALID_COMBINATION'],
    ['an object whose key ends in a slash', { path: 'a/', pathKind: 'FILE' }, 'path', 'INVALID_COMBINATION'],
    ['a path with a slash before it', { path: '/a' }, 'path', 'INVALID_FORMAT'],
    [
      'virtual-host style with an address',
      { baseUrl: 'https://127.0.0.1:9000', forcePathStyle: false },
      'forcePathStyle',
      'INVALID_COMBINATION',
    ],
  ]);
});

describe('the bucket as a destination', () => {
  const changed = (more: object) => {
    const config = (bucket: string) => s3.config.parse({ ...s3Stand.config, tls: undefined, ...more, bucket });
    return changedDestinations(s3, config('one'), config('two'));
  };

  test('is one where it is a part of a host that the base URL decides', () => {
    expect(changed({ baseUrl: 'https://store.example', forcePathStyle: false })).toEqual(['bucket']);
  });

  test.each([
    ['in the path of the base URL', { baseUrl: 'https://store.example' }],
    ['in the path by request', { baseUrl: 'https://store.example', forcePathStyle: true }],
    ['before a host of AWS', { baseUrl: undefined, region: 'eu-central-1', forcePathStyle: false }],
  ])('is none %s', (_where, more) => {
    expect(changed(more)).toEqual([]);
  });
});

describe('buckets of others', () => {
  test('one whose requester pays is read by who says so, with every request', async () => {
    const buckets = { 'my-data': { objects: OBJECTS, requesterPays: true } };
    const changes = { path: 'readme', pathKind: 'FILE' };
    const result = await tryWith({ buckets }, { ...changes, requesterPays: true }, { methods: EVERY_CHECK });
    expect(result.failure).toBeNull();
    expect(gist(await tryWith({ buckets }))).toMatchObject({ at: 'bucket/head', code: 'PERMISSION_DENIED' });
  });

  test('one of another tenant of Ceph stands in the path behind that', async () => {
    const peer = await start({ buckets: { 'tenant_1:my-data': { objects: OBJECTS } } });
    const result = await tryAt(peer, { bucket: 'tenant_1:my-data' }, { methods: ['bucket/head', 'objects/list'] });
    expect(result.failure).toBeNull();
    expect(peer.requests[0]?.target).toMatch(/^\/tenant_1%3Amy-data\?/);
  });
});

describeAwsRoles({
  connector: s3,
  configFor,
  tryWith: (sts, changes) => tryWith({ sts }, changes),
  key: S3_KEY,
  region: 'us-east-1',
});
