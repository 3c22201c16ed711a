import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../support/certificates.ts';
import { stands } from '../support/stands/index.ts';
import { changed } from '../support/stands/stand.ts';
import { type TestedConnection, testConnection } from '../support/test-connection.ts';

/** Answers over HTTP that are begun and not ended, one for each way in which an answer says where it ends. */
const answers = {
  'nothing at all': '',
  'half of a status line': 'HTTP/1.1 200',
  'a content length': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[1',
  chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n',
  'its closing': 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n',
  'its closing, after a part': 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1',
  'HTTP/1.0': 'HTTP/1.0 200 OK\r\n\r\n[1',
  'a refusal that ends by its closing': 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n[1',
} as const;

/** Who ends it then: the gateway, the peer, or both at once. `end` closes the peer's half of the connection alone. */
const moments = ['cancel', 'cancel and end', 'cancel and reset', 'deadline', 'end', 'reset'] as const;
type Moment = (typeof moments)[number];

const uncaught: string[] = [];
const note = (error: unknown) => uncaught.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
const closers: (() => unknown)[] = [];
let authority: Authority;

beforeAll(async () => {
  process.on('uncaughtException', note);
  authority = await createAuthority();
});
afterAll(() => {
  process.off('uncaughtException', note);
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Peer {
  readonly port: number;
  /** Whether it was sent a request over HTTP. */
  readonly speaksHttp: () => boolean;
}

async function listen(onSocket: (tcp: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (tcp) => {
    sockets.add(tcp.on('error', () => undefined));
    onSocket(tcp);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Answers the first request of each connection, within TLS when the connection begins with a handshake. */
async function startPeer(
  { certificate, key }: IssuedCertificate,
  answer: string,
  onAnswered: (socket: Socket, tcp: Socket) => void,
): Promise<Peer> {
  const secureContext = createSecureContext({ cert: certificate, key });
  let speaksHttp = false;
  const play = (socket: Socket, tcp: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (request: Buffer) => {
      speaksHttp = / HTTP\/1\.1\r\n/.test(request.toString('latin1'));
      if (speaksHttp && answer !== '') socket.write(answer, () => onAnswered(socket, tcp));
      else onAnswered(socket, tcp);
    });
  };
  const port = await listen((tcp) => {
    // MySQL's client waits for the server's first word
    const silence = setTimeout(() => onAnswered(tcp, tcp), 500);
    tcp.once('readable', () => {
      clearTimeout(silence);
      const first: Buffer | null = tcp.read();
      if (!first) return;
      tcp.unshift(first);
      play(first[0] === 0x16 ? new TLSSocket(tcp, { isServer: true, secureContext }) : tcp, tcp);
    });
  });
  return { port, speaksHttp: () => speaksHttp };
}

/** The config of the type's stand, and in clear text where the type has that. */
function waysTo(connector: Connector): readonly Record<string, unknown>[] {
  const stand = stands.find((each) => each.connector === connector);
  if (!stand) return [];
  return [stand.config, ...(stand.clearText ? [changed(stand.config, stand.clearText)] : [])];
}

interface Scene {
  readonly title: string;
  readonly config: Record<string, unknown>;
  readonly answer: string;
  readonly moment: Moment;
}

function scenesOf(connector: Connector): Scene[] {
  return waysTo(connector).flatMap((config, way) =>
    Object.entries(answers).flatMap(([title, answer]) =>
      moments.map((moment) => ({ title: `${title}: ${moment}${way ? ', clear text' : ''}`, config, answer, moment })),
    ),
  );
}

function namesOf(connector: Connector, config: Record<string, unknown>, port: number): Record<string, string> {
  const targets = connector.targets(connector.config.parse(config));
  return Object.fromEntries(targets.map((target) => [`${target.host}:${target.port}`, `127.0.0.1:${port}`]));
}

interface Played {
  readonly title: string;
  readonly moment: Moment;
  readonly result: TestedConnection;
  readonly speaksHttp: boolean;
}

async function play(connector: Connector, certificate: IssuedCertificate, scene: Scene): Promise<Played> {
  const { title, config, answer, moment } = scene;
  const cancel = new AbortController();
  const peer = await startPeer(certificate, answer, (socket, tcp) => {
    if (moment.endsWith('end')) socket.end();
    if (moment.endsWith('reset')) tcp.resetAndDestroy();
    if (moment.startsWith('cancel')) cancel.abort();
  });
  const result = await testConnection(connector, config, {
    names: namesOf(connector, config, peer.port),
    publicCa: authority.certificate,
    cancel: cancel.signal,
    deadline: moment === 'deadline' ? 1_000 : 30_000,
  });
  return { title, moment, result, speaksHttp: peer.speaksHttp() };
}

/** What the outcome has to be, where an HTTP client was at work. A refusal is known by its status, whole or not. */
const wanted: Partial<Record<Moment, string>> = {
  deadline: 'TIMEOUT',
  cancel: 'CANCELLED',
  'cancel and end': 'CANCELLED',
  'cancel and reset': 'CANCELLED',
  reset: 'CONNECTION_LOST',
};

test('every type has a stand', () => {
  expect(connectors.filter((connector) => waysTo(connector).length === 0)).toEqual([]);
});

const connecting = connectors.filter(({ runsInGateway }) => !runsInGateway);

describe.each(connecting.map((connector) => [connector.type, connector] as const))('%s', (_type, connector) => {
  test('no ending of an answer is more than the end of that test', async () => {
    const hosts = waysTo(connector).flatMap((config) =>
      connector.targets(connector.config.parse(config)).map(({ host }) => host),
    );
    const certificate = await authority.issue({ names: [...new Set(hosts)] });
    const [first, ...others] = scenesOf(connector);
    if (!first) throw new Error('There is nothing to play.');
    const opening = await play(connector, certificate, first);
    // a type that does not speak HTTP is told no answer, whatever the scene
    const scenes = others.filter(({ answer }) => opening.speaksHttp || answer === '');
    const played = [opening, ...(await Promise.all(scenes.map((scene) => play(connector, certificate, scene))))];
    // what the closing of the sockets brings about comes after the outcome
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(uncaught).toEqual([]);
    for (const { title, result } of played)
      expect.soft({ title, log: result.log.filter((line) => line.startsWith('error')) }).toEqual({ title, log: [] });
    for (const { title, moment, result, speaksHttp } of played) {
      const code = wanted[moment];
      if (speaksHttp && code) expect.soft({ title, code: result.failure?.code }).toEqual({ title, code });
    }
  });

  test.each([
    ['ends', (tcp: Socket) => tcp.end()],
    ['is reset', (tcp: Socket) => tcp.resetAndDestroy()],
  ] as const)('a connection that %s before a word is said is lost, and not waited for', async (_title, end) => {
    const port = await listen((tcp) => end(tcp));
    for (const config of waysTo(connector)) {
      const result = await testConnection(connector, config, { names: namesOf(connector, config, port) });
      expect(result.failure?.code).toMatch(/^(CONNECTION_LOST|TLS_FAILED)$/);
    }
    expect(uncaught).toEqual([]);
  });
});
