import { once } from 'node:events';
import type { Socket } from 'node:net';
import ssh2 from 'ssh2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SshTunnel } from '../../../../src/connectors/kit/config/ssh-tunnel.ts';
import { Failure } from '../../../../src/connectors/kit/contract/failure.ts';
import { SIGN_IN_LIMIT } from '../../../../src/connectors/kit/contract/peer-socket.ts';
import { HttpClient } from '../../../../src/connectors/kit/http/client.ts';
import { PolicedDialer } from '../../../../src/connectors/kit/network/dialer.ts';
import { postgres } from '../../../../src/connectors/postgres/index.ts';
import { s3 } from '../../../../src/connectors/s3/index.ts';
import { type Authority, createAuthority } from '../../../support/certificates.ts';
import { listen } from '../../../support/listener.ts';
import { type BastionOptions, type FakeBastion, startBastion } from '../../../support/peers/fake-bastion.ts';
import { json, startHttpPeer } from '../../../support/peers/http-peer.ts';
import { closedPort, startTarpit, type Tarpit, type TarpitOptions } from '../../../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../../../support/postgres.ts';
import { generateSshKey } from '../../../support/ssh-keys.ts';
import {
  gist,
  type TestConnectionOptions,
  type TestedConnection,
  testConnection,
} from '../../../support/test-connection.ts';

const PASSWORD = 'bastion pass ä✓ "quoted"';
const PASSPHRASE = 'opens the key';
const USER = { name: 'ann', password: PASSWORD };
const sealedKey = (cipher = 'aes256-ctr') => ({ passphrase: PASSPHRASE, cipher, rounds: 2 });

let authority: Authority;
let database: PostgresServer;
const closing: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  const leaf = await authority.issue({ commonName: 'db.internal' });
  database = await startPostgres({ tls: { key: leaf.key, cert: leaf.certificate }, settings: { ssl: 'on' } });
});

afterAll(() => database.stop());

afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close()));
});

function closedAfterwards<T extends { close(): Promise<void> }>(peer: T): T {
  closing.push(peer);
  return peer;
}

/** One that leads to the database as db.internal and as an address of a private network. */
async function bastionOf(options: Partial<BastionOptions> = {}): Promise<FakeBastion> {
  const place = `127.0.0.1:${database.port}`;
  const forwards = { 'db.internal:5432': place, 'other.internal:5432': place, '10.1.2.3:5432': place };
  return closedAfterwards(await startBastion({ user: USER, forwards, ...options }));
}

async function tarpitOf(options: TarpitOptions = {}): Promise<Tarpit> {
  return closedAfterwards(await startTarpit(options));
}

function tunnelOf(bastion: Pick<FakeBastion, 'port'> & Partial<FakeBastion>, more: Partial<SshTunnel> = {}): SshTunnel {
  return {
    enabled: true,
    host: '127.0.0.1',
    port: bastion.port,
    username: USER.name,
    password: PASSWORD,
    hostKeyFingerprint: bastion.fingerprint ?? `SHA256:${'A'.repeat(43)}`,
    ...more,
  };
}

function configOf(sshTunnel: SshTunnel, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    host: 'db.internal',
    username: database.superuser,
    password: database.password,
    database: 'postgres',
    tls: { caCertificate: authority.certificate },
    sshTunnel,
    ...more,
  };
}

function tryTunnel(
  sshTunnel: SshTunnel,
  more: Record<string, unknown> = {},
  options: TestConnectionOptions = {},
): Promise<TestedConnection> {
  return testConnection(postgres, configOf(sshTunnel, more), options);
}

describe('a database behind a bastion', () => {
  it('is reached with TLS to the database itself, over one connection', async () => {
    const bastion = await bastionOf();
    const result = await tryTunnel(tunnelOf(bastion));
    expect(result.failure).toBeNull();
    expect(result.steps.slice(0, 5)).toEqual([
      'endpoint/resolve: PASSED',
      'tunnel/open: PASSED',
      'endpoint/connect: PASSED',
      'tls/handshake: PASSED',
      'session/authenticate: PASSED',
    ]);
    expect(result.evidence).toMatchObject({
      'endpoint/resolve': { addresses: '127.0.0.1' },
      'tunnel/open': { server: 'FakeBastion_1.0', keyType: 'ssh-ed25519', hostKeyFingerprint: bastion.fingerprint },
      'endpoint/connect': { address: 'db.internal' },
      'tls/handshake': { subject: 'CN=db.internal' },
    });
    expect(bastion.asked).toEqual(['db.internal:5432']);
    expect(bastion.listener.accepted).toBe(1);
    await bastion.listener.drained();
  });

  it('shows a certificate for its own name, not for the bastion’s', async () => {
    const bastion = await bastionOf();
    expect(gist(await tryTunnel(tunnelOf(bastion), { host: 'other.internal' }))).toEqual({
      at: 'tls/handshake',
      code: 'TLS_NAME_MISMATCH',
      configPath: 'tls.serverName',
    });
  });

  it('may have a private address that the operator has not allowed: it is one of the bastion’s network', async () => {
    const bastion = await bastionOf();
    const result = await tryTunnel(tunnelOf(bastion), { host: '10.1.2.3', tls: { mode: 'DISABLE' } });
    expect(result.failure).toBeNull();
    expect(bastion.asked).toEqual(['10.1.2.3:5432']);
  });

  it.each([
    '169.254.169.254',
    '100.100.100.200',
    '::ffff:169.254.169.254',
    'metadata.google.internal',
    '0.0.0.0',
    '224.0.0.1',
  ])('is none at %s, which is never allowed', async (host) => {
    const bastion = await bastionOf();
    expect(gist(await tryTunnel(tunnelOf(bastion), { host }, { allow: ['0.0.0.0/0', '::/0'] }))).toEqual({
      at: 'endpoint/connect',
      code: 'ADDRESS_NOT_ALLOWED',
      configPath: 'host',
    });
    expect(bastion.asked).toEqual([]);
  });

  it('is reached directly when the tunnel is switched off', async () => {
    const bastion = await bastionOf();
    const result = await tryTunnel(tunnelOf(bastion, { enabled: false }), {
      host: '127.0.0.1',
      port: database.port,
      tls: { mode: 'REQUIRE' },
    });
    expect(result.failure).toBeNull();
    expect(result.steps).not.toContain('tunnel/open: PASSED');
    expect(bastion.listener.accepted).toBe(0);
  });

  it('has a check that types without tunnels do not have', () => {
    expect(postgres.checks.map((check) => check.name)).toContain('tunnel/open');
    expect(s3.checks.map((check) => check.name)).not.toContain('tunnel/open');
  });
});

describe('signing in', () => {
  const keys = {
    'Ed25519 in OpenSSH’s format': generateSshKey('ed25519', sealedKey()),
    RSA: generateSshKey('rsa', { bits: 2048, ...sealedKey('aes256-cbc') }),
    'ECDSA P-256': generateSshKey('ecdsa', { bits: 256, ...sealedKey() }),
    'ECDSA P-521': generateSshKey('ecdsa', { bits: 521, ...sealedKey() }),
  };

  it.each(Object.entries(keys))('with an encrypted key: %s', async (_name, key) => {
    const bastion = await bastionOf({ user: { name: 'ann', publicKey: key.public } });
    const tunnel = tunnelOf(bastion, { password: undefined, privateKey: key.private, passphrase: PASSPHRASE });
    expect(await tryTunnel(tunnel)).toMatchObject({ status: 'PASSED', failure: null });
    // asked whether it knows the key, then shown the signature
    expect(bastion.attempts).toEqual(['publickey:ann', 'publickey:ann']);
  });

  it('with a password that the bastion asks for as PAM does', async () => {
    const bastion = await bastionOf({ user: { ...USER, asks: true } });
    expect(await tryTunnel(tunnelOf(bastion))).toMatchObject({ status: 'PASSED' });
    expect(bastion.attempts).toEqual(['keyboard-interactive:ann']);
  });

  it('with a key and then a password, where the bastion wants both', async () => {
    const key = generateSshKey('ed25519');
    const bastion = await bastionOf({ user: { ...USER, publicKey: key.public, both: true } });
    expect(await tryTunnel(tunnelOf(bastion, { privateKey: key.private }))).toMatchObject({ status: 'PASSED' });
    expect(bastion.attempts.at(-1)).toBe('password:ann');
  });

  it('with the password, where the bastion does not know the key', async () => {
    const bastion = await bastionOf({ user: { ...USER, publicKey: generateSshKey('ed25519').public } });
    const tunnel = tunnelOf(bastion, { privateKey: generateSshKey('ed25519').private });
    expect(await tryTunnel(tunnel)).toMatchObject({ status: 'PASSED' });
  });

  const key = generateSshKey('ed25519', sealedKey());
  const withKey = { password: undefined, privateKey: key.private, passphrase: PASSPHRASE };
  const keyUser = { name: 'ann', publicKey: key.public };
  it.each<[string, BastionOptions['user'], Partial<SshTunnel>, string, string, RegExp]>([
    ['a wrong password', USER, { password: 'wrong' }, 'SSH_AUTHENTICATION_REFUSED', 'sshTunnel.password', /Check/],
    [
      'a wrong answer',
      { ...USER, asks: true },
      { password: 'no' },
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.password',
      /Check/,
    ],
    [
      'a wrong password that could be given in two ways',
      { ...USER, asks: 'too' },
      { password: 'wrong' },
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.password',
      /Check/,
    ],
    ['an unknown user', USER, { username: 'bob' }, 'SSH_AUTHENTICATION_REFUSED', 'sshTunnel.password', /user name/],
    [
      'an expired password',
      { ...USER, expired: true },
      {},
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.password',
      /expired/,
    ],
    [
      'a password where keys are taken',
      keyUser,
      {},
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.privateKey',
      /asks for a key first/,
    ],
    [
      'a key where passwords are taken',
      USER,
      withKey,
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.password',
      /takes passwords/,
    ],
    [
      'a key alone where the password is wanted too',
      { ...USER, publicKey: key.public, both: true },
      { ...withKey, password: undefined },
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.password',
      /also wants a password/,
    ],
    [
      'a bastion that takes nothing',
      { name: 'ann' },
      {},
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.username',
      /neither/,
    ],
    [
      'a wrong key',
      keyUser,
      { password: undefined, privateKey: generateSshKey('ed25519').private },
      'SSH_AUTHENTICATION_REFUSED',
      'sshTunnel.privateKey',
      /Check/,
    ],
    [
      'a wrong passphrase',
      keyUser,
      { ...withKey, passphrase: 'wrong' },
      'PASSPHRASE_REFUSED',
      'sshTunnel.passphrase',
      /belongs/,
    ],
    [
      'no passphrase',
      keyUser,
      { ...withKey, passphrase: undefined },
      'PASSPHRASE_REQUIRED',
      'sshTunnel.passphrase',
      /Give/,
    ],
    [
      'a damaged key',
      keyUser,
      { ...withKey, privateKey: 'nonsense' },
      'KEY_UNUSABLE',
      'sshTunnel.privateKey',
      /whole text/,
    ],
    [
      'a key of 400 rounds',
      keyUser,
      { ...withKey, privateKey: of400Rounds(key.private) },
      'KEY_UNUSABLE',
      'sshTunnel.privateKey',
      /rounds/,
    ],
  ])('fails clearly with %s', async (_name, user, more, code, configPath, hint) => {
    const bastion = await bastionOf({ user });
    const dialer = dialerOf();
    const error = await dialer.openTunnel(tunnelOf(bastion, more)).catch((reason: unknown) => reason);
    if (!(error instanceof Failure)) throw error;
    expect(error.report).toMatchObject({ code, configPath, hint: expect.stringMatching(hint) });
    expect(error.report.cause).toBe(code.startsWith('SSH_') ? 'SSH' : 'INVALID_CONFIG');
    if (!code.startsWith('SSH_')) expect(bastion.attempts).toEqual([]);
    const attempts = (way: string) => bastion.attempts.filter((each) => each.startsWith(way)).length;
    // a wrong password is tried once: bastions count
    expect(attempts('password') + attempts('keyboard-interactive')).toBeLessThanOrEqual(1);
    // a key that is taken comes twice: the question whether it would do, then the signature
    expect(attempts('publickey')).toBeLessThanOrEqual(/also wants/.test(String(hint)) ? 2 : 1);
    await bastion.listener.drained();
  });
});

describe('the bastion’s host key', () => {
  it('is shown for confirmation where none has been confirmed; nothing is sent to it', async () => {
    const bastion = await bastionOf();
    const result = await tryTunnel(tunnelOf(bastion, { hostKeyFingerprint: undefined }));
    expect(result.failure).toMatchObject({
      code: 'SSH_HOST_KEY_UNCONFIRMED',
      cause: 'SSH',
      configPath: 'sshTunnel.hostKeyFingerprint',
    });
    expect(result.evidence['tunnel/open']).toEqual({
      server: 'FakeBastion_1.0',
      keyType: 'ssh-ed25519',
      hostKeyFingerprint: bastion.fingerprint,
    });
    expect(bastion.attempts).toEqual([]);
    const confirmed = result.evidence['tunnel/open']?.hostKeyFingerprint ?? '';
    expect(await tryTunnel(tunnelOf(bastion, { hostKeyFingerprint: confirmed }))).toMatchObject({ status: 'PASSED' });
  });

  it('ends the test when it is another one; nothing is sent to it', async () => {
    const [bastion, other] = [await bastionOf(), await bastionOf()];
    const result = await tryTunnel(tunnelOf(bastion, { hostKeyFingerprint: other.fingerprint }));
    expect(gist(result)).toEqual({
      at: 'tunnel/open',
      code: 'SSH_HOST_KEY_MISMATCH',
      configPath: 'sshTunnel.hostKeyFingerprint',
    });
    expect(result.evidence['tunnel/open']).toMatchObject({ hostKeyFingerprint: bastion.fingerprint });
    expect(bastion.attempts).toEqual([]);
    await bastion.listener.drained();
  });

  it.each([
    ['rsa-sha2', generateSshKey('rsa', { bits: 2048 }), 'ssh-rsa'],
    ['ecdsa', generateSshKey('ecdsa', { bits: 256 }), 'ecdsa-sha2-nistp256'],
  ])('may be an older kind: %s', async (_name, key, keyType) => {
    const bastion = await bastionOf({ hostKeys: [key.private] });
    const result = await tryTunnel(tunnelOf(bastion));
    expect(result.failure).toBeNull();
    expect(result.evidence['tunnel/open']).toMatchObject({ keyType, hostKeyFingerprint: bastion.fingerprint });
  });
});

describe('a bastion with several host keys', () => {
  const ed25519 = generateSshKey('ed25519').private;
  const others = [generateSshKey('rsa', { bits: 2048 }), generateSshKey('ecdsa', { bits: 256 })];

  it.each(others.map((pair, at) => [['rsa', 'ecdsa'][at], pair.private] as const))(
    'is asked for the kind that was confirmed, before it is another machine: %s',
    async (_name, confirmed) => {
      const bastion = await bastionOf({ hostKeys: [confirmed, ed25519, ...others.map((pair) => pair.private)] });
      const result = await tryTunnel(tunnelOf(bastion));
      expect(result.failure).toBeNull();
      expect(result.evidence['tunnel/open']).toMatchObject({ hostKeyFingerprint: bastion.fingerprint });
    },
  );

  it('is another machine when none of its keys was confirmed; nothing is sent to it', async () => {
    const [bastion, stranger] = [
      await bastionOf({ hostKeys: [ed25519, ...others.map((pair) => pair.private)] }),
      await bastionOf(),
    ];
    const result = await tryTunnel(tunnelOf(bastion, { hostKeyFingerprint: stranger.fingerprint }));
    expect(gist(result)).toMatchObject({ at: 'tunnel/open', code: 'SSH_HOST_KEY_MISMATCH' });
    expect(result.evidence['tunnel/open']).toMatchObject({ keyType: 'ssh-ed25519' });
    expect(bastion.attempts).toEqual([]);
    await bastion.listener.drained();
  });
});

describe('what stands in the way', () => {
  it.each<[string, string]>([
    ['a line', 'Welcome to the bastion\r\n'],
    ['lines in parts', 'Authorised use alone.\nÄrger vermeiden\n'],
  ])('%s before the identification does not', async (_name, greeting) => {
    const bastion = await bastionOf({ greeting });
    const result = await tryTunnel(tunnelOf(bastion));
    expect(result.failure).toBeNull();
    expect(result.evidence['tunnel/open']).toMatchObject({ server: 'FakeBastion_1.0' });
  });

  it.each<[string, Partial<SshTunnel>, string, string, string]>([
    ['a blocked address', { host: '10.0.0.1' }, 'endpoint/resolve', 'ADDRESS_NOT_ALLOWED', 'sshTunnel.host'],
    ['a metadata address', { host: '169.254.169.254' }, 'endpoint/resolve', 'ADDRESS_NOT_ALLOWED', 'sshTunnel.host'],
    ['an unknown name', { host: 'unknown.example' }, 'endpoint/resolve', 'NAME_NOT_FOUND', 'sshTunnel.host'],
    ['a closed port', {}, 'tunnel/open', 'CONNECTION_REFUSED', 'sshTunnel.port'],
  ])('of the bastion: %s', async (_name, more, at, code, configPath) => {
    const tunnel = tunnelOf({ port: await closedPort() }, more);
    expect(gist(await tryTunnel(tunnel, {}, { lookup: async () => [] }))).toEqual({ at, code, configPath });
  });

  it.each<[string, TarpitOptions, string, string | null]>([
    [
      'that greets like a mail server',
      { says: '220 mail.example ESMTP ready\r\n' },
      'SSH_PROTOCOL_MISMATCH',
      'sshTunnel.port',
    ],
    ['that answers like Redis', { answers: '-ERR unknown command\r\n' }, 'SSH_PROTOCOL_MISMATCH', 'sshTunnel.port'],
    [
      'that answers as a web server',
      { answers: 'HTTP/1.1 400 Bad Request\r\n\r\n', hangsUp: true },
      'SSH_PROTOCOL_MISMATCH',
      'sshTunnel.port',
    ],
    [
      'that has enough of connections',
      { says: 'Exceeded MaxStartups\r\n', hangsUp: true },
      'TOO_MANY_REQUESTS',
      'sshTunnel.host',
    ],
    [
      'that keeps this address away',
      { says: 'Not allowed at this time\r\n', hangsUp: true },
      'TOO_MANY_REQUESTS',
      'sshTunnel.host',
    ],
    ['that says something and no more', { says: 'Hello there\r\n' }, 'SSH_PROTOCOL_MISMATCH', 'sshTunnel.port'],
    ['that greets in binary', { says: 'J\0\0\0\n8.0.36' }, 'SSH_PROTOCOL_MISMATCH', 'sshTunnel.port'],
    ['of SSH 1', { says: 'SSH-1.5-old\r\n' }, 'SSH_PROTOCOL_MISMATCH', 'sshTunnel.port'],
    [
      'that never ends its first line',
      { says: `SSH-2.0-${'x'.repeat(2 * SIGN_IN_LIMIT)}` },
      'SSH_PROTOCOL_MISMATCH',
      'sshTunnel.port',
    ],
    [
      'that goes on with nonsense',
      { says: `SSH-2.0-x\r\n${'\x7f'.repeat(2_000)}` },
      'SSH_HANDSHAKE_FAILED',
      'sshTunnel.host',
    ],
    ['that hangs up at once', { says: '', hangsUp: true }, 'CONNECTION_LOST', 'sshTunnel.port'],
    [
      'that hangs up after its first line',
      { says: 'SSH-2.0-x\r\n', hangsUp: true },
      'CONNECTION_LOST',
      'sshTunnel.port',
    ],
    ['that stays silent', {}, 'TIMEOUT', null],
    ['that stays silent after its first line', { says: 'SSH-2.0-x\r\n' }, 'TIMEOUT', null],
    ['that sends a byte a second', { says: 'SSH-2.0-x\r\n', slowly: true }, 'TIMEOUT', null],
  ])('a peer %s', async (_name, options, code, configPath) => {
    const peer = await tarpitOf(options);
    const result = await tryTunnel(tunnelOf(peer), {}, { deadline: code === 'TIMEOUT' ? 500 : 10_000 });
    expect(gist(result)).toEqual({ at: 'tunnel/open', code, configPath });
    expect(JSON.stringify(result.failure)).not.toMatch(/ESMTP|ERR|HTTP/);
    await expect.poll(() => peer.open()).toBe(0);
  });

  it('a bastion that offers old algorithms alone', async () => {
    const server = new ssh2.Server({
      hostKeys: [generateSshKey('rsa', { bits: 2048 }).private],
      algorithms: { kex: ['diffie-hellman-group14-sha1'] },
    });
    server.on('connection', (client) => client.on('error', () => undefined));
    const listener = closedAfterwards(await listen((socket) => server.injectSocket(socket)));
    expect(gist(await tryTunnel(tunnelOf(listener)))).toEqual({
      at: 'tunnel/open',
      code: 'SSH_HANDSHAKE_FAILED',
      configPath: 'sshTunnel.host',
    });
  });

  it('a bastion that does not forward', async () => {
    const bastion = await bastionOf({ forwards: undefined });
    expect(gist(await tryTunnel(tunnelOf(bastion)))).toEqual({
      at: 'endpoint/connect',
      code: 'SSH_FORWARDING_REFUSED',
      configPath: 'host',
    });
  });

  it('a bastion that cannot reach the database', async () => {
    const bastion = await bastionOf({ forwards: { 'db.internal:5432': `127.0.0.1:${await closedPort()}` } });
    const result = await tryTunnel(tunnelOf(bastion));
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code: 'SSH_TARGET_UNREACHABLE', configPath: 'host' });
    expect(result.failure?.cause).toBe('SSH');
  });

  it('a bastion that goes away in the middle', async () => {
    const bastion = await bastionOf({ forwards: { 'db.internal:5432': `127.0.0.1:${(await tarpitOf()).port}` } });
    const testing = tryTunnel(tunnelOf(bastion));
    await expect.poll(() => bastion.asked).toHaveLength(1);
    for (const socket of bastion.listener.sockets) socket.destroy();
    const result = await testing;
    expect(result.failure?.code).toMatch(/^(CONNECTION_LOST|TLS_FAILED)$/);
  });
});

let controller: AbortController;
const dialers: PolicedDialer[] = [];

beforeEach(() => {
  controller = new AbortController();
});

afterEach(() => {
  for (const dialer of dialers.splice(0)) dialer.close();
});

function dialerOf(): PolicedDialer {
  const dialer = new PolicedDialer({ policy: { allow: ['127.0.0.1'], forbidden: [] }, signal: controller.signal });
  dialers.push(dialer);
  return dialer;
}

describe('what a tunnel holds', () => {
  it('is destroyed at once when the test is aborted, and the tunnel once its clean-up is over', async () => {
    const echo = closedAfterwards(await listen((socket) => socket.pipe(socket)));
    const bastion = await bastionOf({ forwards: { 'echo:7': `127.0.0.1:${echo.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const sockets = await Promise.all(Array.from({ length: 5 }, () => dialer.dial('echo', 7)));
    for (const socket of sockets) {
      socket.write('hello');
      expect(String((await once(socket, 'data'))[0])).toBe('hello');
    }
    const reason = new Error('cancelled');
    const errors = Promise.all(sockets.map((socket) => once(socket, 'error')));
    controller.abort(reason);
    expect(sockets.every((socket) => socket.destroyed)).toBe(true);
    expect(await errors).toEqual(sockets.map(() => [reason]));
    dialer.close();
    await bastion.listener.drained();
    await echo.drained();
    expect(await dialer.dial('echo', 7).catch((error: unknown) => error)).toBe(reason);
  });

  it('is given up in the middle of the handshake', async () => {
    const peer = await tarpitOf({ says: 'SSH-2.0-x\r\n' });
    const opening = dialerOf()
      .openTunnel(tunnelOf(peer))
      .catch((error: unknown) => error);
    await expect.poll(() => peer.open()).toBe(1);
    controller.abort('deadline');
    expect(await opening).toBe('deadline');
    await expect.poll(() => peer.open()).toBe(0);
  });

  it('is given up when its dialer is closed while the key is opened', async () => {
    const bastion = await bastionOf();
    const { private: privateKey } = generateSshKey('ed25519', { ...sealedKey(), rounds: 20 });
    const dialer = dialerOf();
    const opening = dialer
      .openTunnel(tunnelOf(bastion, { privateKey, passphrase: PASSPHRASE }))
      .catch((error: unknown) => error);
    await expect.poll(() => bastion.listener.accepted).toBe(1);
    dialer.close();
    expect(await opening).toMatchObject({ report: { code: 'CONNECTION_LOST' } });
  });

  it('opens nothing any more when the bastion has gone', async () => {
    const bastion = await bastionOf({ forwards: {} });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    for (const socket of bastion.listener.sockets) socket.destroy();
    await bastion.listener.drained();
    // the second time it is known beforehand
    for (const _time of ['first', 'second']) {
      const error = await dialer.dial('db.internal', 5432).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ report: { code: 'CONNECTION_LOST' } });
    }
  });

  it('is given up while the bastion does not say whether it forwards', async () => {
    const bastion = await bastionOf({ forwards: { 'slow.internal:1': 'never' } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const dialling = dialer.dial('slow.internal', 1).catch((error: unknown) => error);
    await expect.poll(() => bastion.asked).toHaveLength(1);
    controller.abort('cancelled');
    expect(await dialling).toBe('cancelled');
    dialer.close();
    await bastion.listener.drained();
  });

  it('ends with its connection, and leaves no handle', async () => {
    const echo = closedAfterwards(await listen((socket) => socket.pipe(socket)));
    const bastion = await bastionOf({ forwards: { 'echo:7': `127.0.0.1:${echo.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const socket = await dialer.dial('echo', 7);
    socket.removeAllListeners();
    dialer.close();
    expect(socket.destroyed).toBe(true);
    await bastion.listener.drained();
    await echo.drained();
  });

  it('closes one connection without the others', async () => {
    const echo = closedAfterwards(await listen((socket) => socket.pipe(socket)));
    const bastion = await bastionOf({ forwards: { 'echo:7': `127.0.0.1:${echo.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const [one, other] = [await dialer.dial('echo', 7), await dialer.dial('echo', 7)];
    one.destroy();
    await expect.poll(() => echo.sockets.size).toBe(1);
    other.write('still here');
    expect(String((await once(other, 'data'))[0])).toBe('still here');
  });

  it('lets a connection end in order, after what was said last', async () => {
    const peer = closedAfterwards(await listen((socket) => socket.end('the last word')));
    const bastion = await bastionOf({ forwards: { 'peer:7': `127.0.0.1:${peer.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const socket = await dialer.dial('peer', 7);
    let said = '';
    for await (const chunk of socket) said += chunk;
    expect(said).toBe('the last word');
  });

  it('takes no more from a target that has not signed us in than any connection does', async () => {
    const flood = closedAfterwards(await listen((socket) => pump(socket)));
    const bastion = await bastionOf({ forwards: { 'flood:7': `127.0.0.1:${flood.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const socket = await dialer.dial('flood', 7);
    let taken = 0;
    socket.on('data', (chunk: Buffer) => {
      taken += chunk.length;
    });
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ report: { code: 'TOO_MUCH_DATA' } });
    expect(taken).toBeLessThanOrEqual(SIGN_IN_LIMIT);
  });

  it('ends when the bastion sends more than it was asked to hold back', async () => {
    const flood = closedAfterwards(await listen((socket) => pump(socket)));
    const bastion = await bastionOf({ forwards: { 'flood:7': `127.0.0.1:${flood.port}` }, floods: true });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const socket = await dialer.dial('flood', 7);
    socket.raiseCap(Number.POSITIVE_INFINITY);
    // nobody reads: everything would be kept
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ report: { code: 'TOO_MUCH_DATA' } });
    await bastion.listener.drained();
  });

  it('carries every connection of an HTTP client', async () => {
    const leaf = await authority.issue({ commonName: 'search.internal' });
    const peer = closedAfterwards(
      await startHttpPeer(() => json(200, { ok: true }, { connection: 'close' }), { certificate: leaf }),
    );
    const bastion = await bastionOf({ forwards: { 'search.internal:9200': `127.0.0.1:${peer.port}` } });
    const dialer = dialerOf();
    await dialer.openTunnel(tunnelOf(bastion));
    const link = { socket: undefined, take: () => Promise.reject(new Error('nothing prepared')) as never };
    const tls = { mode: 'VERIFY_FULL', caCertificate: authority.certificate } as const;
    const client = new HttpClient(
      { dialer, link, signal: controller.signal },
      { host: 'search.internal', port: 9200, tls },
    );
    for (const path of ['/one', '/two']) {
      expect((await client.request({ method: 'GET', path })).json()).toEqual({ ok: true });
    }
    expect(bastion.asked).toEqual(['search.internal:9200', 'search.internal:9200']);
    expect(bastion.listener.accepted).toBe(1);
    expect(peer.connections()).toBe(2);
    client.close();
  });
});

/** Writes for ever, as fast as the other side takes it. */
function pump(socket: Socket): void {
  const chunk = Buffer.alloc(65_536, 'x');
  const write = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', write);
  write();
}

/** The same key, with another count of rounds written in it. */
function of400Rounds(pem: string): string {
  const bytes = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  const options = bytes.indexOf('bcrypt') + 'bcrypt'.length + 4;
  bytes.writeUInt32BE(400, options + 4 + bytes.readUInt32BE(options));
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----`;
}
