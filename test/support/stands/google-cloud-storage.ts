import { googleCloudStorage } from '../../../src/connectors/google-cloud-storage/index.ts';
import { type FakeGcs, type FakeGcsOptions, startFakeGcs } from '../peers/fake-gcs.ts';
import { ACTED_AS, createFakeGoogleSts, issuer, PROVIDER } from '../peers/fake-google-sts.ts';
import { createGoogleAccount } from '../peers/google-token.ts';
import type { Stand } from './stand.ts';

export const ACCOUNT = createGoogleAccount();
/** A key file as Google makes it, its keys in the API's spelling. */
export const KEY_FILE = {
  type: 'service_account',
  projectId: 'my-project',
  privateKeyId: ACCOUNT.keyId,
  privateKey: ACCOUNT.privateKey,
  clientEmail: ACCOUNT.email,
  clientId: '1234567890',
  authUri: 'https://accounts.google.com/o/oauth2/auth',
  tokenUri: 'https://oauth2.googleapis.com/token',
  authProviderX509CertUrl: 'https://www.googleapis.com/oauth2/v1/certs',
  clientX509CertUrl: 'https://www.googleapis.com/robot/v1/metadata/x509/reader%40my-project.iam.gserviceaccount.com',
};

export const googleCloudStorageStand: Stand<Partial<FakeGcsOptions>, FakeGcs> = {
  connector: googleCloudStorage,
  config: { bucket: 'my-data', credentials: KEY_FILE },
  start: (certificate, options) =>
    startFakeGcs({
      certificate,
      account: ACCOUNT,
      buckets: { 'my-data': ['a.csv', 'b.csv'], 'another.bucket': [] },
      ...options,
    }),
  trials: {
    'wrong password or key': {
      change: { 'credentials.privateKey': createGoogleAccount().privateKey },
      code: 'KEY_REFUSED',
      configPath: 'credentials.privateKey',
    },
    'unknown user': {
      change: { 'credentials.clientEmail': 'nobody@my-project.iam.gserviceaccount.com' },
      code: 'KEY_REFUSED',
      configPath: 'credentials.privateKey',
    },
    'missing name': { change: { bucket: 'nope' }, code: 'BUCKET_NOT_FOUND', configPath: 'bucket' },
    'no right': { options: { rights: [] }, code: 'PERMISSION_DENIED', configPath: 'credentials.clientEmail' },
  },
};

/** The same for who signs in by workload identity federation. */
export const federatedGcsStand: typeof googleCloudStorageStand = {
  ...googleCloudStorageStand,
  config: {
    bucket: 'my-data',
    workloadIdentity: { audience: PROVIDER, token: issuer.token(), serviceAccountEmail: ACTED_AS },
  },
  start: (certificate, options) =>
    googleCloudStorageStand.start(certificate, { sts: createFakeGoogleSts(), ...options }),
  trials: {
    ...googleCloudStorageStand.trials,
    'wrong password or key': {
      change: { 'workloadIdentity.token': 'no-token' },
      code: 'KEY_REFUSED',
      configPath: 'workloadIdentity.token',
    },
  },
};
