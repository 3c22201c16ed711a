import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Tls, TlsMode } from '../../../../src/connectors/kit/config/tls.ts';
import type { SecuredSocket } from '../../../../src/connectors/kit/contract/connector.ts';
import { explainNetworkError } from '../../../../src/connectors/kit/contract/explain.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import type { PeerSocket } from '../../../../src/connectors/kit/contract/peer-socket.ts';
import { PolicedDialer } from '../../../../src/connectors/kit/network/dialer.ts';
import {
  type Authority,
  createAuthority,
  createSelfSigned,
  type IssuedCertificate,
} from '../../../support/certificates.ts';
import { type Listener, listen, listenTls } from '../../../support/listener.ts';

const DAY = 86_400_000;
const HOST = 'db.example';

let authority: Authority;
let stranger: Authority;
let certificates: Record<string, IssuedCertificate>;
let controller: AbortController;
let dialer: PolicedDialer;
let servers: Listener[];

beforeAll(async () => {
  authority = await createAuthority('Our CA');
  stranger = await createAuthority('Another CA');
  const inDays = (days: number) => new Date(Date.now() + days * DAY);
  certificates = {
    good: await authority.issue({ commonName: HOST, names: [HOST, '*.wild.example'], ips: ['127.0.0.1'] }),
    otherName: await authority.issue({ commonName: 'other.example' }),
    selfSigned: await createSelfSigned({ commonName: HOST }),
    stranger: await stranger.issue({ commonName: HOST }),
    expired: await authority.issue({ commonName: HOST, notBefore: inDays(-30), notAfter: inDays(-2) }),
    early: await authority.issue({ commonName: HOST, notBefore: inDays(2) }),
    ending: await authority.issue({ commonName: HOST, notAfter: inDays(13.5) }),
    client: await authority.issue({ client: true }),
    strangersClient: await stranger.issue({ client: true }),
  };
});

beforeEach(() => {
  servers = [];
  controller = new AbortController();
  dialer = dialerWith();
});

afterEach(async () => {
  dialer.close();
  await Promise.all(servers.map((server) => server.close()));
});

function dialerWith(publicCa?: string): PolicedDialer {
  return new PolicedDialer({
    policy: { allow: ['127.0.0.1'], forbidden: [] },
    signal: controller.signal,
    lookup: async () => ['127.0.0.1'],
    ...(publicCa === undefined ? {} : { publicCa }),
  });
}

function certificate(name: string): IssuedCertificate {
  const found = certificates[name];
  if (!found) throw new Error(`no certificate ${name}`);
  return found;
}

async function serve(name: string, options: TlsOptions = {}): Promise<Listener> {
  const { certificate: cert, key } = certificate(name);
  const server = await listenTls({ cert, key, ...options }, (socket) => socket.pipe(socket));
  servers.push(server);
  return server;
}

async function secure(port: number, tls: Partial<Tls> & { mode: TlsMode }, host = HOST): Promise<SecuredSocket> {
  return dialer.secure(await dialer.dial(host, port), host, tls);
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const error: unknown = await promise.then(
    () => 'no error',
    (reason) => reason,
  );
  if (error instanceof Failure) return error;
  throw new Error(`expected a Failure, got ${String(error)}`);
}

async function echoed(secured: SecuredSocket): Promise<string> {
  secured.socket.write('hello');
  const [chunk] = await once(secured.socket, 'data');
  return String(chunk);
}

describe('the certificate', () => {
  const trusting = () => ({ caCertificate: authority.certificate });

  const cases: [string, Record<TlsMode, string>][] = [
    ['good', { DISABLE: '', REQUIRE: '', VERIFY_CA: '', VERIFY_FULL: '' }],
    ['otherName', { DISABLE: '', REQUIRE: '', VERIFY_CA: '', VERIFY_FULL: 'TLS_NAME_MISMATCH' }],
    ['selfSigned', { DISABLE: '', REQUIRE: '', VERIFY_CA: 'TLS_SELF_SIGNED', VERIFY_FULL: 'TLS_SELF_SIGNED' }],
    ['stranger', { DISABLE: '', REQUIRE: '', VERIFY_CA: 'TLS_UNTRUSTED', VERIFY_FULL: 'TLS_UNTRUSTED' }],
    ['expired', { DISABLE: '', REQUIRE: '', VERIFY_CA: 'TLS_EXPIRED', VERIFY_FULL: 'TLS_EXPIRED' }],
    ['early', { DISABLE: '', REQUIRE: '', VERIFY_CA: 'TLS_NOT_YET_VALID', VERIFY_FULL: 'TLS_NOT_YET_VALID' }],
  ];
  const matrix = cases.flatMap(([name, codes]) =>
    (['REQUIRE', 'VERIFY_CA', 'VERIFY_FULL'] as const).map((mode) => [name, mode, codes[mode]] as const),
  );

  it.each(matrix)('%s with %s: %s', async (name, mode, code) => {
    const server = await serve(name);
    const outcome = secure(server.port, { mode, ...trusting() });
    if (code === '') {
      expect(await echoed(await outcome)).toBe('hello');
    } else {
      const failure = await failureOf(outcome);
      expect(failure.report.code).toBe(code);
      expect(failure.evidence).toMatchObject({ protocol: 'TLSv1.3', subject: expect.stringContaining('CN=') });
      await server.drained();
    }
  });

  it('is told all about, passed or refused', async () => {
    const passed = await secure((await serve('good')).port, { mode: 'VERIFY_FULL', ...trusting() });
    expect(passed.evidence).toEqual({
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_256_GCM_SHA384',
      subject: `CN=${HOST}`,
      issuer: 'CN=Our CA',
      names: `${HOST}, *.wild.example, 127.0.0.1`,
      daysUntilExpiry: 89,
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      fingerprintSha256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
    });
    expect(passed.warning).toBe(false);
    const { evidence } = await failureOf(secure((await serve('expired')).port, { mode: 'VERIFY_FULL', ...trusting() }));
    expect(evidence).toMatchObject({ subject: `CN=${HOST}`, issuer: 'CN=Our CA', names: HOST, daysUntilExpiry: -3 });
  });

  it('warns when it ends in less than 14 days', async () => {
    const secured = await secure((await serve('ending')).port, { mode: 'VERIFY_FULL', ...trusting() });
    expect(secured.warning).toBe(true);
    expect(secured.evidence.daysUntilExpiry).toBe(13);
  });

  it('points at the field to mend', async () => {
    const pathOf = async (name: string) =>
      (await failureOf(secure((await serve(name)).port, { mode: 'VERIFY_FULL', ...trusting() }))).report.configPath;
    expect(await pathOf('selfSigned')).toBe('tls.caCertificate');
    expect(await pathOf('stranger')).toBe('tls.caCertificate');
    expect(await pathOf('otherName')).toBe('tls.serverName');
    expect(await pathOf('expired')).toBeNull();
  });

  it('is judged by tls.serverName where that is given', async () => {
    const server = await serve('otherName');
    const secured = await secure(server.port, { mode: 'VERIFY_FULL', ...trusting(), serverName: 'other.example' });
    expect(await echoed(secured)).toBe('hello');
    const wrong = secure((await serve('good')).port, {
      mode: 'VERIFY_FULL',
      ...trusting(),
      serverName: 'other.example',
    });
    expect((await failureOf(wrong)).report.code).toBe('TLS_NAME_MISMATCH');
  });

  it('is judged by an address, and by a wildcard', async () => {
    const server = await serve('good');
    const full = { mode: 'VERIFY_FULL', ...trusting() } as const;
    expect(await echoed(await secure(server.port, full, '127.0.0.1'))).toBe('hello');
    expect(await echoed(await secure(server.port, full, 'a.wild.example'))).toBe('hello');
    expect((await failureOf(secure(server.port, full, 'a.b.wild.example'))).report.code).toBe('TLS_NAME_MISMATCH');
    const other = await serve('otherName');
    expect((await failureOf(secure(other.port, full, '127.0.0.1'))).report.code).toBe('TLS_NAME_MISMATCH');
  });

  it('may itself be the trusted one', async () => {
    const selfSigned = certificate('selfSigned').certificate;
    const leaf = certificate('good').certificate;
    const mode = 'VERIFY_FULL';
    expect(await echoed(await secure((await serve('selfSigned')).port, { mode, caCertificate: selfSigned }))).toBe(
      'hello',
    );
    expect(await echoed(await secure((await serve('good')).port, { mode, caCertificate: leaf }))).toBe('hello');
    expect((await failureOf(secure((await serve('stranger')).port, { mode, caCertificate: leaf }))).report.code).toBe(
      'TLS_UNTRUSTED',
    );
  });

  it('is trusted by any one of several CAs, and by these instead of the public ones', async () => {
    const both = `${stranger.certificate}\n${authority.certificate}`;
    for (const name of ['good', 'stranger']) {
      expect(await echoed(await secure((await serve(name)).port, { mode: 'VERIFY_FULL', caCertificate: both }))).toBe(
        'hello',
      );
    }
    expect((await failureOf(secure((await serve('good')).port, { mode: 'VERIFY_FULL' }))).report.code).toBe(
      'TLS_UNTRUSTED',
    );
  });

  it('is trusted by the extra CA of the tests, unless the config names one', async () => {
    dialer.close();
    dialer = dialerWith(authority.certificate);
    const server = await serve('good');
    expect(await echoed(await secure(server.port, { mode: 'VERIFY_FULL' }))).toBe('hello');
    const replaced = secure(server.port, { mode: 'VERIFY_FULL', caCertificate: stranger.certificate });
    expect((await failureOf(replaced)).report.code).toBe('TLS_UNTRUSTED');
  });

  it('is there for drivers that bind their sign-in to it', async () => {
    const { socket } = await secure((await serve('good')).port, { mode: 'REQUIRE' });
    const { raw } = (socket as PeerSocket & Pick<TLSSocket, 'getPeerCertificate'>).getPeerCertificate();
    expect(raw.equals(new X509Certificate(certificate('good').certificate).raw)).toBe(true);
  });

  it('is judged before a byte is sent', async () => {
    const got: string[] = [];
    const { certificate: cert, key } = certificate('stranger');
    const server = await listenTls({ cert, key }, (socket) => socket.on('data', (chunk) => got.push(String(chunk))));
    servers.push(server);
    await failureOf(secure(server.port, { mode: 'VERIFY_FULL' }));
    await server.drained();
    expect(got).toEqual([]);
  });
});

describe('the handshake', () => {
  it('names the host to the server, but never an address', async () => {
    const names: (string | false | null)[] = [];
    const { certificate: cert, key } = certificate('good');
    const server = await listenTls({ cert, key }, (socket) => {
      names.push(socket.servername);
      socket.end();
    });
    servers.push(server);
    await secure(server.port, { mode: 'REQUIRE' });
    await secure(server.port, { mode: 'REQUIRE' }, '127.0.0.1');
    await secure(server.port, { mode: 'REQUIRE', serverName: 'named.example' });
    await expect.poll(() => names).toEqual([HOST, false, 'named.example']);
  });

  it('offers the protocols that it is told', async () => {
    const server = await serve('good', { ALPNProtocols: ['h2', 'http/1.1'] });
    const socket = await dialer.dial(HOST, server.port);
    await dialer.secure(socket, HOST, { mode: 'REQUIRE' }, { alpnProtocols: ['http/1.1'] });
    const [accepted] = server.sockets;
    expect(accepted).toBeDefined();
    const refusing = await serve('good', { ALPNProtocols: ['tds/8.0'] });
    const other = await dialer.dial(HOST, refusing.port);
    const failure = await failureOf(dialer.secure(other, HOST, { mode: 'REQUIRE' }, { alpnProtocols: ['http/1.1'] }));
    expect(failure.report.code).toBe('TLS_FAILED');
  });

  it('takes TLS 1.2, and nothing older', async () => {
    const modern = await serve('good', { maxVersion: 'TLSv1.2' });
    expect((await secure(modern.port, { mode: 'REQUIRE' })).evidence.protocol).toBe('TLSv1.2');
    const old = await serve('good', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    expect((await failureOf(secure(old.port, { mode: 'REQUIRE' }))).report.code).toBe('TLS_FAILED');
  });

  it.each(['HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\x00\x00\x00\x00', 'N'])(
    'fails clearly when the peer answers %j',
    async (text) => {
      const server = await listen((socket) => socket.once('data', () => socket.end(text)));
      servers.push(server);
      expect((await failureOf(secure(server.port, { mode: 'VERIFY_FULL' }))).report.code).toBe('TLS_FAILED');
    },
  );

  it('fails clearly when the peer hangs up', async () => {
    const ending = await listen((socket) => socket.end());
    const resetting = await listen((socket) => socket.once('data', () => socket.resetAndDestroy()));
    servers.push(ending, resetting);
    expect((await failureOf(secure(ending.port, { mode: 'REQUIRE' }))).report.cause).toMatch(/^(TLS|NETWORK)$/);
    expect((await failureOf(secure(resetting.port, { mode: 'REQUIRE' }))).report.cause).toMatch(/^(TLS|NETWORK)$/);
  });

  it('takes nothing for TLS that came in the clear before', async () => {
    const server = await listen((socket) => socket.once('data', () => socket.write('Sand more')));
    servers.push(server);
    const socket = await dialer.dial(HOST, server.port);
    socket.write('TLS?');
    await once(socket, 'readable');
    socket.read(1);
    expect((await failureOf(dialer.secure(socket, HOST, { mode: 'REQUIRE' }))).report.code).toBe('PROTOCOL_MISMATCH');
    await server.drained();
  });

  it('ends by the signal when the peer stays silent', async () => {
    const server = await listen((socket) => socket.resume());
    servers.push(server);
    const socket = await dialer.dial(HOST, server.port);
    const waiting = dialer.secure(socket, HOST, { mode: 'REQUIRE' }).catch((error) => error);
    setImmediate(() => controller.abort('deadline'));
    expect(await waiting).toBe('deadline');
    await server.drained();
  });

  it('ends with the dialer', async () => {
    const server = await serve('good');
    const { socket } = await secure(server.port, { mode: 'REQUIRE' });
    dialer.close();
    expect(socket.destroyed).toBe(true);
    await server.drained();
  });

  it('ends what is under it when the driver destroys the socket', async () => {
    const server = await serve('good');
    const { socket } = await secure(server.port, { mode: 'REQUIRE' });
    socket.destroy();
    await server.drained();
  });

  it('hands on the orderly end', async () => {
    const { certificate: cert, key } = certificate('good');
    const server = await listenTls({ cert, key }, (socket) => socket.end('bye'));
    servers.push(server);
    const { socket } = await secure(server.port, { mode: 'REQUIRE' });
    let got = '';
    for await (const chunk of socket) got += chunk;
    expect(got).toBe('bye');
    await server.drained();
  });
});

describe('the client certificate', () => {
  const asking = () => ({ ca: authority.certificate, requestCert: true, rejectUnauthorized: true });

  /** Where the alert comes depends on the version: in the handshake, or with the first read after it. */
  async function outcome(maxVersion: 'TLSv1.2' | 'TLSv1.3', tls: Partial<Tls>): Promise<string> {
    const server = await serve('good', { ...asking(), maxVersion });
    try {
      return await echoed(await secure(server.port, { mode: 'REQUIRE', ...tls }));
    } catch (error) {
      return explainNetworkError(error)?.report.code ?? String(error);
    }
  }

  const pair = (name: string) => ({
    clientCertificate: certificate(name).certificate,
    clientKey: certificate(name).key,
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is sent, with %s', async (version) => {
    expect(await outcome(version, pair('client'))).toBe('hello');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is found among others, and its key among parameters, with %s',
    async (version) => {
      const { clientCertificate, clientKey } = pair('client');
      const chain = `${authority.certificate}Bag Attributes\n  localKeyID: 01\n${clientCertificate}${clientKey}`;
      const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
      const key = createPrivateKey(clientKey).export({ type: 'sec1', format: 'pem' }).toString();
      for (const text of [chain, chain.replaceAll('\n', '\\n'), chain.replaceAll('\n', ' ')])
        expect(await outcome(version, { clientCertificate: text, clientKey: parameters + key })).toBe('hello');
    },
  );

  it.each(['first', 'last', 'in the middle'] as const)('stands %s in the chain that it needs', async (place) => {
    // the server trusts the root alone: whoever does not send what lies between is refused
    const upper = await authority.intermediate('Upper CA');
    const lower = await upper.intermediate('Lower CA');
    const { certificate: leaf, key: clientKey } = await lower.issue({ client: true });
    const [one, two] = [upper.certificate, lower.certificate];
    const chain = { first: [leaf, two, one], last: [one, two, leaf], 'in the middle': [one, leaf, two] }[place];
    expect(await outcome('TLSv1.3', { clientCertificate: chain.join('\n'), clientKey })).toBe('hello');
  });

  const encrypted = (type: 'pkcs8' | 'sec1') =>
    createPrivateKey(certificate('client').key)
      .export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: 'opens it' })
      .toString();

  it.each(['pkcs8', 'sec1'] as const)('has an encrypted key, in %s', async (type) => {
    const own = { ...pair('client'), clientKey: encrypted(type) };
    expect(await outcome('TLSv1.3', { ...own, clientKeyPassphrase: 'opens it' })).toBe('hello');
    expect(await outcome('TLSv1.3', { ...own, clientKeyPassphrase: 'another' })).toBe('PASSPHRASE_REFUSED');
    expect(await outcome('TLSv1.3', own)).toBe('PASSPHRASE_REQUIRED');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('is missing, with %s', async (version) => {
    expect(await outcome(version, {})).toBe('TLS_CLIENT_CERTIFICATE_REQUIRED');
  });

  it('is missing, and GnuTLS says over TLS 1.2 that it could not decode it', async () => {
    const server = await serve('good', { ...asking(), maxVersion: 'TLSv1.2' });
    let refusals = 0;
    const gnutls = await listen((socket) => {
      const peer = connect(server.port, '127.0.0.1');
      const alert = (number: number) => Buffer.from([21, 3, 3, 0, 2, 2, number]);
      peer.on('data', (bytes) => {
        const isRefusal = bytes.equals(alert(40));
        refusals += Number(isRefusal);
        socket.write(isRefusal ? alert(50) : bytes);
      });
      peer.on('end', () => socket.end()).on('error', () => socket.destroy());
      socket.pipe(peer);
    });
    servers.push(gnutls);
    const { report } = await failureOf(secure(gnutls.port, { mode: 'REQUIRE' }));
    expect(refusals).toBe(1);
    expect(report).toMatchObject({ code: 'TLS_CLIENT_CERTIFICATE_REQUIRED', configPath: 'tls.clientCertificate' });
  });

  it('is not what a server means that cannot decode the first message', async () => {
    const server = await listen((socket) =>
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 50]))),
    );
    servers.push(server);
    expect((await failureOf(secure(server.port, { mode: 'REQUIRE' }))).report.code).toBe('TLS_FAILED');
  });

  it.each([
    [42, 'bad certificate'],
    [45, 'certificate expired'],
    [46, 'certificate unknown'],
    [48, 'unknown CA'],
    [49, 'access denied'],
  ])('is refused by alert %i: %s', async (alert) => {
    const server = await listen((socket) =>
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, alert]))),
    );
    servers.push(server);
    const { report } = await failureOf(secure(server.port, { mode: 'REQUIRE', ...pair('strangersClient') }));
    expect(report).toMatchObject({ code: 'TLS_CLIENT_CERTIFICATE_REFUSED', configPath: 'tls.clientCertificate' });
  });

  it('is not blamed for a handshake that failed before it was asked for', async () => {
    const server = await listen((socket) =>
      socket.once('data', () => socket.end(Buffer.from([21, 3, 3, 0, 2, 2, 40]))),
    );
    servers.push(server);
    expect((await failureOf(secure(server.port, { mode: 'REQUIRE' }))).report.code).toBe('TLS_FAILED');
  });
});

describe('what comes before the certificates in a text', () => {
  it('hides none of them: a CA is trusted wherever it stands', async () => {
    const server = await serve('good');
    const text = `-----BEGIN JUNK-----\n${stranger.certificate.replaceAll('\n', '\r')} ${authority.certificate}`;
    const secured = await secure(server.port, { mode: 'VERIFY_FULL', caCertificate: text });
    expect(await echoed(secured)).toBe('hello');
  });
});

describe('material that cannot be used', () => {
  const broken = (label: string) => `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----`;

  it.each([
    ['tls.caCertificate', () => ({ caCertificate: broken('CERTIFICATE') })],
    ['tls.caCertificate', () => ({ caCertificate: `${authority.certificate}\n${broken('CERTIFICATE')}` })],
    ['tls.caCertificate', () => ({ caCertificate: certificate('client').key })],
    [
      'tls.clientCertificate',
      () => ({ clientCertificate: broken('CERTIFICATE'), clientKey: certificate('client').key }),
    ],
    [
      'tls.clientKey',
      () => ({ clientCertificate: certificate('client').certificate, clientKey: broken('PRIVATE KEY') }),
    ],
    [
      'tls.clientKey',
      () => ({ clientCertificate: certificate('client').certificate, clientKey: certificate('good').key }),
    ],
  ])('is named: %s', async (path, tls) => {
    const server = await serve('good');
    const { report } = await failureOf(secure(server.port, { mode: 'REQUIRE', ...tls() }));
    expect(report).toMatchObject({ code: 'TLS_BAD_MATERIAL', cause: 'INVALID_CONFIG', configPath: path });
  });
});
