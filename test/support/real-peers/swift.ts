import { S3_KEY } from '../peers/fake-s3.ts';
import { SWIFT, type SwiftServer, startSwift } from '../peers/swift.ts';
import { S3_STRANGER, s3Stand } from '../stands/s3.ts';
import { inClearText, type StandPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const NO_TLS = 'It is started without TLS: something else speaks that before it, as its documentation asks for.';
export const OBJECTS = { 'exports/a b & ü.csv': 'id,name\n1,x\n', 'exports/empty': '', readme: 'hello' };

export interface SwiftPeer extends StandPeer {
  readonly swift: SwiftServer;
}

export const swiftPeer: RealPeer<object, SwiftPeer> = {
  name: 'OpenStack Swift 2.30',
  programs: SWIFT,
  version: ['/usr/bin/python3', '-c', 'import swift; print(swift.__version__)'],
  stand: inClearText<object, SwiftPeer>({
    ...s3Stand,
    start: async () => {
      const swift = await startSwift();
      await swift.createBucket('my-data', OBJECTS);
      const calls = {
        [S3_KEY.accessKeyId]: swift.owner.accessKeyId,
        [S3_KEY.secretAccessKey]: swift.owner.secretAccessKey,
        [S3_STRANGER.accessKeyId]: swift.stranger.accessKeyId,
        [S3_STRANGER.secretAccessKey]: swift.stranger.secretAccessKey,
        'us-east-1': swift.region,
      };
      return { port: Number(new URL(swift.url).port), swift, calls, close: swift.stop };
    },
  }),
  cannot: {
    'a limit is reached': 'The middleware by which it limits requests is not set up.',
    'self-signed': NO_TLS,
    'for another name': NO_TLS,
    expired: NO_TLS,
  },
  otherwise: {
    'unknown user': {
      configPath: 'secretAccessKey',
      hint: /^The signature is wrong/,
      why: 'It does not tell an unknown key from a wrong secret.',
    },
  },
};
