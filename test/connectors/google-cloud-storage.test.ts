import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { googleCloudStorage } from '../../src/connectors/google-cloud-storage/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeHttpFaults } from '../support/http-faults.ts';
import { PRIVATE_KEY } from '../support/inputs.ts';
import { type FakeGcs, type FakeGcsOptions, startFakeGcs } from '../support/peers/fake-gcs.ts';
import { createGoogleAccount } from '../support/peers/google-token.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const HOST = 'storage.googleapis.com';
const account = createGoogleAccount();
const peers: FakeGcs[] = [];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer.close()));
});

async function startGcs(options: Partial<FakeGcsOptions> = {}): Promise<FakeGcs> {
  const certificate = await authority.issue({ names: [HOST] });
  const buckets = { 'my-data': ['a.csv', 'b.csv'], 'another.bucket': [] };
  const peer = await startFakeGcs({ account, certificate, buckets, ...options });
  peers.push(peer);
  return peer;
}

const KEY_FILE = {
  type: 'service_account',
  projectId: 'my-project',
  privateKeyId: account.keyId,
  privateKey: account.privateKey,
  clientEmail: account.email,
  clientId: '1234567890',
  authUri: 'https://accounts.google.com/o/oauth2/auth',
  tokenUri: 'https://oauth2.googleapis.com/token',
  authProviderX509CertUrl: 'https://www.googleapis.com/oauth2/v1/certs',
  clientX509CertUrl: 'https://www.googleapis.com/robot/v1/metadata/x509/reader%40my-project.iam.gserviceaccount.com',
};

function configFor(more: Record<string, unknown> = {}, credentials: Record<string, unknown> = {}) {
  return { bucket: 'my-data', credentials: { ...KEY_FILE, ...credentials }, ...more };
}

function tryGcs(peer: FakeGcs, config = configFor(), options: TestConnectionOptions = {}): Promise<TestedConnection> {
  const names = { [`${HOST}:443`]: `127.0.0.1:${peer.port}` };
  return testConnection(googleCloudStorage, config, { names, extraCa: authority.certificate, ...options });
}

describe('a bucket that works', () => {
  test('passes every check, the writing one too, over one connection', async () => {
    const peer = await startGcs();
    const result = await tryGcs(peer, configFor(), { methods: ['bucket/head', 'objects/list', 'object/put'] });
    expect(result.failure).toBeNull();
    expect(result.evidence).toMatchObject({
      'session/authenticate': { server: 'Google Cloud Storage', account: account.email },
      'bucket/head': { bucket: 'my-data', location: 'EU', storageClass: 'STANDARD' },
      'objects/list': { objects: '2', more: 'false' },
      'object/put': { written: 'true', removed: 'true' },
    });
    expect(peer.requests.some((request) => request.path.startsWith('/upload/'))).toBe(true);
    expect(peer.objects('my-data')).toEqual(['a.csv', 'b.csv']);
    expect(peer.connections()).toBe(1);
  });

  test('writes nothing by default', async () => {
    const peer = await startGcs();
    const result = await tryGcs(peer);
    expect(result.status).toBe('PASSED');
    expect(peer.requests.map((request) => request.method)).toEqual(['GET', 'GET', 'GET']);
  });

  test('asks for no more than the right to read when it reads', async () => {
    const peer = await startGcs();
    await tryGcs(peer);
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
    const peer = await startGcs({ rights: ['objects.list'] });
    const result = await tryGcs(peer);
    expect(result.status).toBe('PASSED');
    expect(result.evidence['bucket/head']).toEqual({ bucket: 'my-data', metadata: 'not readable' });
  });

  test('takes a key whose line breaks are written as \\n', async () => {
    const peer = await startGcs();
    const result = await tryGcs(peer, configFor({}, { privateKey: account.privateKey.replaceAll('\n', '\\n') }));
    expect(result.failure).toBeNull();
  });

  test('lies in another universe where the key says so', () => {
    const config = googleCloudStorage.config.parse(configFor({}, { universeDomain: 'Example-Cloud.goog' }));
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
    ['another key', { privateKey: otherKey }, 'KEY_REFUSED', 'credentials.privateKey'],
    [
      'another account',
      { clientEmail: 'other@my-project.iam.gserviceaccount.com' },
      'KEY_REFUSED',
      'credentials.privateKey',
    ],
    ['no key', { privateKey: undefined }, 'CREDENTIALS_REQUIRED', 'credentials.privateKey'],
    ['a key that is not RSA', { privateKey: curveKey }, 'KEY_UNUSABLE', 'credentials.privateKey'],
    ['a broken key', { privateKey: PRIVATE_KEY }, 'KEY_UNUSABLE', 'credentials.privateKey'],
  ])('%s', async (_title, credentials, code, configPath) => {
    const peer = await startGcs();
    const result = await tryGcs(peer, configFor({}, credentials));
    expect(gist(result)).toEqual({ at: 'session/authenticate', code, configPath });
    expect(result.failure?.hint).toBeTruthy();
  });

  test('a clock that is an hour behind', async () => {
    const peer = await startGcs({ clockAhead: 3600 });
    expect(gist(await tryGcs(peer))).toMatchObject({ at: 'session/authenticate', code: 'KEY_REFUSED' });
  });

  test('an unknown bucket', async () => {
    const peer = await startGcs();
    const result = await tryGcs(peer, configFor({ bucket: 'nope' }));
    expect(gist(result)).toEqual({ at: 'bucket/head', code: 'BUCKET_NOT_FOUND', configPath: 'bucket' });
  });

  test.each([
    ['no right at all', [], 'bucket/head'],
    ['only the bucket', ['buckets.get'], 'objects/list'],
    ['no right to write', ['buckets.get', 'objects.list'], 'object/put'],
    ['no right to delete', ['buckets.get', 'objects.list', 'objects.create'], 'object/put'],
  ] as const)('%s', async (_title, rights, at) => {
    const peer = await startGcs({ rights });
    const result = await tryGcs(peer, configFor(), { methods: ['bucket/head', 'objects/list', 'object/put'] });
    expect(gist(result)).toEqual({ at, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' });
  });

  test('that an object remains which may not be deleted', async () => {
    const peer = await startGcs({ rights: ['buckets.get', 'objects.create'] });
    const result = await tryGcs(peer, configFor(), { methods: ['object/put'] });
    expect(result.failure?.hint).toContain('remains');
    expect(peer.objects('my-data')).toHaveLength(3);
  });

  test('a redirect, without following it', async () => {
    const peer = await startGcs({ misbehave: { status: 302 } });
    expect(gist(await tryGcs(peer))).toMatchObject({ at: 'session/authenticate', code: 'UNEXPECTED_ANSWER' });
    expect(peer.requests).toHaveLength(1);
  });

  test.each([401, 403, 404])('a %i that is not Google’s', async (status) => {
    const peer = await startGcs({ misbehave: { status } });
    expect(gist(await tryGcs(peer))).toMatchObject({ at: 'session/authenticate', code: 'UNEXPECTED_ANSWER' });
  });
});

describeHttpFaults({
  connector: googleCloudStorage,
  start: startGcs,
  name: HOST,
  fixedHost: true,
  config: () => configFor(),
  ways: (port, extraCa) => ({ names: { [`${HOST}:443`]: `127.0.0.1:${port}` }, extraCa }),
  hostPath: null,
  portPath: null,
});

describe('the config', () => {
  test.each([
    ['credentials that are no service account’s', { type: 'external_account' }, 'type', 'INVALID_VALUE'],
    ['a token URI of someone else', { tokenUri: 'https://evil.example/token' }, 'tokenUri', 'INVALID_VALUE'],
    [
      'a certificate URL that goes on',
      { clientX509CertUrl: `${KEY_FILE.clientX509CertUrl}/../x` },
      'clientX509CertUrl',
      'INVALID_VALUE',
    ],
    [
      'an auth URI with user info',
      { authUri: 'https://accounts.google.com@evil.example/o/oauth2/auth' },
      'authUri',
      'INVALID_VALUE',
    ],
    ['a universe that is an address', { universeDomain: '127.0.0.1' }, 'universeDomain', 'INVALID_FORMAT'],
    ['a private key that is a path', { privateKey: '/etc/key.pem' }, 'privateKey', 'INVALID_FORMAT'],
  ])('refuses %s', (_title, credentials, path, code) => {
    const { error } = googleCloudStorage.config.safeParse(configFor({}, credentials));
    expect(
      error?.issues.map((each) => [each.path.join('.'), 'params' in each ? each.params?.code : undefined]),
    ).toEqual([[`credentials.${path}`, code]]);
  });

  test.each(['gs://my-data', 'My-Data', 'a', 'my data', '../x'])('refuses the bucket %j', (bucket) => {
    expect(googleCloudStorage.config.safeParse(configFor({ bucket })).success).toBe(false);
  });
});
