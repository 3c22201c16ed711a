import { Socket } from 'node:net';
import pg from 'pg';

/** Where a connection leads to: a host name or an address, and a port. */
export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
}

/** Told where each connection to the database has led to, by its address, before anything is sent over it. */
export type OnDatabasePeer = (peer: DatabasePlace) => void;

/** The sockets that pg connects: each says whom it has reached, which no URL can tell. */
export function tellingSockets(onPeer: OnDatabasePeer | undefined): () => Socket {
  return () => {
    const socket = new Socket();
    return socket.on('connect', () => {
      // a Unix socket has neither
      const { remoteAddress: host, remotePort: port } = socket;
      if (host !== undefined && port !== undefined) onPeer?.({ host, port });
    });
  };
}

/**
 * Where pg will connect to: by the URL, by its `host` and `port` parameters, by PGHOST and PGPORT. The folder of a Unix
 * socket is given as such.
 */
export function placeOfPostgresUrl(url: string): DatabasePlace {
  const { host, port } = new pg.Client({ connectionString: url });
  return { host, port };
}
