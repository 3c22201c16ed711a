import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import { type EgressPolicy, parseEgressAllow } from '../../../../src/connectors/kit/network/addresses.ts';
import { type DialerOptions, PolicedDialer } from '../../../../src/connectors/kit/network/dialer.ts';
import { type Listener, listen } from '../../../support/listener.ts';

let echo: Listener;
let controller: AbortController;
let dialers: PolicedDialer[];

beforeEach(async () => {
  echo = await listen((socket) => socket.pipe(socket));
  controller = new AbortController();
  dialers = [];
});

afterEach(async () => {
  vi.useRealTimers();
  for (const dialer of dialers) dialer.close();
  await echo.close();
});

interface Overrides extends Partial<Omit<DialerOptions, 'policy'>>, Partial<Pick<EgressPolicy, 'forbidden' | 'proxy'>> {
  readonly allow?: string;
}

function dialerOf({ allow = '', forbidden = [], proxy, ...options }: Overrides = {}): PolicedDialer {
  const policy = { allow: parseEgressAllow(allow), forbidden, ...(proxy === undefined ? {} : { proxy }) };
  const dialer = new PolicedDialer({ policy, signal: controller.signal, ...options });
  dialers.push(dialer);
  return dialer;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason) => reason,
  );
  return error instanceof Failure ? error.report.code : String(error);
}

/** A resolver that knows these names, and counts how often it is asked. */
function resolverOf(names: Record<string, readonly string[]>) {
  const asked: string[] = [];
  const lookup = async (host: string) => {
    asked.push(host);
    return names[host] ?? [];
  };
  return { asked, lookup };
}

async function reply(port: number, dialer: PolicedDialer, host = '127.0.0.1'): Promise<string> {
  const socket = await dialer.dial(host, port);
  socket.write('hello');
  const [chunk] = await once(socket, 'data');
  return String(chunk);
}

describe('what it connects to', () => {
  it('connects to an address that is allowed', async () => {
    expect(await reply(echo.port, dialerOf({ allow: '127.0.0.1' }))).toBe('hello');
    expect(echo.accepted).toBe(1);
  });

  it('connects to a name through its checked address', async () => {
    const { lookup } = resolverOf({ 'db.example': ['127.0.0.1'] });
    const dialer = dialerOf({ allow: `127.0.0.1:${echo.port}`, lookup });
    expect(await dialer.resolve('db.example', echo.port)).toEqual(['127.0.0.1']);
    expect(await reply(echo.port, dialer, 'db.example')).toBe('hello');
  });

  it('asks the system, hosts file included, when no resolver is given', async () => {
    expect(await dialerOf({ allow: '127.0.0.1,::1' }).resolve('localhost', 80)).toContain('127.0.0.1');
  });

  it.each([
    '127.0.0.1',
    '0.0.0.0',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'localhost',
    'localhost.',
    '::',
  ])('opens no connection to %s', async (host) => {
    expect(await codeOf(dialerOf().dial(host, echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(echo.accepted).toBe(0);
  });

  it.each([
    '169.254.169.254',
    '::ffff:a9fe:a9fe',
    'fe80::1%lo',
    '168.63.129.16',
    'metadata.google.internal',
    '0.0.0.0',
    '::',
    '224.0.0.1',
  ])('opens no connection to %s, whatever is allowed', async (host) => {
    const dialer = dialerOf({ allow: '0.0.0.0/0,::/0', lookup: async () => ['127.0.0.1'] });
    expect(await codeOf(dialer.dial(host, echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(echo.accepted).toBe(0);
  });

  it.each([
    [['8.8.8.8', '127.0.0.1']],
    [['127.0.0.1', '8.8.8.8']],
    [['2606:4700::1', '::ffff:127.0.0.1']],
    [['169.254.169.254']],
  ])('opens no connection to a name behind which %j are', async (addresses) => {
    const { lookup } = resolverOf({ 'db.example': addresses });
    const dialer = dialerOf({ lookup });
    expect(await codeOf(dialer.resolve('db.example', echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(await codeOf(dialer.dial('db.example', echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(echo.accepted).toBe(0);
  });

  it.each(['127.1', '2130706433', '0x7f.1', '0177.0.0.1'])(
    'judges what the system makes of the odd spelling %s',
    async (host) => {
      const dialer = dialerOf();
      expect(await codeOf(dialer.dial(host, echo.port))).toBe('ADDRESS_NOT_ALLOWED');
      expect(echo.accepted).toBe(0);
    },
  );

  it('keeps to the first answer of a name that changes its address', async () => {
    const other = await listen((socket) => socket.end('other'));
    let asked = 0;
    const lookup = async () => [asked++ === 0 ? '127.0.0.1' : '127.0.0.2'];
    const dialer = dialerOf({ allow: '127.0.0.0/8', lookup });
    await dialer.resolve('db.example', echo.port);
    const sockets = [await dialer.dial('db.example', echo.port), await dialer.dial('db.example', echo.port)];
    expect(sockets.map((each) => each.remoteAddress)).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(asked).toBe(1);
    await other.close();
  });

  it('opens the addresses of an allowed name alone, on its port alone', async () => {
    const { lookup } = resolverOf({ 'db.internal': ['127.0.0.1'], 'other.internal': ['127.0.0.1'] });
    const dialer = dialerOf({ allow: `db.internal:${echo.port}`, lookup });
    expect(await reply(echo.port, dialer, 'db.internal')).toBe('hello');
    expect(await codeOf(dialer.dial('other.internal', echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(await codeOf(dialer.dial('db.internal', echo.port + 1))).toBe('ADDRESS_NOT_ALLOWED');
    expect(echo.accepted).toBe(1);
  });

  it('never connects to the gateway’s own places, by address or by name', async () => {
    const { lookup } = resolverOf({ 'own-database.internal': ['127.0.0.1'], 'db.example': ['127.0.0.1'] });
    const byAddress = dialerOf({ allow: '127.0.0.1', forbidden: [{ host: '127.0.0.1', port: echo.port }], lookup });
    const byName = dialerOf({
      allow: '127.0.0.1',
      forbidden: [{ host: 'own-database.internal', port: echo.port }],
      lookup,
    });
    for (const dialer of [byAddress, byName]) {
      for (const host of ['127.0.0.1', 'db.example', 'own-database.internal']) {
        expect([host, await codeOf(dialer.dial(host, echo.port))]).toEqual([host, 'ADDRESS_NOT_ALLOWED']);
      }
    }
    expect(echo.accepted).toBe(0);
  });

  it('says what opens an address, if anything does, and tells a stranger nothing of the gateway’s own places', async () => {
    const own = { host: '127.0.0.1', port: echo.port };
    const hintOf = async (dialer: PolicedDialer, host: string) => {
      const failure: unknown = await dialer.resolve(host, echo.port).catch((error: unknown) => error);
      return failure instanceof Failure ? failure.report.hint : null;
    };
    const opened = dialerOf({ allow: '127.0.0.1', forbidden: [own] });
    expect(await hintOf(opened, '127.0.0.1')).toMatch(/own listener and database.*no setting opens/);
    expect(await hintOf(opened, '169.254.169.254')).toMatch(/no setting opens metadata services/);
    expect(await hintOf(opened, '10.0.0.1')).toContain('EGRESS_ALLOW');
    expect(await hintOf(dialerOf({ forbidden: [own] }), '127.0.0.1')).toBe(await hintOf(dialerOf(), '127.0.0.1'));
  });

  it('looks the same for an open and for a closed port', async () => {
    const errors = await Promise.all(
      [echo.port, await closedPort()].map((port) =>
        dialerOf()
          .dial('127.0.0.1', port)
          .catch((error) => error),
      ),
    );
    expect(errors[0].report).toEqual(errors[1].report);
    expect(errors[0].report.code).toBe('ADDRESS_NOT_ALLOWED');
    expect(echo.accepted).toBe(0);
  });

  it('goes to the place that stands for a name, and to no other', async () => {
    const dialer = dialerOf({ names: { 'storage.googleapis.com:443': `127.0.0.1:${echo.port}` } });
    expect(await dialer.resolve('storage.googleapis.com', 443)).toEqual(['127.0.0.1']);
    expect(await reply(443, dialer, 'storage.googleapis.com')).toBe('hello');
    expect(await codeOf(dialer.dial('127.0.0.1', echo.port))).toBe('ADDRESS_NOT_ALLOWED');
  });
});

describe('what goes wrong', () => {
  it('tells a closed port and unknown names apart', async () => {
    const { lookup } = resolverOf({});
    const dialer = dialerOf({ allow: '127.0.0.1', lookup });
    expect(await codeOf(dialer.dial('127.0.0.1', await closedPort()))).toBe('CONNECTION_REFUSED');
    expect(await codeOf(dialer.dial('unknown.example', 80))).toBe('NAME_NOT_FOUND');
    const failing = (code: string) =>
      dialerOf({ lookup: async () => Promise.reject(Object.assign(new Error('no'), { code })) });
    expect(await codeOf(failing('ENOTFOUND').dial('unknown.example', 80))).toBe('NAME_NOT_FOUND');
    expect(await codeOf(failing('EAI_AGAIN').resolve('unknown.example', 80))).toBe('NAME_LOOKUP_FAILED');
  });

  it('tries the addresses in turn', async () => {
    const { lookup } = resolverOf({ 'db.example': ['::1', '127.0.0.1'], 'closed.example': ['127.0.0.1', '::1'] });
    const dialer = dialerOf({ allow: '127.0.0.1,::1', lookup });
    const socket = await dialer.dial('db.example', echo.port);
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(await codeOf(dialer.dial('closed.example', await closedPort()))).toBe('CONNECTION_REFUSED');
  });

  it('tries the next address beside a silent one, and takes whichever answers first', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const asked = new Map<string, Socket>();
    const proxy = await listen((socket) => {
      socket.once('data', (chunk) => asked.set(String(chunk).split(' ')[1] ?? '', socket));
    });
    const { lookup } = resolverOf({ 'db.example': ['8.8.8.8', '8.8.4.4', '1.1.1.1'] });
    const dialing = dialerOf({ lookup, proxy: `http://127.0.0.1:${proxy.port}/` }).dial('db.example', 5432);
    await vi.waitUntil(() => asked.has('8.8.8.8:5432'));
    expect(asked.size).toBe(1);
    await vi.advanceTimersByTimeAsync(2000);
    await vi.waitUntil(() => asked.has('8.8.4.4:5432'));
    asked.get('8.8.8.8:5432')?.write('HTTP/1.1 200 OK\r\n\r\n');
    expect((await dialing).remoteAddress).toBe('8.8.8.8');
    asked.get('8.8.4.4:5432')?.write('HTTP/1.1 200 OK\r\n\r\n');
    await vi.waitUntil(() => proxy.sockets.size === 1);
    expect(asked.size).toBe(2);
    await proxy.close();
  });

  it('gives up a name that does not resolve as soon as the signal aborts', async () => {
    const dialer = dialerOf({ lookup: () => new Promise(() => undefined) });
    const waiting = dialer.dial('slow.example', 80).catch((error) => error);
    controller.abort('deadline');
    expect(await waiting).toBe('deadline');
    expect(await dialer.dial('127.0.0.1', echo.port).catch((error) => error)).toBe('deadline');
    expect(echo.accepted).toBe(0);
  });
});

describe('what it owns', () => {
  it('destroys every socket at once when the signal aborts, with its reason', async () => {
    const dialer = dialerOf({ allow: '127.0.0.1' });
    const sockets = await Promise.all(Array.from({ length: 20 }, () => dialer.dial('127.0.0.1', echo.port)));
    const reason = new Error('cancelled');
    const errors = Promise.all(sockets.map((socket) => once(socket, 'error')));
    controller.abort(reason);
    expect(sockets.every((socket) => socket.destroyed)).toBe(true);
    expect(await errors).toEqual(sockets.map(() => [reason]));
    await echo.drained();
    expect(echo.accepted).toBe(20);
  });

  it('destroys every socket on close, also when nobody listens for errors', async () => {
    const dialer = dialerOf({ allow: '127.0.0.1' });
    const socket = await dialer.dial('127.0.0.1', echo.port);
    socket.removeAllListeners();
    dialer.close();
    expect(socket.destroyed).toBe(true);
    await echo.drained();
    expect(await codeOf(dialer.dial('127.0.0.1', echo.port))).toBe('CONNECTION_LOST');
  });
});

describe('through the operator’s proxy', () => {
  /** Answers CONNECT; what it was asked for is kept. */
  async function startProxy(answer: (place: string) => string) {
    const asked: string[] = [];
    const proxy = await listen((socket) => {
      socket.once('data', (chunk) => {
        const [head = ''] = String(chunk).split('\r\n\r\n');
        asked.push(head);
        const reply = answer(head.split(' ')[1] ?? '');
        socket.write(reply);
        if (!reply.includes(' 200 ')) return socket.end();
        return socket.on('data', (data) => socket.write(`proxied ${data}`));
      });
    });
    return { proxy, asked, url: (user = '') => `http://${user}127.0.0.1:${proxy.port}/` };
  }

  it('asks for the checked address, with the operator’s credentials', async () => {
    const { proxy, asked, url } = await startProxy(() => 'HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nfirst ');
    const { lookup } = resolverOf({ 'db.example': ['8.8.8.8'], 'six.example': ['2606:4700::1111'] });
    const dialer = dialerOf({ lookup, proxy: url('user:p%40ss@') });
    const socket = await dialer.dial('db.example', 5432);
    socket.write('hello');
    let got = '';
    for await (const chunk of socket) {
      got += chunk;
      if (got.includes('hello')) break;
    }
    expect(got).toBe('first proxied hello');
    await dialer.dial('six.example', 5432);
    expect(asked[0]).toBe(
      `CONNECT 8.8.8.8:5432 HTTP/1.1\r\nHost: 8.8.8.8:5432\r\nProxy-Authorization: Basic ${Buffer.from('user:p@ss').toString('base64')}`,
    );
    expect(asked[1]).toContain('CONNECT [2606:4700::1111]:5432 HTTP/1.1');
    await proxy.close();
  });

  it('still checks the address before it asks', async () => {
    const { proxy, url } = await startProxy(() => 'HTTP/1.1 200 OK\r\n\r\n');
    expect(await codeOf(dialerOf({ proxy: url() }).dial('127.0.0.1', echo.port))).toBe('ADDRESS_NOT_ALLOWED');
    expect(proxy.accepted).toBe(0);
    await proxy.close();
  });

  it.each([
    'HTTP/1.1 403 Forbidden\r\n\r\n',
    'HTTP/1.1 502 Bad Gateway\r\n\r\n',
    'SSH-2.0-x\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`,
    'HTTP',
  ])('says that it was the proxy which refused (%.12s)', async (answer) => {
    const { proxy, url } = await startProxy(() => answer);
    const error = await dialerOf({ proxy: url() })
      .dial('8.8.8.8', 5432)
      .catch((reason) => reason);
    expect(error.report.code).toBe('HOST_UNREACHABLE');
    expect(error.report.hint).toContain('EGRESS_PROXY');
    await proxy.close();
  });

  it.each([
    ['before it was asked', (socket: Socket) => socket.resetAndDestroy()],
    ['when it was asked', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['in its answer', (socket: Socket) => socket.write('HTTP/1.1 2', () => socket.resetAndDestroy())],
  ])('says that it was the proxy which reset %s', async (_when, reset) => {
    const proxy = await listen((socket) => void reset(socket));
    const error = await dialerOf({ proxy: `http://127.0.0.1:${proxy.port}/` })
      .dial('8.8.8.8', 5432)
      .catch((reason) => reason);
    expect(error.report).toMatchObject({ code: 'HOST_UNREACHABLE', hint: expect.stringContaining('EGRESS_PROXY') });
    await proxy.close();
  });

  it('does not take the proxy’s closed port for the target’s', async () => {
    const proxy = `http://127.0.0.1:${await closedPort()}/`;
    const error = await dialerOf({ proxy })
      .dial('8.8.8.8', 5432)
      .catch((reason) => reason);
    expect(error.report.code).toBe('HOST_UNREACHABLE');
    expect(error.report.hint).toContain('EGRESS_PROXY');
  });

  it('ends with the signal when the proxy stays silent', async () => {
    const silent = await listen((socket) => socket.resume());
    const waiting = dialerOf({ proxy: `http://127.0.0.1:${silent.port}/` })
      .dial('8.8.8.8', 5432)
      .catch((reason) => reason);
    await expect.poll(() => silent.accepted).toBe(1);
    controller.abort('deadline');
    expect(await waiting).toBe('deadline');
    await silent.drained();
    await silent.close();
  });
});

/** A port of loopback that nothing listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const place = server.address();
  server.close();
  await once(server, 'close');
  return typeof place === 'object' && place ? place.port : 0;
}
