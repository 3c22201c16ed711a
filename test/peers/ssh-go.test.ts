import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { SshTunnel } from '../../src/connectors/kit/config/ssh-tunnel.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import { GO_SSH, type GoBastion, type GoBastionOptions, startGoBastion } from '../support/peers/go-ssh.ts';
import { describePeer } from '../support/peers/installed.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { goBastion } from '../support/real-peers/bastions.ts';
import { generateSshKey } from '../support/ssh-keys.ts';
import { gist, type TestedConnection, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'correct horse ✓ ä battery';
const PLACE = 'db.internal:5432';
const KEYS = {
  'ssh-ed25519': generateSshKey('ed25519'),
  'ecdsa-sha2-nistp256': generateSshKey('ecdsa', { bits: 256 }),
  'ecdsa-sha2-nistp384': generateSshKey('ecdsa', { bits: 384 }),
  'ecdsa-sha2-nistp521': generateSshKey('ecdsa', { bits: 521 }),
  'rsa-sha2-512': generateSshKey('rsa', { bits: 2048 }),
};
const { private: privateKey, public: authorizedKey } = KEYS['ssh-ed25519'];
const BY_KEY = { authorizedKey };
const BY_PASSWORD = { password: PASSWORD };

describePeer('Go’s SSH server as a bastion', GO_SSH, () => {
  let authority: Authority;
  let database: PostgresServer;
  const bastions: GoBastion[] = [];

  beforeAll(async () => {
    authority = await createAuthority();
    const leaf = await authority.issue({ commonName: 'db.internal' });
    database = await startPostgres({ tls: { key: leaf.key, cert: leaf.certificate }, settings: { ssl: 'on' } });
  });
  afterAll(() => database?.stop());
  afterEach(async () => {
    await Promise.all(bastions.splice(0).map((each) => each.close()));
  });

  /** A bastion with these options, and a test through it to the database behind it. */
  async function tryThrough(
    options: Partial<GoBastionOptions>,
    tunnel: Partial<SshTunnel>,
    more: Record<string, unknown> = {},
  ): Promise<TestedConnection & { readonly bastion: GoBastion }> {
    const target = `127.0.0.1:${database.port}`;
    const bastion = await startGoBastion({ user: 'jörg', forwards: [PLACE], target, ...options });
    bastions.push(bastion);
    const config = {
      host: 'db.internal',
      username: database.superuser,
      password: database.password,
      database: 'postgres',
      tls: { caCertificate: authority.certificate },
      sshTunnel: {
        host: '127.0.0.1',
        port: bastion.port,
        username: 'jörg',
        hostKeyFingerprint: bastion.fingerprint,
        ...tunnel,
      },
      ...more,
    };
    return { ...(await testConnection(postgres, config)), bastion };
  }

  test.each(Object.entries(KEYS))('lets %s in, and through to the database', async (_name, key) => {
    const result = await tryThrough({ authorizedKey: key.public }, { privateKey: key.private });
    expect(result.failure).toBeNull();
    expect(result.evidence['tunnel/open']).toEqual({
      server: 'Go',
      keyType: 'ssh-ed25519',
      hostKeyFingerprint: result.bastion.fingerprint,
    });
    expect(result.evidence['tls/handshake']).toMatchObject({ subject: 'CN=db.internal' });
  });

  test.each<readonly [string, Partial<GoBastionOptions>, Partial<SshTunnel>]>([
    ['a password', BY_PASSWORD, { password: PASSWORD }],
    ['a password that it asks for', { ...BY_PASSWORD, asks: 1 }, { password: PASSWORD }],
    ['a key and a password', { ...BY_KEY, ...BY_PASSWORD, both: true }, { privateKey, password: PASSWORD }],
    [
      'a key and a password that it asks for',
      { ...BY_KEY, ...BY_PASSWORD, both: true, asks: 1 },
      { privateKey, password: PASSWORD },
    ],
    ['a password where it takes keys too', { ...BY_KEY, ...BY_PASSWORD }, { password: PASSWORD }],
    [
      'the password where the key is another',
      { ...BY_KEY, ...BY_PASSWORD },
      {
        privateKey: KEYS['ecdsa-sha2-nistp256'].private,
        password: PASSWORD,
      },
    ],
    ['a key after a banner', { ...BY_KEY, banner: 'Not for everybody.\r\n' }, { privateKey }],
  ])('takes %s', async (_title, options, tunnel) => {
    expect(await tryThrough(options, tunnel)).toMatchObject({ status: 'PASSED', failure: null });
  });

  test.each<[string, Partial<GoBastionOptions>, Partial<SshTunnel>, string, RegExp?]>([
    ['a wrong password', BY_PASSWORD, { password: 'wrong' }, 'sshTunnel.password'],
    ['a wrong one that it asks for', { ...BY_PASSWORD, asks: 1 }, { password: 'wrong' }, 'sshTunnel.password'],
    ['an unknown user', BY_PASSWORD, { username: 'nobody', password: PASSWORD }, 'sshTunnel.password'],
    [
      'a key that it does not know',
      BY_KEY,
      { privateKey: KEYS['ecdsa-sha2-nistp256'].private },
      'sshTunnel.privateKey',
    ],
    ['a password where it takes keys', BY_KEY, { password: PASSWORD }, 'sshTunnel.privateKey', /asks for a key first/],
    ['a key where it takes passwords', BY_PASSWORD, { privateKey }, 'sshTunnel.password', /takes passwords, no keys/],
    [
      'a key alone',
      { ...BY_KEY, ...BY_PASSWORD, both: true },
      { privateKey },
      'sshTunnel.password',
      /also wants a password/,
    ],
    ['a password for two questions', { ...BY_PASSWORD, asks: 2 }, { password: PASSWORD }, 'sshTunnel.password'],
    [
      'a key whose signature it does not take',
      { authorizedKey: KEYS['rsa-sha2-512'].public, publicKeyAlgorithms: ['ssh-ed25519'] },
      { privateKey: KEYS['rsa-sha2-512'].private },
      'sshTunnel.privateKey',
    ],
  ])('refuses %s', async (_title, options, tunnel, configPath, hint) => {
    const result = await tryThrough(options, tunnel);
    expect(gist(result)).toEqual({ at: 'tunnel/open', code: 'SSH_AUTHENTICATION_REFUSED', configPath });
    if (hint) expect(result.failure?.hint).toMatch(hint);
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
  });

  test.each(['rsa', 'ecdsa'] as const)('may have a host key of the kind %s', async (hostKey) => {
    const result = await tryThrough({ ...BY_KEY, hostKey }, { privateKey });
    expect(result.failure).toBeNull();
    expect(result.evidence['tunnel/open']).toMatchObject({
      keyType: hostKey === 'rsa' ? 'ssh-rsa' : 'ecdsa-sha2-nistp384',
    });
  });

  test('shows the fingerprint that is to be confirmed, and is refused with another one', async () => {
    const unconfirmed = await tryThrough(BY_KEY, { privateKey, hostKeyFingerprint: undefined });
    const path = 'sshTunnel.hostKeyFingerprint';
    expect(gist(unconfirmed)).toEqual({ at: 'tunnel/open', code: 'SSH_HOST_KEY_UNCONFIRMED', configPath: path });
    expect(unconfirmed.evidence['tunnel/open']?.hostKeyFingerprint).toBe(unconfirmed.bastion.fingerprint);
    const other = await tryThrough(BY_KEY, { privateKey, hostKeyFingerprint: `SHA256:${'A'.repeat(43)}` });
    expect(gist(other)).toMatchObject({ at: 'tunnel/open', code: 'SSH_HOST_KEY_MISMATCH' });
  });

  test.each<readonly [string, Partial<GoBastionOptions>]>([
    ['aes256-gcm@openssh.com', { ciphers: ['aes256-gcm@openssh.com'] }],
    ['aes128-gcm@openssh.com', { ciphers: ['aes128-gcm@openssh.com'] }],
    ['chacha20-poly1305@openssh.com', { ciphers: ['chacha20-poly1305@openssh.com'] }],
    ['aes128-ctr with hmac-sha2-512', { ciphers: ['aes128-ctr'], macs: ['hmac-sha2-512'] }],
    ['aes192-ctr with hmac-sha2-256-etm', { ciphers: ['aes192-ctr'], macs: ['hmac-sha2-256-etm@openssh.com'] }],
    ['curve25519-sha256', { keyExchanges: ['curve25519-sha256'] }],
    ['ecdh-sha2-nistp384', { keyExchanges: ['ecdh-sha2-nistp384'] }],
    ['diffie-hellman-group14-sha256', { keyExchanges: ['diffie-hellman-group14-sha256'] }],
    ['diffie-hellman-group16-sha512', { keyExchanges: ['diffie-hellman-group16-sha512'] }],
  ])('may insist on %s', async (_title, options) => {
    expect(await tryThrough({ ...BY_KEY, ...options }, { privateKey })).toMatchObject({ failure: null });
  });

  test.each<readonly [string, Partial<GoBastionOptions>]>([
    ['a cipher of before', { ciphers: ['aes128-cbc'] }],
    ['a key exchange of before', { keyExchanges: ['diffie-hellman-group14-sha1'] }],
    ['one of after', { keyExchanges: ['mlkem768x25519-sha256'] }],
    ['a MAC of before', { ciphers: ['aes128-ctr'], macs: ['hmac-sha1'] }],
  ])('has nothing in common with us when it knows only %s', async (_title, options) => {
    const result = await tryThrough({ ...BY_KEY, ...options }, { privateKey });
    expect(gist(result)).toMatchObject({ at: 'tunnel/open', code: 'SSH_HANDSHAKE_FAILED' });
  });

  test.each<readonly [string, Partial<GoBastionOptions>, string]>([
    ['prohibited', { forwards: [] }, 'SSH_FORWARDING_REFUSED'],
    ['to a port where nobody is', { target: '127.0.0.1:1' }, 'SSH_TARGET_UNREACHABLE'],
    ['for want of resources', { short: true }, 'SSH_TARGET_UNREACHABLE'],
  ])('opens nothing: %s', async (_title, options, code) => {
    const result = await tryThrough({ ...BY_KEY, ...options }, { privateKey });
    expect(gist(result)).toEqual({ at: 'endpoint/connect', code, configPath: 'host' });
  });
});

describeRealPeer(goBastion);
