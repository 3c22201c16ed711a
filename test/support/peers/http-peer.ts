import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { IssuedCertificate } from '../certificates.ts';

/**
 * What a fake does instead of answering: stay silent; answer in another protocol; a byte a second; headers without end;
 * a body without end; reset the connection; or just a status (a redirect leads to a metadata address).
 */
export type Misbehaviour =
  | 'silent'
  | 'garbage'
  | 'slow'
  | 'endless-headers'
  | 'huge-body'
  | 'reset'
  | 'html'
  | { readonly status: number };

export interface HttpPeerOptions {
  /** Given: HTTPS. */
  readonly certificate?: IssuedCertificate;
  /** PEM of the CA that must have signed the client's certificate. */
  readonly clientCa?: string;
  readonly misbehave?: Misbehaviour;
  /** A proxy before it takes this off the beginning of each path: `/store`. */
  readonly stripsPath?: string;
  /** Tells which requests are carried out and never answered. */
  readonly stalls?: (request: PeerRequest) => boolean;
}

export interface PeerRequest {
  readonly method: string;
  /** As it came, still encoded, with the query. */
  readonly target: string;
  /** Decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface HttpPeer {
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https://localhost:port`. */
  readonly url: string;
  /** Every request so far, oldest first. */
  readonly requests: readonly PeerRequest[];
  /** TCP connections so far. */
  connections(): number;
  close(): Promise<void>;
}

/** A peer at which statements and sessions are begun. */
export interface StatefulPeer extends HttpPeer {
  /** Those that have been begun and not ended. */
  left(): readonly string[];
}

/** `answer` gives undefined for a request that is never answered. */
export async function startHttpPeer(
  answer: (request: PeerRequest) => PeerAnswer | undefined,
  options: HttpPeerOptions = {},
): Promise<HttpPeer> {
  const requests: PeerRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createFor(options, async (incoming, response) => {
    const request = await read(incoming, options.stripsPath);
    requests.push(request);
    if (options.misbehave) return misbehave(options.misbehave, response);
    const answered = answer(request);
    if (!answered || options.stalls?.(request)) return;
    const { status, headers = {}, body = '' } = answered;
    response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.on('connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    // the tests break connections on purpose
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: options.certificate ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    requests,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export function json(status: number, value: unknown, headers: Record<string, string> = {}): PeerAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

function createFor(options: HttpPeerOptions, listener: RequestListener): Server {
  if (!options.certificate) return createServer(listener);
  const { certificate, key } = options.certificate;
  const client = options.clientCa ? { ca: options.clientCa, requestCert: true } : {};
  return createSecureServer({ cert: certificate, key, ...client }, listener).on('tlsClientError', (_error, socket) =>
    socket.destroy(),
  );
}

async function read(incoming: IncomingMessage, strips = ''): Promise<PeerRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const asked = incoming.url ?? '/';
  const target = asked.startsWith(strips) ? asked.slice(strips.length) : asked;
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return {
    method: incoming.method ?? '',
    target,
    path: decodeURIComponent(path),
    query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)),
    headers: incoming.headers,
    body: Buffer.concat(chunks),
  };
}

function misbehave(how: Misbehaviour, response: ServerResponse): void {
  const { socket } = response;
  if (!socket) return;
  if (typeof how === 'object') {
    response.writeHead(how.status, { location: 'http://169.254.169.254/latest/meta-data/', 'content-length': '0' });
    response.end();
  } else if (how === 'html') {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html><body>It works!</body></html>');
  } else if (how === 'garbage') {
    socket.end('220 mail.example ESMTP ready\r\n');
  } else if (how === 'reset') {
    // only a bare TCP socket can be reset
    if (socket instanceof TLSSocket) socket.destroy();
    else socket.resetAndDestroy();
  } else if (how === 'slow') {
    trickle(socket, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}');
  } else if (how === 'endless-headers') {
    socket.write('HTTP/1.1 200 OK\r\n');
    pump(socket, () => 'x-pad: '.padEnd(4096, 'a').concat('\r\n'));
  } else if (how === 'huge-body') {
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
    pump(socket, () => `4000\r\n${' '.repeat(0x4000)}\r\n`);
  }
  // 'silent': nothing at all
}

/** One byte a second until the peer goes. */
export function trickle(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => socket.write(text.charAt(at++ % text.length)), 1000);
  socket.once('close', () => clearInterval(timer));
}

/** JSON of some megabytes in which nothing is what it should be. */
export function millionsOf(value: string): string {
  return `[${`${value},`.repeat(2_000_000)}${value}]`;
}

/** Writes for ever, as fast as the other side reads. */
function pump(socket: Socket, piece: () => string): void {
  const write = () => {
    while (!socket.destroyed && socket.write(piece()));
  };
  socket.on('drain', write);
  write();
}
