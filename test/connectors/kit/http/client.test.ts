import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endpointChecks } from '../../../../src/connectors/kit/checks/endpoint.ts';
import type { Target } from '../../../../src/connectors/kit/contract/connector.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import type { PeerSocket } from '../../../../src/connectors/kit/contract/peer-socket.ts';
import { HttpClient, type HttpClientOptions, type HttpContext } from '../../../../src/connectors/kit/http/client.ts';
import { PolicedDialer } from '../../../../src/connectors/kit/network/dialer.ts';
import { type Authority, createAuthority } from '../../../support/certificates.ts';
import { type Listener, listen } from '../../../support/listener.ts';

const MIB = 1024 * 1024;

let controller: AbortController;
let dialer: PolicedDialer;
let clients: HttpClient[];
let closers: (() => unknown)[];
let authority: Authority;

beforeAll(async () => {
  authority = await createAuthority();
});

beforeEach(() => {
  controller = new AbortController();
  clients = [];
  closers = [];
  dialer = new PolicedDialer({
    policy: { allow: ['127.0.0.1'], forbidden: [] },
    signal: controller.signal,
    lookup: async () => ['127.0.0.1'],
  });
});

afterEach(async () => {
  for (const client of clients) client.close();
  dialer.close();
  for (const close of closers) await close();
});

interface Peer {
  readonly target: Target;
  readonly server: Server;
  readonly requests: IncomingMessage[];
  readonly connections: () => number;
}

async function startPeer(answer: RequestListener, secured = false, host = 'api.example'): Promise<Peer> {
  const requests: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    requests.push(request);
    answer(request, response);
  };
  const leaf = secured ? await authority.issue({ commonName: host, names: [host, `*.${host}`] }) : undefined;
  const server = leaf ? createHttpsServer({ cert: leaf.certificate, key: leaf.key }, listener) : createServer(listener);
  let connections = 0;
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const place = server.address();
  const port = typeof place === 'object' && place ? place.port : 0;
  const tls = secured ? ({ mode: 'VERIFY_FULL', caCertificate: authority.certificate } as const) : null;
  return {
    target: { host, port, tls, hostPath: 'baseUrl', portPath: 'port' },
    server,
    requests,
    connections: () => connections,
  };
}

/** A peer that is no HTTP server: answers the first bytes by itself. */
async function startRaw(play: Parameters<typeof listen>[0]): Promise<{ target: Target; listener: Listener }> {
  const listener = await listen(play);
  closers.push(() => listener.close());
  return {
    target: { host: 'api.example', port: listener.port, tls: null, hostPath: 'host', portPath: 'port' },
    listener,
  };
}

function contextOf(): HttpContext {
  const link: HttpContext['link'] = {
    socket: undefined,
    take(): PeerSocket {
      const { socket } = link;
      if (!socket) throw new Error('nothing prepared');
      link.socket = undefined;
      return socket;
    },
  };
  return { dialer, link, signal: controller.signal };
}

function clientOf(target: Target, options?: HttpClientOptions, context = contextOf()): HttpClient {
  const client = new HttpClient(context, target, options);
  clients.push(client);
  return client;
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason) => reason,
  );
  if (error instanceof Failure) return error;
  throw new Error(`expected a Failure, got ${String(error)}`);
}

describe('a request', () => {
  it('sends what it is told, and gives the answer', async () => {
    let sent = '';
    const peer = await startPeer((request, response) => {
      request.on('data', (chunk) => {
        sent += chunk;
      });
      request.on('end', () => {
        response.writeHead(201, { 'Content-Type': 'application/json', 'X-Two': ['a', 'b'] });
        response.end('{"ok":true,"name":"ä"}');
      });
    });
    const response = await clientOf(peer.target).request({
      method: 'POST',
      path: '/a%2Fb?list-type=2&prefix=%C3%A4',
      headers: { 'x-key': 'v', 'content-type': 'application/json' },
      body: '{"q":1}',
    });
    expect(response.status).toBe(201);
    expect(response.headers).toMatchObject({ 'content-type': 'application/json', 'x-two': 'a, b' });
    expect(response.json()).toEqual({ ok: true, name: 'ä' });
    expect(response.text()).toBe('{"ok":true,"name":"ä"}');
    expect(response.truncated).toBe(false);
    const [request] = peer.requests;
    expect(request?.url).toBe('/a%2Fb?list-type=2&prefix=%C3%A4');
    expect(request?.method).toBe('POST');
    expect(request?.headers).toMatchObject({
      host: `api.example:${peer.target.port}`,
      'x-key': 'v',
      'accept-encoding': 'identity',
    });
    expect(sent).toBe('{"q":1}');
  });

  it('takes any status, and follows no redirect', async () => {
    const peer = await startPeer((_, response) => {
      response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' });
      response.end();
    });
    const response = await clientOf(peer.target).request({ method: 'GET', path: '/' });
    expect(response.status).toBe(302);
    expect(peer.connections()).toBe(1);
    expect(peer.requests).toHaveLength(1);
  });

  it('does not decompress', async () => {
    const packed = gzipSync('x'.repeat(100_000));
    const peer = await startPeer((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.end(packed);
    });
    const { body } = await clientOf(peer.target).request({ method: 'GET', path: '/' });
    expect(body.equals(packed)).toBe(true);
  });

  it('fails with PROTOCOL_MISMATCH when JSON is asked for and there is none, and quotes nothing', async () => {
    const peer = await startPeer((_, response) => response.end('<html>secret words</html>'));
    const response = await clientOf(peer.target).request({ method: 'GET', path: '/' });
    const failure = await failureOf(Promise.resolve().then(() => response.json()));
    expect(failure.report).toMatchObject({ code: 'PROTOCOL_MISMATCH', configPath: 'port' });
    expect(String(failure.cause)).not.toContain('secret words');
  });
});

describe('its connections', () => {
  it('are one for many requests, one after the other and at once', async () => {
    const peer = await startPeer((_, response) => response.end('ok'));
    const client = clientOf(peer.target);
    for (let i = 0; i < 5; i++) await client.request({ method: 'GET', path: `/${i}` });
    await Promise.all([5, 6, 7].map((i) => client.request({ method: 'GET', path: `/${i}` })));
    expect(peer.requests).toHaveLength(8);
    expect(peer.connections()).toBe(1);
  });

  it.each([false, true])('begin with the one that the endpoint checks prepared (TLS: %s)', async (secured) => {
    const peer = await startPeer((_, response) => response.end('ok'), secured);
    const context = {
      ...contextOf(),
      config: {},
      state: {},
      tenancy: null,
      emitCatalog: async () => undefined,
      onEnd: () => () => undefined,
      waitsFor: () => undefined,
    };
    for (const check of endpointChecks({ target: () => peer.target, alpnProtocols: ['http/1.1'] })) {
      if (check.appliesTo?.({}, null) ?? true) await check.run(context);
    }
    const prepared = context.link.socket;
    expect(prepared).toBeDefined();
    const client = clientOf(peer.target, undefined, context);
    await client.request({ method: 'GET', path: '/' });
    await client.request({ method: 'GET', path: '/' });
    expect(context.link.socket).toBeUndefined();
    expect(peer.connections()).toBe(1);
    client.close();
    await expect.poll(() => prepared?.destroyed).toBe(true);
  });

  it('are made anew, by the dialer and with TLS, when the server does not keep them', async () => {
    const peer = await startPeer((_, response) => {
      response.setHeader('connection', 'close');
      response.end('ok');
    }, true);
    const client = clientOf(peer.target);
    for (let i = 0; i < 3; i++) expect((await client.request({ method: 'GET', path: '/' })).text()).toBe('ok');
    expect(peer.connections()).toBe(3);
  });

  it('do not use a prepared one that is gone', async () => {
    const peer = await startPeer((_, response) => response.end('ok'));
    const context = contextOf();
    context.link.socket = await dialer.dial(peer.target.host, peer.target.port);
    context.link.socket.destroy();
    expect((await clientOf(peer.target, undefined, context).request({ method: 'GET', path: '/' })).status).toBe(200);
    expect(peer.connections()).toBe(2);
  });

  it('lead to another host only where the connector allows it, and the certificate is judged by that name', async () => {
    const peer = await startPeer((request, response) => response.end(request.headers.host), true);
    const client = clientOf(peer.target, { alsoAllow: (host) => host.endsWith('.api.example') });
    const { port } = peer.target;
    expect((await client.request({ method: 'GET', path: '/' })).text()).toBe(`api.example:${port}`);
    expect((await client.request({ method: 'GET', path: '/', host: 'bucket.api.example' })).text()).toBe(
      `bucket.api.example:${port}`,
    );
    expect(peer.connections()).toBe(2);
    expect((await failureOf(client.request({ method: 'GET', path: '/', host: 'evil.example' }))).report.code).toBe(
      'ADDRESS_NOT_ALLOWED',
    );
    expect((await failureOf(client.request({ method: 'GET', path: '/', host: 'a.b.api.example' }))).report.code).toBe(
      'TLS_NAME_MISMATCH',
    );
    expect(peer.requests).toHaveLength(2);
  });

  it('are not made to an address that is not allowed', async () => {
    const peer = await startPeer((_, response) => response.end('ok'));
    dialer.close();
    dialer = new PolicedDialer({ policy: { allow: [], forbidden: [] }, signal: controller.signal });
    const failure = await failureOf(
      clientOf({ ...peer.target, host: '127.0.0.1' }).request({ method: 'GET', path: '/' }),
    );
    expect(failure.report).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED', configPath: 'baseUrl' });
    expect(peer.connections()).toBe(0);
  });
});

describe('a peer that misbehaves', () => {
  it('is cut off after maxBytes', async () => {
    const peer = await startPeer((_, response) => response.end('x'.repeat(5000)));
    const client = clientOf(peer.target);
    expect((await client.request({ method: 'GET', path: '/', maxBytes: 5000 })).body).toHaveLength(5000);
    expect((await failureOf(client.request({ method: 'GET', path: '/', maxBytes: 4999 }))).report.code).toBe(
      'TOO_MUCH_DATA',
    );
    const cut = await client.request({ method: 'GET', path: '/', maxBytes: 4999, tooLong: 'cut' });
    expect([cut.body.length, cut.truncated]).toEqual([4999, true]);
  });

  it('may send 1 MiB unless told otherwise, and no gigabytes', async () => {
    let written = 0;
    const peer = await startPeer((_, response) => {
      const more = () => {
        while (!response.destroyed && written < 1000 * MIB) {
          written += MIB;
          if (!response.write(Buffer.alloc(MIB))) return;
        }
      };
      response.on('drain', more);
      more();
    });
    const failure = await failureOf(clientOf(peer.target).request({ method: 'GET', path: '/' }));
    expect(failure.report.code).toBe('TOO_MUCH_DATA');
    expect(written).toBeLessThan(50 * MIB);
  });

  it('may send 250,000 values in one answer, within bytes that have room for millions', async () => {
    const listOf = (items: number) => `[${Array(items).fill('0').join(',')}]`;
    const peer = await startPeer((request, response) => response.end(listOf(Number(request.url?.slice(1)))));
    const get = (items: number) => clientOf(peer.target).request({ method: 'GET', path: `/${items}` });
    expect((await get(249_999)).json()).toHaveLength(249_999);
    const tooMany = await get(250_000);
    expect(() => tooMany.json()).toThrow(new Failure('TOO_MUCH_DATA'));
  });

  it('may send its body byte by byte', async () => {
    const peer = await startPeer(({ socket }) => {
      socket.end(`${CHUNKED}${'1\r\nx\r\n'.repeat(100_000)}0\r\n\r\n`);
    });
    const { body } = await clientOf(peer.target).request({ method: 'GET', path: '/' });
    expect(body.toString()).toBe('x'.repeat(100_000));
  });

  it('is read no further than 64 KiB of a refusal, whose status still counts', async () => {
    const peer = await startPeer((_, response) => {
      response.statusCode = 403;
      response.end('x'.repeat(MIB));
    });
    const response = await clientOf(peer.target).request({ method: 'GET', path: '/' });
    expect([response.status, response.body.length, response.truncated]).toEqual([403, 64 * 1024, true]);
  });

  const hostile: [string, string, Parameters<typeof listen>[0]][] = [
    [
      'endless headers',
      'TOO_MUCH_DATA',
      (socket) => pour(socket, 'HTTP/1.1 200 OK\r\n', 'X-More: abcdefghijklmnop\r\n'),
    ],
    ['one endless header', 'TOO_MUCH_DATA', (socket) => pour(socket, 'HTTP/1.1 200 OK\r\nX: ', 'abcdefghijklmnop')],
    ['endless informational answers', 'TOO_MUCH_DATA', (socket) => pour(socket, '', 'HTTP/1.1 102 Processing\r\n\r\n')],
    ['an endless chunk extension', 'TOO_MUCH_DATA', (socket) => pour(socket, `${CHUNKED}1;`, 'abcdefghijklmnop')],
    ['another protocol', 'PROTOCOL_MISMATCH', (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n')],
    ['binary', 'PROTOCOL_MISMATCH', (socket) => socket.write(Buffer.from([0, 1, 2, 3, 255, 254]))],
    ['a bad chunk', 'PROTOCOL_MISMATCH', (socket) => socket.write(`${CHUNKED}zz\r\n`)],
    ['a hang-up', 'CONNECTION_LOST', (socket) => socket.end()],
    [
      'a hang-up in the body',
      'CONNECTION_LOST',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
    ],
    ['a reset', 'CONNECTION_LOST', (socket) => socket.resetAndDestroy()],
  ];

  it.each(hostile)('that answers with %s fails with %s', async (_, code, play) => {
    const { target, listener } = await startRaw((socket) => socket.once('data', () => play(socket)));
    const failure = await failureOf(clientOf(target).request({ method: 'GET', path: '/' }));
    expect(failure.report.code).toBe(code);
    await listener.drained();
  });

  it.each<[string, Parameters<typeof listen>[0]]>([
    ['stays silent', (socket) => socket.resume()],
    ['stops in the headers', (socket) => socket.resume().write('HTTP/1.1 200 OK\r\nX: y')],
    ['stops in the body', (socket) => socket.resume().write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')],
  ])('and %s ends with the signal', async (_, play) => {
    const { target, listener } = await startRaw(play);
    const waiting = clientOf(target)
      .request({ method: 'GET', path: '/' })
      .catch((error) => error);
    await expect.poll(() => listener.accepted).toBe(1);
    setTimeout(() => controller.abort('deadline'), 20);
    expect(await waiting).toBe('deadline');
    dialer.close();
    await listener.drained();
  });

  it('is not asked any more once the signal has aborted', async () => {
    const peer = await startPeer((_, response) => response.end('ok'));
    controller.abort('cancelled');
    expect(
      await clientOf(peer.target)
        .request({ method: 'GET', path: '/' })
        .catch((error) => error),
    ).toBe('cancelled');
    expect(peer.connections()).toBe(0);
  });
});

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Writes `again` for as long as the other side takes it. */
function pour(socket: Parameters<Parameters<typeof listen>[0]>[0], first: string, again: string): void {
  const block = again.repeat(1000);
  socket.write(first);
  const more = () => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', more);
  more();
}
