import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type EndpointChecksOptions, endpointChecks } from '../../../../src/connectors/kit/checks/endpoint.ts';
import type { Tls } from '../../../../src/connectors/kit/config/tls.ts';
import type { Check, CheckContext, CheckOutcome, Target } from '../../../../src/connectors/kit/contract/connector.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import type { PeerSocket } from '../../../../src/connectors/kit/contract/peer-socket.ts';
import { PolicedDialer } from '../../../../src/connectors/kit/network/dialer.ts';
import { type Authority, createAuthority, type IssuedCertificate } from '../../../support/certificates.ts';
import { type Listener, listen, listenTls } from '../../../support/listener.ts';

interface Config {
  readonly host: string;
  readonly port: number;
  readonly tls: Tls | null;
}

let authority: Authority;
let leaf: IssuedCertificate;
let controller: AbortController;
let dialer: PolicedDialer;
let servers: Listener[];

beforeAll(async () => {
  authority = await createAuthority();
  leaf = await authority.issue({ commonName: 'db.example' });
});

beforeEach(() => {
  controller = new AbortController();
  servers = [];
  dialer = new PolicedDialer({
    policy: { allow: ['127.0.0.1'], forbidden: [] },
    signal: controller.signal,
    lookup: async (host) => (host === 'db.example' ? ['127.0.0.1'] : []),
  });
});

afterEach(async () => {
  dialer.close();
  await Promise.all(servers.map((server) => server.close()));
});

const target = (config: Config): Target => ({ ...config, hostPath: 'host', portPath: 'port' });

function contextOf(config: Config): CheckContext<Config, null> {
  const link: CheckContext<Config, null>['link'] = {
    socket: undefined,
    take(): PeerSocket {
      const { socket } = link;
      if (!socket) throw new Error('nothing prepared');
      link.socket = undefined;
      return socket;
    },
  };
  return {
    config,
    signal: controller.signal,
    dialer,
    link,
    state: null,
    tenancy: null,
    emitCatalog: async () => undefined,
    onEnd: () => () => undefined,
    waitsFor: () => undefined,
  };
}

/** Runs those that apply, in order; gives what each found, by name. */
async function run(
  context: CheckContext<Config, null>,
  options: Partial<EndpointChecksOptions<Config, null>> = {},
): Promise<Record<string, CheckOutcome>> {
  const outcomes: Record<string, CheckOutcome> = {};
  for (const check of endpointChecks<Config, null>({ target, ...options })) {
    if (check.appliesTo?.(context.config, null) ?? true) outcomes[check.name] = await check.run(context);
  }
  return outcomes;
}

async function reportOf(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason) => reason,
  );
  if (error instanceof Failure) return error.report;
  throw new Error(`expected a Failure, got ${String(error)}`);
}

describe('endpointChecks', () => {
  it('are base checks with a title and a description, in their order', () => {
    const checks: Check<Config, null>[] = endpointChecks({ target });
    expect(checks.map((check) => check.name)).toEqual([
      'endpoint/resolve',
      'tunnel/open',
      'endpoint/connect',
      'tls/handshake',
    ]);
    for (const check of checks) {
      expect(check.base).toBe(true);
      expect(check.title).toMatch(/^[A-Z].{3,}/);
      expect(check.description).toMatch(/^[A-Z].{20,}\.$/);
    }
  });

  it.each([null, { mode: 'DISABLE' } as const])('prepare one connection in the clear (tls: %j)', async (tls) => {
    const server = await listen((socket) => socket.pipe(socket));
    servers.push(server);
    const context = contextOf({ host: 'db.example', port: server.port, tls });
    const outcomes = await run(context);
    expect(outcomes).toEqual({
      'endpoint/resolve': { evidence: { addresses: '127.0.0.1' } },
      'endpoint/connect': { evidence: { address: '127.0.0.1', latencyMs: expect.any(Number) } },
    });
    const socket = context.link.take();
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    expect(server.accepted).toBe(1);
  });

  it('put TLS on that connection, after having asked for it in the clear', async () => {
    const server = await listenTls({ cert: leaf.certificate, key: leaf.key }, (socket) => socket.pipe(socket));
    servers.push(server);
    const context = contextOf({
      host: 'db.example',
      port: server.port,
      tls: { mode: 'VERIFY_FULL', caCertificate: authority.certificate },
    });
    const asked: Duplex[] = [];
    const outcomes = await run(context, {
      startTls: async (socket, given) => {
        expect(given).toBe(context);
        asked.push(socket);
      },
    });
    expect(outcomes['tls/handshake']).toMatchObject({
      evidence: { protocol: 'TLSv1.3', subject: 'CN=db.example' },
      warning: false,
    });
    expect(asked).toHaveLength(1);
    const socket = context.link.take();
    expect(socket).not.toBe(asked[0]);
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe('hello');
    expect(server.accepted).toBe(1);
  });

  it('point at the host or at the port', async () => {
    const server = await listen((socket) => socket.end());
    await server.close();
    const config = { host: 'db.example', port: server.port, tls: null };
    expect(await reportOf(run(contextOf(config)))).toMatchObject({ code: 'CONNECTION_REFUSED', configPath: 'port' });
    expect(await reportOf(run(contextOf({ ...config, host: 'unknown.example' })))).toMatchObject({
      code: 'NAME_NOT_FOUND',
      configPath: 'host',
    });
    expect(await reportOf(run(contextOf({ ...config, host: '10.0.0.1' })))).toMatchObject({
      code: 'ADDRESS_NOT_ALLOWED',
      configPath: 'host',
    });
  });

  it('hand on what startTls says', async () => {
    const server = await listen((socket) => socket.pipe(socket));
    servers.push(server);
    const context = contextOf({ host: 'db.example', port: server.port, tls: { mode: 'REQUIRE' } });
    const startTls = async () => {
      throw new Failure('TLS_NOT_OFFERED');
    };
    expect(await reportOf(run(context, { startTls }))).toMatchObject({
      code: 'TLS_NOT_OFFERED',
      configPath: 'tls.mode',
    });
  });
});
