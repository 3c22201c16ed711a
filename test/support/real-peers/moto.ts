import { join } from 'node:path';
import { S3_KEY } from '../peers/fake-s3.ts';
import type { AwsKey } from '../peers/moto.ts';
import { MOTO, type MotoServer, startMoto } from '../peers/moto.ts';
import { startTlsEdge } from '../peers/tls-edge.ts';
import { ATHENA_STRANGER, athenaStand, KEY } from '../stands/athena.ts';
import { S3_STRANGER, s3Stand } from '../stands/s3.ts';
import { inClearText, type StandPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const REGION = 'eu-central-1';
const NO_LIMIT = 'It limits nobody’s requests.';
const NO_TLS = 'It speaks no TLS.';
const NO_CERTIFICATES = { 'self-signed': NO_TLS, 'for another name': NO_TLS, expired: NO_TLS };

export interface MotoPeer extends StandPeer {
  readonly moto: MotoServer;
}

/** moto makes the keys of its users itself. */
function callsOf({ keys }: MotoServer, owner: AwsKey, stranger: AwsKey): Record<string, string> {
  const pairs = [
    [owner, keys.owner],
    [stranger, keys.stranger],
  ] as const;
  return Object.fromEntries(
    pairs.flatMap(([ours, theirs]) => [
      [ours.accessKeyId, theirs?.accessKeyId ?? ''],
      [ours.secretAccessKey, theirs?.secretAccessKey ?? ''],
    ]),
  );
}

const start = () => startMoto(join(import.meta.dirname, '../../peers/moto/setup.py'));

export const motoS3: RealPeer<object, MotoPeer> = {
  name: 'moto 5.2',
  programs: MOTO,
  stand: inClearText<object, MotoPeer>({
    ...s3Stand,
    start: async () => {
      const moto = await start();
      const calls = { ...callsOf(moto, S3_KEY, S3_STRANGER), 'us-east-1': REGION };
      return { port: moto.port, moto, calls, close: moto.stop };
    },
  }),
  cannot: { 'a limit is reached': NO_LIMIT, ...NO_CERTIFICATES },
};

export const motoAthena: RealPeer = {
  name: 'moto 5.2, with TLS before it',
  programs: MOTO,
  stand: {
    ...athenaStand,
    methods: ['workgroup/get', 'query/execute'],
    start: async (certificate) => {
      if (!certificate) throw new Error('Athena has no clear text.');
      const moto = await start();
      const edge = await startTlsEdge(moto.port, certificate);
      const close = async () => {
        edge.close();
        await moto.stop();
      };
      return { port: edge.port, calls: callsOf(moto, KEY, ATHENA_STRANGER), close };
    },
  },
  cannot: {
    'a limit is reached': NO_LIMIT,
    'missing name': 'It has a catalog of any name, and looks at no database.',
    ...NO_CERTIFICATES,
  },
};
