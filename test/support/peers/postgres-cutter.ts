import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands before a Postgres and breaks all connections at a moment that a test chooses. */
export interface PostgresCutter {
  readonly port: number;
  /** How many statements that write, and commits, have come by. */
  writes(): number;
  /**
   * Breaks every connection at the n-th writing statement from now on, and refuses new ones for some milliseconds.
   * `before`: the server never sees the statement. `after`: it has answered, and the answer is lost.
   */
  cutAt(write: number, when: 'before' | 'after', awayMs: number): void;
  /** Breaks every connection now. Refuses new ones until the function that it returns is called. */
  cut(): () => void;
  close(): Promise<void>;
}

const WRITING = /\b(?:insert into|update|delete from) "|\bcommit\b/;

export async function startPostgresCutter(port: number): Promise<PostgresCutter> {
  const sockets = new Set<Socket>();
  let isAway = false;
  let count = 0;
  let plan: { readonly at: number; readonly when: 'before' | 'after'; readonly awayMs: number } | undefined;

  const breakAll = () => {
    isAway = true;
    for (const socket of sockets) socket.destroy();
  };
  const breakFor = (awayMs: number) => {
    breakAll();
    setTimeout(() => {
      isAway = false;
    }, awayMs);
  };
  const own = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };

  const server = createServer((client) => {
    if (isAway) {
      client.destroy();
      return;
    }
    own(client);
    const upstream = own(connect(port, '127.0.0.1'));
    let answersAreLost = false;
    client.on('data', (chunk) => {
      if (WRITING.test(chunk.toString('latin1'))) {
        count += 1;
        if (plan && count >= plan.at) {
          const { when, awayMs } = plan;
          plan = undefined;
          if (when === 'before') return breakFor(awayMs);
          answersAreLost = true;
          upstream.once('data', () => breakFor(awayMs));
        }
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (!answersAreLost) client.write(chunk);
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    writes: () => count,
    cutAt(write, when, awayMs) {
      plan = { at: count + write, when, awayMs };
    },
    cut() {
      plan = undefined;
      breakAll();
      return () => {
        isAway = false;
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
