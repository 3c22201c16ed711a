import { PERL_MONGODB, type PerlMongodbData, startPerlMongodb } from '../peers/mongodb.ts';
import { MONGODB_PASSWORD, mongodbStand } from '../stands/mongodb.ts';
import { inClearText } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const BOTH = ['SCRAM-SHA-256', 'SCRAM-SHA-1'];
const FULL = ['read', 'write'] as const;
const CLEAR = 'It speaks clear text alone.';
const DATA: PerlMongodbData = {
  users: {
    app: { password: MONGODB_PASSWORD, mechanisms: BOTH, may: FULL },
    'jörg=a,b': { password: MONGODB_PASSWORD, mechanisms: BOTH, may: FULL },
    modern: { password: MONGODB_PASSWORD, mechanisms: ['SCRAM-SHA-256'], may: FULL },
    old: { password: MONGODB_PASSWORD, mechanisms: ['SCRAM-SHA-1'], may: FULL },
    prepared: { password: 'I\u00adX\u00a0\u00aa \u2168', mechanisms: ['SCRAM-SHA-256'], may: FULL },
    slow: { password: MONGODB_PASSWORD, mechanisms: BOTH, may: FULL, rounds: 4_096 },
    reader: { password: MONGODB_PASSWORD, mechanisms: BOTH, may: ['read'] },
    stranger: { password: MONGODB_PASSWORD, mechanisms: BOTH, may: [] },
  },
  databases: {
    shop: {
      orders: {
        fields: [
          ['_id', 'objectId', 5],
          ['total', 'double', 2],
          ['total', 'int', 3],
          ['note', 'string', 4],
        ],
      },
      customers: {},
      suppliers: {},
      recent: { view: true },
      'system.profile': {},
    },
  },
};

/** A server of our own that signs in and writes BSON by libraries of others. */
export const perlMongodbPeer: RealPeer = {
  name: 'Perl’s Authen::SCRAM and BSON::XS',
  programs: PERL_MONGODB,
  stand: inClearText({
    ...mongodbStand,
    start: async () => {
      const { port, stop } = await startPerlMongodb(DATA);
      return { port, close: stop };
    },
  }),
  cannot: {
    'a limit is reached': 'It limits nobody.',
    'self-signed': CLEAR,
    'for another name': CLEAR,
    expired: CLEAR,
  },
};
