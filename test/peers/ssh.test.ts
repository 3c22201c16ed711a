import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { SshTunnel } from '../../src/connectors/kit/config/ssh-tunnel.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { holdSchemas } from '../support/held-schemas.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import { canCreateUsers, createUser, SSHD, type Sshd, type SshdOptions, startSshd } from '../support/peers/sshd.ts';
import { closedPort } from '../support/peers/tarpit.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { opensshBastion } from '../support/real-peers/bastions.ts';
import { gist, type TestConnectionOptions, type TestedConnection, testConnection } from '../support/test-connection.ts';

const POLL = { timeout: 20_000 };

describePeer('OpenSSH’s server as a bastion', SSHD, () => {
  let authority: Authority;
  let database: PostgresServer;
  let sshd: Sshd;
  const others: Sshd[] = [];

  beforeAll(async () => {
    authority = await createAuthority();
    const leaf = await authority.issue({ commonName: 'localhost' });
    database = await startPostgres({ tls: { key: leaf.key, cert: leaf.certificate }, settings: { ssl: 'on' } });
    sshd = await startSshd();
  });

  afterAll(async () => {
    await sshd.close();
    await database.stop();
  });

  afterEach(async () => {
    await Promise.all(others.splice(0).map((each) => each.close()));
  });

  async function another(options: SshdOptions): Promise<Sshd> {
    const started = await startSshd(options);
    others.push(started);
    return started;
  }

  async function tryTunnel(
    bastion: Sshd,
    tunnel: Partial<SshTunnel>,
    more: Record<string, unknown> = {},
    how: TestConnectionOptions = {},
  ): Promise<TestedConnection> {
    const hostKeyFingerprint =
      'hostKeyFingerprint' in tunnel ? tunnel.hostKeyFingerprint : await bastion.fingerprint('ed25519');
    const config = {
      host: 'localhost',
      port: database.port,
      username: database.superuser,
      password: database.password,
      database: 'postgres',
      tls: { caCertificate: authority.certificate },
      sshTunnel: { host: '127.0.0.1', port: bastion.port, username: bastion.username, ...tunnel, hostKeyFingerprint },
      ...more,
    };
    return testConnection(postgres, config, how);
  }

  test.each<[string, string[], string | undefined]>([
    ['Ed25519', ['-t', 'ed25519', '-N', ''], undefined],
    ['Ed25519 with a passphrase', ['-t', 'ed25519', '-N', 'opens it'], 'opens it'],
    ['RSA with a passphrase', ['-t', 'rsa', '-b', '3072', '-N', 'opens it'], 'opens it'],
    ['RSA with a passphrase in PEM', ['-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'opens it'], 'opens it'],
    ['RSA with a passphrase in PKCS#8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8', '-N', 'opens it'], 'opens it'],
    ['ECDSA with a passphrase', ['-t', 'ecdsa', '-b', '384', '-N', 'opens it'], 'opens it'],
    ['ECDSA in PEM', ['-t', 'ecdsa', '-b', '521', '-m', 'PEM', '-N', ''], undefined],
  ])('lets %s in, and through to the database', async (_name, options, passphrase) => {
    const privateKey = await sshd.createKey(...options);
    const result = await tryTunnel(sshd, { privateKey, passphrase });
    expect(result.failure).toBeNull();
    expect(result.status).toBe('PASSED');
    expect(result.evidence['tunnel/open']).toEqual({
      server: expect.stringMatching(/^OpenSSH_\d/),
      keyType: 'ssh-ed25519',
      hostKeyFingerprint: await sshd.fingerprint('ed25519'),
    });
    expect(result.evidence['tls/handshake']).toMatchObject({ subject: 'CN=localhost' });
  });

  test('asks for the kind of host key that was confirmed', async () => {
    const privateKey = await sshd.createKey('-t', 'ed25519', '-N', '');
    const hostKeyFingerprint = await sshd.fingerprint('rsa');
    const result = await tryTunnel(sshd, { privateKey, hostKeyFingerprint });
    expect(result.failure).toBeNull();
    expect(result.evidence['tunnel/open']).toMatchObject({ keyType: 'ssh-rsa', hostKeyFingerprint });
  });

  test('names the factor that is missing after the first', async () => {
    const bastion = await another({
      settings: ['AuthenticationMethods publickey,password', 'PasswordAuthentication yes'],
    });
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    const keyAlone = await tryTunnel(bastion, { privateKey });
    expect(gist(keyAlone)).toMatchObject({ code: 'SSH_AUTHENTICATION_REFUSED', configPath: 'sshTunnel.password' });
    expect(keyAlone.failure?.hint).toMatch(/also wants a password/);
    const passwordAlone = await tryTunnel(bastion, { password: 'not asked for yet' });
    expect(gist(passwordAlone)).toMatchObject({ configPath: 'sshTunnel.privateKey' });
    expect(passwordAlone.failure?.hint).toMatch(/asks for a key first/);
  });

  test('is told that the bastion has enough of connections', async () => {
    const bastion = await another({ settings: ['MaxStartups 1', 'LoginGraceTime 60'] });
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    const holding = connect(bastion.port, '127.0.0.1');
    await once(holding, 'data');
    const result = await tryTunnel(bastion, { privateKey });
    holding.destroy();
    expect(gist(result)).toEqual({
      at: 'tunnel/open',
      code: 'TOO_MANY_REQUESTS',
      configPath: 'sshTunnel.host',
    });
  });

  test('shows the fingerprint that ssh-keygen prints', async () => {
    const result = await tryTunnel(sshd, { password: 'never sent', hostKeyFingerprint: undefined });
    expect(gist(result)).toEqual({
      at: 'tunnel/open',
      code: 'SSH_HOST_KEY_UNCONFIRMED',
      configPath: 'sshTunnel.hostKeyFingerprint',
    });
    expect(result.evidence['tunnel/open']?.hostKeyFingerprint).toBe(await sshd.fingerprint('ed25519'));
  });

  test('is another one when it shows another key', async () => {
    const hostKeyFingerprint = `SHA256:${'A'.repeat(43)}`;
    const result = await tryTunnel(sshd, { password: 'never sent', hostKeyFingerprint });
    expect(gist(result)).toMatchObject({ at: 'tunnel/open', code: 'SSH_HOST_KEY_MISMATCH' });
  });

  test('may have an RSA host key alone', async () => {
    const bastion = await another({ hostKeys: ['rsa'] });
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    const hostKeyFingerprint = await bastion.fingerprint('rsa');
    expect(await tryTunnel(bastion, { privateKey, hostKeyFingerprint })).toMatchObject({
      status: 'PASSED',
      failure: null,
    });
  });

  test.each([
    'Ciphers chacha20-poly1305@openssh.com',
    'Ciphers aes128-gcm@openssh.com',
    'Ciphers aes256-ctr',
    'KexAlgorithms diffie-hellman-group16-sha512',
    'KexAlgorithms ecdh-sha2-nistp521',
  ])('may insist on %s', async (setting) => {
    const bastion = await another({ settings: [setting] });
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    expect(await tryTunnel(bastion, { privateKey })).toMatchObject({ status: 'PASSED', failure: null });
  });

  test('has nothing in common with us when it is very old', async () => {
    const bastion = await another({ settings: ['KexAlgorithms diffie-hellman-group14-sha1'] });
    const result = await tryTunnel(bastion, { password: 'never sent' });
    expect(gist(result)).toMatchObject({ at: 'tunnel/open', code: 'SSH_HANDSHAKE_FAILED' });
  });

  test('refuses a key that it does not know', async () => {
    const bastion = await another({});
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    expect(gist(await tryTunnel(sshd, { privateKey }))).toEqual({
      at: 'tunnel/open',
      code: 'SSH_AUTHENTICATION_REFUSED',
      configPath: 'sshTunnel.privateKey',
    });
  });

  test('says that it takes keys alone', async () => {
    const result = await tryTunnel(sshd, { password: 'never sent' });
    expect(gist(result)).toMatchObject({ code: 'SSH_AUTHENTICATION_REFUSED', configPath: 'sshTunnel.privateKey' });
    expect(sshd.log()).not.toContain('Failed password');
  });

  test('has a statement that waits cancelled through it when the test is too slow', async () => {
    const privateKey = await sshd.createKey('-t', 'ed25519', '-N', '');
    const { statements, end } = await holdSchemas(database, {
      database: 'postgres',
      ssl: { rejectUnauthorized: false },
    });
    try {
      const ending = new AbortController();
      const how = { methods: ['schema/create'], deadline: 60_000, cleanUpMs: 20_000, expire: ending.signal };
      const outcome = tryTunnel(sshd, { privateKey }, {}, how);
      await expect.poll(statements, POLL).toBe(1);
      ending.abort();
      expect(await outcome).toMatchObject({ failure: { code: 'TIMEOUT' }, log: [] });
      await expect.poll(statements, POLL).toBe(0);
    } finally {
      await end();
    }
  }, 60_000);

  test.each([
    ['AllowTcpForwarding no', 'SSH_FORWARDING_REFUSED'],
    ['PermitOpen 127.0.0.1:1', 'SSH_FORWARDING_REFUSED'],
  ])('may not forward: %s', async (setting, code) => {
    const bastion = await another({ settings: [setting] });
    const privateKey = await bastion.createKey('-t', 'ed25519', '-N', '');
    expect(gist(await tryTunnel(bastion, { privateKey }))).toEqual({
      at: 'endpoint/connect',
      code,
      configPath: 'host',
    });
  });

  test('does not reach a closed port, nor an unknown name', async () => {
    const privateKey = await sshd.createKey('-t', 'ed25519', '-N', '');
    for (const more of [{ port: await closedPort() }, { host: 'unknown.invalid' }]) {
      expect(gist(await tryTunnel(sshd, { privateKey }, more))).toEqual({
        at: 'endpoint/connect',
        code: 'SSH_TARGET_UNREACHABLE',
        configPath: 'host',
      });
    }
  });

  describe.skipIf(!canCreateUsers)('with a user who has a password (made by root alone)', () => {
    test.each([
      ['taken as a password', ['PasswordAuthentication yes'], 'Accepted password'],
      ['asked for by PAM', ['UsePAM yes', 'KbdInteractiveAuthentication yes'], 'Accepted keyboard-interactive'],
    ])('%s', async (_name, settings, logged) => {
      const bastion = await another({ settings });
      const user = await createUser();
      try {
        const { name: username, password } = user;
        expect(await tryTunnel(bastion, { username, password })).toMatchObject({ status: 'PASSED', failure: null });
        expect(bastion.log()).toContain(logged);
        const wrong = await tryTunnel(bastion, { username, password: 'wrong' });
        expect(gist(wrong)).toEqual({
          at: 'tunnel/open',
          code: 'SSH_AUTHENTICATION_REFUSED',
          configPath: 'sshTunnel.password',
        });
      } finally {
        await user.remove();
      }
    });
  });
});

describeRealPeer(opensshBastion);
