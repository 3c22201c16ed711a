import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { SshTunnel } from '../../src/connectors/kit/config/ssh-tunnel.ts';
import { postgres } from '../../src/connectors/postgres/index.ts';
import { type Authority, createAuthority } from '../support/certificates.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import {
  ASYNCSSH,
  type AsyncsshBastion,
  type AsyncsshOptions,
  startAsyncssh,
  writeKeys,
} from '../support/peers/asyncssh.ts';
import { describePeer } from '../support/peers/installed.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { asyncsshBastion } from '../support/real-peers/bastions.ts';
import { generateSshKey } from '../support/ssh-keys.ts';
import { gist, type TestConnectionOptions, testConnection } from '../support/test-connection.ts';

const PASSWORD = 'correct horse ✓ ä battery';
const PASSPHRASE = 'opens ä it';
const PLACE = 'db.internal:5432';
const { private: privateKey, public: authorizedKey } = generateSshKey('ed25519');
const BY_KEY = { authorizedKeys: [authorizedKey] };
const BY_PASSWORD = { password: PASSWORD };

describePeer('asyncssh as a bastion', ASYNCSSH, () => {
  let authority: Authority;
  let database: PostgresServer;
  const bastions: AsyncsshBastion[] = [];

  beforeAll(async () => {
    authority = await createAuthority();
    const leaf = await authority.issue({ commonName: 'db.internal' });
    database = await startPostgres({ tls: { key: leaf.key, cert: leaf.certificate }, settings: { ssl: 'on' } });
  });
  afterAll(() => database?.stop());
  afterEach(async () => {
    await Promise.all(bastions.splice(0).map((each) => each.close()));
  });

  async function start(options: Partial<AsyncsshOptions>): Promise<AsyncsshBastion> {
    const bastion = await startAsyncssh({ user: 'jörg', forward: PLACE, target: database.port, ...options });
    bastions.push(bastion);
    return bastion;
  }

  /** A test through a bastion to the database behind it. */
  function tryAt(bastion: AsyncsshBastion, tunnel: Partial<SshTunnel>, how: TestConnectionOptions = {}) {
    const { port, fingerprint: hostKeyFingerprint } = bastion;
    return testConnection(
      postgres,
      {
        host: 'db.internal',
        username: database.superuser,
        password: database.password,
        database: 'postgres',
        tls: { caCertificate: authority.certificate },
        sshTunnel: { host: '127.0.0.1', port, username: 'jörg', hostKeyFingerprint, ...tunnel },
      },
      how,
    );
  }

  const tryThrough = async (options: Partial<AsyncsshOptions>, tunnel: Partial<SshTunnel>) =>
    tryAt(await start(options), tunnel);

  test('lets the keys in that it writes, in every form', async () => {
    const keys = await writeKeys(PASSPHRASE);
    const bastion = await start({ authorizedKeys: Object.values(keys).map((key) => key.public) });
    const codes: Record<string, string | undefined> = {};
    for (const [name, key] of Object.entries(keys)) {
      const passphrase = name.endsWith('not encrypted') ? undefined : PASSPHRASE;
      codes[name] = (await tryAt(bastion, { privateKey: key.private, passphrase })).failure?.code;
    }
    // ssh-keygen writes the two ciphers only when it is told to
    const notTaken = /^Ed448|3des-cbc|chacha20/;
    expect(codes).toEqual(
      Object.fromEntries(Object.keys(keys).map((name) => [name, notTaken.test(name) ? 'KEY_UNUSABLE' : undefined])),
    );
  });

  test.each<readonly [string, Partial<AsyncsshOptions>, Partial<SshTunnel>]>([
    ['a password', BY_PASSWORD, { password: PASSWORD }],
    ['a password for one question', { ...BY_PASSWORD, rounds: [['Password: ']] }, { password: PASSWORD }],
    ['a password in two rounds', { ...BY_PASSWORD, rounds: [['One: '], ['Two: ']] }, { password: PASSWORD }],
    ['a password after words alone', { ...BY_PASSWORD, rounds: [[], ['Password: ']] }, { password: PASSWORD }],
    ['a password before words alone', { ...BY_PASSWORD, rounds: [['Password: '], []] }, { password: PASSWORD }],
    ['a key', BY_KEY, { privateKey }],
    ['a key, and new keys every 4 KB', { ...BY_KEY, rekeyBytes: 4096 }, { privateKey }],
    ['a key, and asks often whether we are there', { ...BY_KEY, keepaliveSeconds: 0.05 }, { privateKey }],
    ['a key after a banner', { ...BY_KEY, banner: 'Not for everybody.\r\n' }, { privateKey }],
    ['a key with an ECDSA key of its own', { ...BY_KEY, hostKey: 'ecdsa-sha2-nistp521' }, { privateKey }],
    ['a key with an RSA key of its own', { ...BY_KEY, hostKey: 'ssh-rsa' }, { privateKey }],
  ])('takes %s', async (_title, options, tunnel) => {
    expect(await tryThrough(options, tunnel)).toMatchObject({ status: 'PASSED', failure: null });
  });

  test.each<[string, Partial<AsyncsshOptions>, Partial<SshTunnel>, string, RegExp?]>([
    ['a wrong password', BY_PASSWORD, { password: 'wrong' }, 'sshTunnel.password'],
    [
      'a wrong one that it asks for',
      { ...BY_PASSWORD, rounds: [['Password: ']] },
      { password: 'wrong' },
      'sshTunnel.password',
    ],
    [
      'a password for two questions',
      { ...BY_PASSWORD, rounds: [['One: ', 'Two: ']] },
      { password: PASSWORD },
      'sshTunnel.password',
    ],
    [
      'a password that has expired',
      { ...BY_PASSWORD, expired: true },
      { password: PASSWORD },
      'sshTunnel.password',
      /has expired/,
    ],
    ['an unknown user', BY_PASSWORD, { username: 'nobody', password: PASSWORD }, 'sshTunnel.password'],
    ['a key that it does not know', { authorizedKeys: [] }, { privateKey }, 'sshTunnel.privateKey'],
    ['a key where it takes passwords', BY_PASSWORD, { privateKey }, 'sshTunnel.password', /takes passwords, no keys/],
  ])('refuses %s', async (_title, options, tunnel, configPath, hint) => {
    const result = await tryThrough(options, tunnel);
    expect(gist(result)).toEqual({ at: 'tunnel/open', code: 'SSH_AUTHENTICATION_REFUSED', configPath });
    if (hint) expect(result.failure?.hint).toMatch(hint);
    expect(JSON.stringify([result.failure, result.evidence])).not.toContain('battery');
  });

  test.each<readonly [string, Partial<AsyncsshOptions>, string, string, string]>([
    ['an Ed448 key of its own', { hostKey: 'ssh-ed448' }, 'tunnel/open', 'SSH_HANDSHAKE_FAILED', 'sshTunnel.host'],
    ['another place', { forward: 'other:1' }, 'endpoint/connect', 'SSH_FORWARDING_REFUSED', 'host'],
    ['a port where nobody is', { target: 1 }, 'endpoint/connect', 'SSH_TARGET_UNREACHABLE', 'host'],
  ])('leads nowhere with %s', async (_title, options, at, code, configPath) => {
    expect(gist(await tryThrough({ ...BY_KEY, ...options }, { privateKey }))).toEqual({ at, code, configPath });
  });
});

describeRealPeer(asyncsshBastion);
