import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/**
 * Stands before another server and holds every connection back until it is opened: a peer that is as slow as a test
 * wants it.
 */
export interface Gate {
  readonly port: number;
  /** Connections that it holds back now. */
  waiting(): number;
  /** Lets those that wait through, and all that come later. */
  open(): void;
  /** From now on it passes nothing on, and takes new connections only to hold them back. */
  fallSilent(): void;
  /** From now on it ends every connection, those that come anew too. */
  cut(): void;
  close(): Promise<void>;
}

export async function startGate(port: number): Promise<Gate> {
  const sockets = new Set<Socket>();
  const held = new Set<Socket>();
  let isOpen = false;
  let isCut = false;
  const own = (socket: Socket) => {
    sockets.add(socket);
    // the tests break connections on purpose
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      held.delete(socket);
    });
    return socket;
  };
  const passed: [client: Socket, server: Socket][] = [];
  const pass = (client: Socket) => {
    held.delete(client);
    const server = own(connect(port, '127.0.0.1'));
    client.pipe(server).pipe(client);
    passed.push([client, server]);
  };
  const server = createServer((client) => {
    own(client);
    if (isCut) client.destroy();
    else if (isOpen) pass(client);
    else held.add(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const closed = once(server, 'close');
  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    waiting: () => held.size,
    open() {
      isOpen = true;
      for (const client of [...held]) pass(client);
    },
    fallSilent() {
      isOpen = false;
      for (const [client, server] of passed) {
        client.unpipe(server);
        server.unpipe(client);
      }
    },
    cut,
    close: async () => {
      server.close();
      cut();
      await closed;
    },
  };
}
