import { csv } from '../../../src/connectors/csv/index.ts';
import type { IssuedCertificate } from '../certificates.ts';
import { type HttpPeer, type HttpPeerOptions, type PeerAnswer, startHttpPeer } from '../peers/http-peer.ts';
import type { Stand } from './stand.ts';

export const CLIENTS = 'id,name,since,active\r\n1,Ann,2024-02-29,true\r\n2,"O""Brien, Bob",,false\r\n';
const SIGNATURE = 'signature=5f2b8c';

export interface FileServerOptions extends HttpPeerOptions {
  /** Instead of the clients, under every path. */
  readonly answer?: PeerAnswer;
  /** What the query has to be: the signature of a pre-signed URL. */
  readonly query?: string;
}

/** A server with one file under every path but /nope.csv. */
function startFiles(
  certificate: IssuedCertificate | undefined,
  { answer, query, ...options }: FileServerOptions = {},
): Promise<HttpPeer> {
  const found = answer ?? { status: 200, headers: { 'content-type': 'text/csv' }, body: CLIENTS };
  return startHttpPeer(
    ({ path, target }) => {
      if (path === '/nope.csv') return { status: 404 };
      const isSigned = query === undefined || target.slice(target.indexOf('?') + 1) === query;
      return isSigned ? found : { status: 403, body: '<Error/>' };
    },
    { certificate, ...options },
  );
}

export const csvStand: Stand<FileServerOptions, HttpPeer> = {
  connector: csv,
  config: { source: { url: 'https://files.example/data/clients.csv' }, urlQuery: SIGNATURE },
  start: (certificate, options) => startFiles(certificate, { query: SIGNATURE, ...options }),
  trials: {
    'wrong password or key': {
      change: { urlQuery: 'signature=wrong' },
      code: 'PERMISSION_DENIED',
      configPath: 'urlQuery',
    },
    'unknown user': { never: 'Nobody signs in.' },
    'missing name': {
      change: { 'source.url': 'https://files.example/nope.csv' },
      code: 'OBJECT_NOT_FOUND',
      configPath: 'source.url',
    },
    'no right': { change: { urlQuery: undefined }, code: 'PERMISSION_DENIED', configPath: 'source.url' },
  },
};

/** A file that anyone may read. */
export const openFileStand: Stand<FileServerOptions, HttpPeer> = {
  ...csvStand,
  config: { source: { url: 'https://files.example/data/clients.csv' } },
  start: startFiles,
};
