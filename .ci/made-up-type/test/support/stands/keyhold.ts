import { keyhold } from '../../../src/connectors/keyhold/index.ts';
import { type FakeKeyholdOptions, startFakeKeyhold } from '../peers/fake-keyhold.ts';
import type { HttpPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

const TOKEN = 'keyhold-token-5c1d';
const STRANGER = 'keyhold-token-of-a-stranger';

export const keyholdStand: Stand<Partial<FakeKeyholdOptions>, HttpPeer> = {
  connector: keyhold,
  config: { baseUrl: 'https://keyhold.example', token: TOKEN, bucket: 'settings' },
  clearText: { baseUrl: 'http://keyhold.example', tls: { mode: 'DISABLE' } },
  start: (certificate, options) =>
    startFakeKeyhold({
      certificate,
      tokens: { [TOKEN]: ['settings'], [STRANGER]: [] },
      buckets: { settings: 3 },
      ...options,
    }),
  trials: {
    'wrong password or key': { change: { token: 'wrong' }, code: 'KEY_REFUSED', configPath: 'token' },
    'unknown user': { never: 'A key is all that signs in.' },
    'missing name': { change: { bucket: 'nope' }, code: 'BUCKET_NOT_FOUND', configPath: 'bucket' },
    'no right': { change: { token: STRANGER }, code: 'PERMISSION_DENIED', configPath: 'token' },
  },
};
