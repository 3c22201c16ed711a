import { s3 } from '../../../src/connectors/s3/index.ts';
import { type FakeS3, type FakeS3Options, S3_KEY, startFakeS3 } from '../peers/fake-s3.ts';
import type { Stand } from './stand.ts';

export const S3_STRANGER = { accessKeyId: 'AKIDSTRANGER', secretAccessKey: 'a-secret-of-the-stranger' };
/** Key to content. */
export const OBJECTS = {
  'exports/2026/a b.csv': 'id,name\n1,x\n',
  "exports/2026/q's & <r>.csv": 'x',
  'exports/empty': '',
  readme: 'hello',
};

export const s3Stand: Stand<FakeS3Options, FakeS3> = {
  connector: s3,
  config: { ...S3_KEY, region: 'us-east-1', bucket: 'my-data', baseUrl: 'https://s3.example' },
  clearText: { baseUrl: 'http://s3.example', tls: { mode: 'DISABLE' } },
  places: ['sts.us-east-1.amazonaws.com:443'],
  start: (certificate, options) =>
    startFakeS3({
      certificate,
      credentials: [S3_KEY, { ...S3_STRANGER, rights: [] }],
      buckets: { 'my-data': { objects: OBJECTS }, elsewhere: { region: 'eu-west-1' } },
      ...options,
    }),
  trials: {
    'wrong password or key': {
      change: { secretAccessKey: 'wrong' },
      code: 'KEY_REFUSED',
      configPath: 'secretAccessKey',
    },
    'unknown user': { change: { accessKeyId: 'AKIDNOBODY' }, code: 'KEY_REFUSED', configPath: 'accessKeyId' },
    'missing name': { change: { bucket: 'nope' }, code: 'BUCKET_NOT_FOUND', configPath: 'bucket' },
    'no right': { change: S3_STRANGER, code: 'PERMISSION_DENIED', configPath: 'accessKeyId' },
  },
};
