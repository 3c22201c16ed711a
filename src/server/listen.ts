import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Has a server listen and says where, which is news for port 0 and for a name. Rejects when the address is taken. */
export async function listenAt(server: Server, host: string, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return server.address() as AddressInfo;
}
