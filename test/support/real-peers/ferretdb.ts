import type { Document } from 'bson';
import { FERRETDB, type Ferretdb, startFerretdb } from '../peers/ferretdb.ts';
import { MONGODB_PASSWORD, mongodbStand } from '../stands/mongodb.ts';
import type { StandPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

const BOTH = ['SCRAM-SHA-1', 'SCRAM-SHA-256'];
/** Its password is prepared. */
export const PREPARED = 'I\u00adX\u00a0\u00aa \u2168';
export const ferretdbUser = (name: string, mechanisms = BOTH, pwd = MONGODB_PASSWORD): Document => ({
  createUser: name,
  pwd,
  mechanisms,
  roles: [],
});

export interface FerretdbPeer extends StandPeer {
  readonly server: Ferretdb;
}

export const ferretdbPeer: RealPeer<object, FerretdbPeer> = {
  name: 'FerretDB 1.24',
  programs: FERRETDB,
  stand: {
    ...mongodbStand,
    start: async (tls) => {
      if (!tls) throw new Error('It is not started without TLS.');
      const server = await startFerretdb({ tls });
      await server.administer(
        'admin',
        ferretdbUser('app'),
        ferretdbUser('jörg'),
        ferretdbUser('a=b'),
        ferretdbUser('modern', ['SCRAM-SHA-256']),
        ferretdbUser('old', ['SCRAM-SHA-1']),
        ferretdbUser('prepared', ['SCRAM-SHA-256'], PREPARED),
      );
      const documents = Array.from({ length: 250 }, (_each, at) => ({ total: at, note: 'x' }));
      await server.administer('shop', ferretdbUser('local'), { insert: 'orders', documents }, { create: 'customers' });
      // more than the server lists at once
      await server.administer('wide', ...Array.from({ length: 230 }, (_each, at) => ({ create: `c${at}` })));
      return { port: server.tlsPort, server, close: server.stop };
    },
  },
  says: /^FerretDB 1\.24\./,
  cannot: {
    'a limit is reached': 'It limits nobody.',
    'no right': 'It knows no roles: whoever signs in may do everything.',
  },
};
