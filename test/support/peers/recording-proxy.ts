import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands before a gateway as a proxy that ends TLS does, and keeps all that it passes on. */
export interface RecordingProxy {
  readonly url: string;
  /** The bodies so far, of requests and of answers. */
  bodies(): string;
  /** From now on it asks this gateway; undefined: nobody, and what is open is cut. */
  leadTo(url: string | undefined): void;
  close(): Promise<void>;
}

export async function startRecordingProxy(upstream: string): Promise<RecordingProxy> {
  let target: string | undefined = upstream;
  const chunks: Buffer[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer((incoming, answer) => {
    const cut = () => answer.destroy();
    if (target === undefined) return void cut();
    open.add(answer);
    answer.once('close', () => open.delete(answer));
    // what is compressed could not be searched
    const { 'accept-encoding': _packed, ...headers } = incoming.headers;
    const { host } = new URL(target);
    const outgoing = request(new URL(incoming.url ?? '/', target), {
      method: incoming.method,
      headers: { ...headers, host },
    });
    outgoing.on('error', cut);
    incoming.on('data', (chunk: Buffer) => void chunks.push(chunk)).pipe(outgoing);
    answer.once('close', () => outgoing.destroy());
    outgoing.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.on('error', cut);
      response.on('data', (chunk: Buffer) => void chunks.push(chunk)).pipe(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const leadTo = (url: string | undefined) => {
    target = url;
    if (url === undefined) for (const answer of open) answer.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies: () => Buffer.concat(chunks).toString(),
    leadTo,
    async close() {
      leadTo(undefined);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
