import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';

/** Speaks TLS before a server of this machine that speaks none. */
export interface TlsEdge {
  readonly port: number;
  close(): void;
}

export async function startTlsEdge(behind: number, { certificate: cert, key }: IssuedCertificate): Promise<TlsEdge> {
  const edge = createServer({ cert, key }, (client) => {
    const peer = connect(behind, '127.0.0.1');
    peer.on('error', () => client.destroy()).pipe(client);
    client.on('error', () => peer.destroy()).pipe(peer);
  });
  await new Promise<void>((resolve) => edge.listen(0, '127.0.0.1', resolve));
  return { port: (edge.address() as AddressInfo).port, close: () => void edge.close() };
}
