import { FAKE_GCS_SERVER, startFakeGcsServer } from '../peers/fake-gcs-server.ts';
import { googleCloudStorageStand } from '../stands/google-cloud-storage.ts';
import type { RealPeer } from './real-peer.ts';

const NO_TOKEN = 'It looks at no token.';

export const fakeGcsServer: RealPeer = {
  name: 'fake-gcs-server 1.56',
  programs: FAKE_GCS_SERVER,
  stand: {
    ...googleCloudStorageStand,
    start: async (certificate) => {
      if (!certificate) throw new Error('Google Cloud Storage has no clear text.');
      const many = Array.from({ length: 130 }, (_each, at) => `part-${at}.csv`);
      const { port, stop } = await startFakeGcsServer(certificate, {
        'my-data': ['a.csv', 'b c ü.csv'],
        'my.many': many,
      });
      return { port, close: stop };
    },
  },
  cannot: {
    'a limit is reached': 'It limits nobody’s requests.',
    'wrong password or key': NO_TOKEN,
    'unknown user': NO_TOKEN,
    'no right': NO_TOKEN,
  },
};
