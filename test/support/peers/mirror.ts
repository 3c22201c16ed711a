import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import type { IssuedCertificate } from '../certificates.ts';

/**
 * The worst peer for a secret: whatever it is told it says back, in its headers, its errors and its data, over TLS or
 * in the clear.
 */
export interface Mirror {
  readonly port: number;
  /** All that it was told so far. */
  heard(): string;
  close(): Promise<void>;
}

const TLS_HANDSHAKE = 0x16;
const STATUSES = [401, 200, 403, 500, 404, 400];

export async function startMirror(certificate: IssuedCertificate): Promise<Mirror> {
  const sockets = new Set<Socket>();
  const heard: string[] = [];
  let requests = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const told = [request.method, request.url, ...request.rawHeaders, Buffer.concat(chunks).toString()].join('\n');
    heard.push(told);
    const { authorization, 'api-key': apiKey } = request.headers;
    const secret = String(apiKey ?? authorization ?? 'none');
    const status = STATUSES[requests++ % STATUSES.length] ?? 500;
    const body = {
      error: told,
      message: secret,
      code: secret,
      errors: [{ reason: secret, message: told }],
      result: { status: secret },
    };
    const headers = {
      'content-type': 'application/json',
      server: secret,
      'x-amz-bucket-region': secret,
      'www-authenticate': secret,
    };
    response.writeHead(status, secret.slice(0, 100), headers);
    response.end(JSON.stringify(body));
  };
  const plain = createServer((request, response) => void answer(request, response));
  const secured = createSecureServer(
    { cert: certificate.certificate, key: certificate.key },
    (request, response) => void answer(request, response),
  );
  secured.on('tlsClientError', (_error, socket) => socket.destroy());
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    // the tests break connections on purpose
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null;
      if (!first) return socket.destroy();
      if (first[0] !== TLS_HANDSHAKE && !/^[A-Z]{3,7} /.test(first.toString('latin1'))) {
        heard.push(first.toString('latin1'));
        socket.end(first);
        return undefined;
      }
      socket.unshift(first);
      return (first[0] === TLS_HANDSHAKE ? secured : plain).emit('connection', socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heard: () => heard.join('\n'),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
