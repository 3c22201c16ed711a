import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { googleCloudStorage } from '../../src/connectors/google-cloud-storage/index.ts';
import { describeBadConfigs } from '../support/bad-configs.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { PRIVATE_KEY } from '../support/inputs.ts';
import { ACCOUNT, googleCloudStorageStand, KEY_FILE } from '../support/stands/google-cloud-storage.ts';
import { gist } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';
import { describeWorkloadIdentity } from '../support/workload-identity-table.ts';

const { configFor, hosts, issue, keep, start, tryAt, tryIt, tryWith } = useStand(googleCloudStorageStand);

describe('a bucket whose requester pays', () => {
  const payer = 'my-project-123';
  const EVERY = ['bucket/head', 'objects/list', 'object/put'];

  test('is read and written by who names a project that pays', async () => {
    const peer = await start({ payer });
    const result = await tryAt(peer, { userProject: payer }, { methods: EVERY });
    expect(result.failure).toBeNull();
    expect(peer.requests.every(({ query }) => query.get('userProject') === payer)).toBe(true);
  });

  test.each([
    ['no project', undefined, 'PERMISSION_DENIED'],
    ['a project that the account may not use', 'another-project', 'PERMISSION_DENIED'],
    ['a project that is none', 'no-such-project', 'RESOURCE_NOT_FOUND'],
  ])('%s is told', async (_title, userProject, code) => {
    const result = await tryWith({ payer }, { userProject });
    expect(gist(result)).toEqual({ at: 'bucket/head', code, configPath: 'userProject' });
    expect(result.failure?.hint).toMatch(/`userProject`/);
  });

  test('names no project where none is given', async () => {
    const peer = await start();
    expect((await tryAt(peer)).failure).toBeNull();
    expect(peer.requests.some(({ query }) => query.has('userProject'))).toBe(false);
  });
});

describeWorkloadIdentity({
  connector: googleCloudStorage,
  configFor,
  tryWith: async (sts, changes, more) => {
    const names = [...hosts, 'sts.googleapis.com', 'iamcredentials.googleapis.com'];
    return tryAt(await keep(googleCloudStorageStand.start(await issue({ names }), { sts, ...more })), changes);
  },
  scope: 'https://www.googleapis.com/auth/devstorage.read_only',
});

describe('a bucket that works', () => {
  test('passes every check, the writing one too, over one connection', async () => {
    const peer = await start();
    const result = await tryAt(peer, {}, { methods: ['bucket/head', 'objects/list', 'object/put'] });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Google Cloud Storage', account: ACCOUNT.email },
      'bucket/head': { bucket: 'my-data', location: 'EU', storageClass: 'STANDARD' },
      'objects/list': { objects: '2', more: 'false' },
      'object/put': { written: 'true', removed: 'true' },
    });
    expect(peer.requests.some((request) => request.path.startsWith('/upload/'))).toBe(true);
    expect(peer.objects('my-data')).toEqual(['a.csv', 'b.csv']);
    expect(peer.connections()).toBe(1);
  });

  test('writes nothing by default', async () => {
    const peer = await start();
    const result = await tryAt(peer);
    expect(result.status).toBe('PASSED');
    expect(peer.requests.map((request) => request.method)).toEqual(['GET', 'GET', 'GET']);
  });

  test('asks for no more than the right to read when it reads', async () => {
    const peer = await start();
    await tryAt(peer);
    const claims = peer.requests.map((request) => {
      const payload = request.headers.authorization?.split('.')[1] ?? '';
      return JSON.parse(Buffer.from(payload, 'base64url').toString());
    });
    expect(claims.map((each) => each.scope)).toEqual(
      Array(3).fill('https://www.googleapis.com/auth/devstorage.read_only'),
    );
    expect(claims.map((each) => each.exp - each.iat)).toEqual([300, 300, 300]);
  });

  test('may keep its own data from those who only list objects', async () => {
    const result = await tryWith({ rights: ['objects.list'] });
    expect(result.status).toBe('PASSED');
    expect(result.evidence['bucket/head']).toEqual({ bucket: 'my-data', metadata: 'not readable' });
  });

  test('takes a key whose line breaks are written as \\n', async () => {
    const result = await tryIt({ 'credentials.privateKey': ACCOUNT.privateKey.replaceAll('\n', '\\n') });
    expect(result.failure).toBeNull();
  });

  test('lies in another universe where the key says so', () => {
    const config = googleCloudStorage.config.parse(configFor({ 'credentials.universeDomain': 'Example-Cloud.goog' }));
    expect(googleCloudStorage.targets(config)).toMatchObject([
      { host: 'storage.example-cloud.goog', port: 443, hostPath: 'credentials.universeDomain' },
    ]);
  });
});

describe('what goes wrong is named', () => {
  const otherKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const curveKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });

  test.each([
    ['another key', { 'credentials.privateKey': otherKey }, 'KEY_REFUSED', 'credentials.privateKey'],
    [
      'another account',
      { 'credentials.clientEmail': 'other@my-project.iam.gserviceaccount.com' },
      'KEY_REFUSED',
      'credentials.privateKey',
    ],
    ['a key that is not RSA', { 'credentials.privateKey': curveKey }, 'KEY_UNUSABLE', 'credentials.privateKey'],
    ['a broken key', { 'credentials.privateKey': PRIVATE_KEY }, 'KEY_UNUSABLE', 'credentials.privateKey'],
  ])('%s', async (_title, changes, code, configPath) => {
    const result = await tryIt(changes);
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('a clock that is an hour behind', async () => {
    expect(gist(await tryWith({ clockAhead: 3600 }))).toMatchObject({
      at: 'session/authenticate',
      code: 'KEY_REFUSED',
    });
  });

  test('an unknown bucket', async () => {
    const result = await tryIt({ bucket: 'nope' });
    expect(gist(result)).toEqual({ at: 'bucket/head', code: 'BUCKET_NOT_FOUND', configPath: 'bucket' });
  });

  test.each([
    ['no right at all', [], 'bucket/head'],
    ['only the bucket', ['buckets.get'], 'objects/list'],
    ['no right to write', ['buckets.get', 'objects.list'], 'object/put'],
    ['no right to delete', ['buckets.get', 'objects.list', 'objects.create'], 'object/put'],
  ] as const)('%s', async (_title, rights, at) => {
    const result = await tryWith({ rights }, {}, { methods: ['bucket/head', 'objects/list', 'object/put'] });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' });
  });

  test('that an object remains which may not be deleted', async () => {
    const peer = await start({ rights: ['buckets.get', 'objects.create'] });
    const result = await tryAt(peer, {}, { methods: ['object/put'] });
    expect(result.failure?.hint).toContain('remains');
    expect(peer.objects('my-data')).toHaveLength(3);
  });

  test('a redirect, without following it', async () => {
    const peer = await start({ misbehave: { status: 302 } });
    expect(gist(await tryAt(peer))).toMatchObject({ at: 'session/authenticate', code: 'PROTOCOL_MISMATCH' });
    expect(peer.requests).toHaveLength(1);
  });

  test.each([401, 403, 404])('a %i that is not Google’s', async (status) => {
    expect(gist(await tryWith({ misbehave: { status } }))).toMatchObject({
      at: 'session/authenticate',
      code: 'PROTOCOL_MISMATCH',
    });
  });
});

describeHttpFaults(googleCloudStorageStand);

describeBadConfigs(googleCloudStorageStand, [
  [
    'credentials that are no service account’s',
    { 'credentials.type': 'external_account' },
    'credentials.type',
    'INVALID_VALUE',
  ],
  [
    'a token URI of someone else',
    { 'credentials.tokenUri': 'https://evil.example/token' },
    'credentials.tokenUri',
    'INVALID_VALUE',
  ],
  [
    'a certificate URL that goes on',
    { 'credentials.clientX509CertUrl': `${KEY_FILE.clientX509CertUrl}/../x` },
    'credentials.clientX509CertUrl',
    'INVALID_VALUE',
  ],
  [
    'an auth URI with user info',
    { 'credentials.authUri': 'https://accounts.google.com@evil.example/o/oauth2/auth' },
    'credentials.authUri',
    'INVALID_VALUE',
  ],
  [
    'a universe that is an address',
    { 'credentials.universeDomain': '127.0.0.1' },
    'credentials.universeDomain',
    'INVALID_FORMAT',
  ],
  [
    'a private key that is a path',
    { 'credentials.privateKey': '/etc/key.pem' },
    'credentials.privateKey',
    'INVALID_FORMAT',
  ],
]);

test.each(['gs://my-data', 'My-Data', 'a', 'my data', '../x'])('the config refuses the bucket %j', (bucket) => {
  expect(googleCloudStorage.config.safeParse(configFor({ bucket })).success).toBe(false);
});
