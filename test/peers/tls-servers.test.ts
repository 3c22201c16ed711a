import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clickhouse } from '../../src/connectors/clickhouse/index.ts';
import { mongodb } from '../../src/connectors/mongodb/index.ts';
import { type Authority, createAuthority, createSelfSigned, type IssuedCertificate } from '../support/certificates.ts';
import { describeRealPeer } from '../support/peer-causes.ts';
import { describePeer } from '../support/peers/installed.ts';
import {
  issueByOpenssl,
  keyKinds,
  TLS_SERVERS,
  type TlsServerOptions,
  type TlsVersion,
  tlsServers,
} from '../support/peers/tls-servers.ts';
import { gnutlsServer, goTlsServer, opensslServer } from '../support/real-peers/tls-servers.ts';
import { clickhouseStand } from '../support/stands/clickhouse.ts';
import { mongodbStand } from '../support/stands/mongodb.ts';
import type { StandPeer } from '../support/stands/stand.ts';
import { type TestedConnection, testConnection } from '../support/test-connection.ts';

const NAME = 'db.example';
type Server = keyof typeof tlsServers;
const SERVERS = Object.keys(tlsServers) as Server[];
const TYPES = {
  CLICKHOUSE: { connector: clickhouse, stand: clickhouseStand },
  MONGODB: { connector: mongodb, stand: mongodbStand },
} as const;
type Type = keyof typeof TYPES;

const OLD = { code: 'TLS_FAILED', configPath: 'port' };
/** The kinds of key for which a server has no way to sign. */
const NO_KEYS: Readonly<Record<Server, readonly string[]>> = {
  OpenSSL: [],
  GnuTLS: [],
  Go: ['RSA-PSS', 'Ed448'],
  rustls: ['RSA of 1024 bits', 'RSA-PSS', 'P-521', 'Ed448'],
};
/** Those that hand on to a server of the type, so that all checks pass. */
const HANDING_ON: readonly Server[] = ['Go', 'rustls'];
/** By whether the gateway takes them; rustls has nothing older than TLS 1.2. */
const versionsOf = (kind: Server): readonly (readonly [TlsVersion, boolean])[] => [
  ...(kind === 'rustls'
    ? []
    : ([
        ['TLSv1', false],
        ['TLSv1.1', false],
      ] as const)),
  ['TLSv1.2', true],
  ['TLSv1.3', true],
];

type CipherRow = [version: TlsVersion, cipher: string, isTaken: boolean, key?: 'RSA' | 'P-256'];
/** As each server calls them. */
const CIPHERS: Readonly<Record<Server, CipherRow[]>> = {
  OpenSSL: [
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256', true],
    ['TLSv1.3', 'TLS_AES_256_GCM_SHA384', true],
    ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256', true],
    ['TLSv1.3', 'TLS_AES_128_CCM_SHA256', false],
    ['TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256', true],
    ['TLSv1.2', 'ECDHE-ECDSA-CHACHA20-POLY1305', true],
    ['TLSv1.2', 'ECDHE-RSA-AES256-GCM-SHA384', true, 'RSA'],
    ['TLSv1.2', 'DHE-RSA-AES128-GCM-SHA256', true, 'RSA'],
    ['TLSv1.2', 'ECDHE-RSA-AES128-SHA', true, 'RSA'],
    ['TLSv1.2', 'ADH-AES128-SHA256:@SECLEVEL=0', false],
    ['TLSv1.2', 'NULL-SHA256:@SECLEVEL=0', false, 'RSA'],
  ],
  GnuTLS: [
    ['TLSv1.3', 'AES-128-GCM', true],
    ['TLSv1.3', 'AES-256-GCM', true],
    ['TLSv1.3', 'CHACHA20-POLY1305', true],
    ['TLSv1.3', 'AES-128-CCM', false],
    ['TLSv1.2', 'AES-128-GCM', true],
    ['TLSv1.2', 'AES-256-GCM', true, 'RSA'],
    ['TLSv1.2', 'AES-256-CBC', true, 'RSA'],
    ['TLSv1.2', '3DES-CBC', false, 'RSA'],
    ['TLSv1.2', 'CAMELLIA-128-CBC', false, 'RSA'],
  ],
  Go: [
    ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', true],
    ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', true],
    ['TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', true, 'RSA'],
    ['TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', true, 'RSA'],
    ['TLSv1.2', 'TLS_RSA_WITH_AES_128_GCM_SHA256', true, 'RSA'],
    ['TLSv1.2', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', false, 'RSA'],
    ['TLSv1.2', 'TLS_RSA_WITH_RC4_128_SHA', false, 'RSA'],
  ],
  rustls: [
    ['TLSv1.3', 'TLS_AES_128_GCM_SHA256', true],
    ['TLSv1.3', 'TLS_AES_256_GCM_SHA384', true],
    ['TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256', true],
    ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', true],
    ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', true],
    ['TLSv1.2', 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', true],
    ['TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', true, 'RSA'],
    ['TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', true, 'RSA'],
    ['TLSv1.2', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', true, 'RSA'],
  ],
};

/** What a server sends, what the gateway is told, and what that comes to: a protocol or a cipher, or a failure. */
interface Trial {
  readonly server?: Partial<TlsServerOptions>;
  readonly tls?: Record<string, unknown>;
  readonly type?: Type;
}

describePeer('TLS against OpenSSL’s, GnuTLS’, Go’s and rustls’ servers', TLS_SERVERS, () => {
  let authority: Authority;
  let middle: Authority;
  let clients: Authority;
  let leaf: IssuedCertificate;
  const behind = new Map<Type, StandPeer>();

  beforeAll(async () => {
    [authority, clients] = await Promise.all([createAuthority(), createAuthority('Clients')]);
    middle = await authority.intermediate('In the middle');
    leaf = await authority.issue({ names: [NAME] });
    for (const type of Object.keys(TYPES) as Type[]) behind.set(type, await TYPES[type].stand.start(undefined));
  });
  afterAll(() => Promise.all([...behind.values()].map((peer) => peer.close())));

  /** Starts a server and tests a connection to it. */
  async function tryAt(kind: Server, { server, tls, type = 'CLICKHOUSE' }: Trial): Promise<TestedConnection> {
    const { connector, stand } = TYPES[type];
    const target = behind.get(type)?.port ?? 0;
    const peer = await tlsServers[kind]({ chain: [leaf.certificate], key: leaf.key, target, ...server });
    try {
      const trust = { caCertificate: authority.certificate, ...tls };
      const config = { ...stand.config, host: NAME, port: peer.port, tls: trust };
      return await testConnection(connector, config, { lookup: async () => ['127.0.0.1'] });
    } finally {
      await peer.stop();
    }
  }

  const otherName = () => authority.issue({ names: ['other.example'] });
  const otherCa = async () => (await createAuthority('Other')).issue({ names: [NAME] });
  const soon = () => new Date(Date.now() + 3 * 86_400_000);

  /** That the handshake was taken, and all checks pass where one of the type stands behind the server. */
  function expectTaken(kind: Server, result: TestedConnection): void {
    expect(result.steps).toContain('tls/handshake: PASSED');
    if (HANDING_ON.includes(kind)) expect(result.failure).toBeNull();
    else expect(result).toMatchObject({ failedAt: 'session/authenticate', failure: { cause: 'PROTOCOL' } });
  }

  describe.each(SERVERS)('%s', (kind) => {
    test.each(versionsOf(kind))('%s alone is taken: %s', async (version, isTaken) => {
      const ciphers = kind === 'OpenSSL' && !isTaken ? { ciphers: ['ALL:@SECLEVEL=0'] } : {};
      const result = await tryAt(kind, { server: { version, ...ciphers } });
      if (!isTaken) return expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: OLD });
      expectTaken(kind, result);
      expect(result.evidence['tls/handshake']).toMatchObject({ protocol: version });
    });

    test.each(keyKinds.filter((key) => !NO_KEYS[kind].includes(key)))('a key: %s', async (key) => {
      const issued = await issueByOpenssl(authority, key, NAME);
      // by itself this server shows no key that it finds too small
      const weak = kind === 'OpenSSL' && key === 'RSA of 1024 bits' ? { ciphers: ['ALL:@SECLEVEL=0'] } : {};
      const result = await tryAt(kind, { server: { chain: [issued.certificate], key: issued.key, ...weak } });
      if (key !== 'RSA of 1024 bits') return expectTaken(kind, result);
      expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: 'TLS_UNTRUSTED' } });
    });

    test.each([
      ['of its name', () => leaf, undefined],
      ['for another name', otherName, 'TLS_NAME_MISMATCH'],
      ['of another CA', otherCa, 'TLS_UNTRUSTED'],
      ['that signed itself', () => createSelfSigned({ names: [NAME] }), 'TLS_SELF_SIGNED'],
      [
        'that is over',
        () => authority.issue({ names: [NAME], notAfter: new Date(Date.now() - 60_000) }),
        'TLS_EXPIRED',
      ],
      [
        'of tomorrow',
        () => authority.issue({ names: [NAME], notBefore: new Date(Date.now() + 86_400_000) }),
        'TLS_NOT_YET_VALID',
      ],
      ['for clients', () => authority.issue({ names: [NAME], client: true }), 'TLS_UNTRUSTED'],
    ])('a certificate %s', async (_title, issue, code) => {
      const issued = await issue();
      const result = await tryAt(kind, { server: { chain: [issued.certificate], key: issued.key } });
      if (code === undefined) return expectTaken(kind, result);
      expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
      expect(result.evidence['tls/handshake']).toMatchObject({ subject: expect.any(String) });
    });

    test.each<readonly [string, Record<string, unknown>, () => Promise<IssuedCertificate>, string]>([
      ['a name that is told', { serverName: 'other.example' }, () => otherName(), 'PASSED'],
      ['no name in VERIFY_CA', { mode: 'VERIFY_CA' }, () => otherName(), 'PASSED'],
      ['a CA in VERIFY_CA', { mode: 'VERIFY_CA' }, () => otherCa(), 'FAILED'],
      ['nothing in REQUIRE', { mode: 'REQUIRE' }, () => otherCa(), 'PASSED'],
      ['a certificate that ends in days', {}, () => authority.issue({ names: [NAME], notAfter: soon() }), 'WARNING'],
    ])('asked for %s', async (_title, tls, issue, status) => {
      const issued = await issue();
      const result = await tryAt(kind, { server: { chain: [issued.certificate], key: issued.key }, tls });
      expect(result.steps).toContain(`tls/handshake: ${status}`);
      if (status === 'FAILED') expect(result.failure?.code).toBe('TLS_UNTRUSTED');
    });

    test.each<[string, (own: string) => readonly string[], string?]>([
      ['with the CA in the middle', (own) => [own, middle.certificate]],
      ['with all of it', (own) => [own, middle.certificate, authority.certificate]],
      ['in another order after the first', (own) => [own, authority.certificate, middle.certificate]],
      ['with a stranger among them', (own) => [own, clients.certificate, middle.certificate]],
      ['without the CA in the middle', (own) => [own], 'TLS_UNTRUSTED'],
    ])('a chain %s', async (_title, chainOf, code) => {
      const own = await middle.issue({ names: [NAME] });
      const result = await tryAt(kind, { server: { chain: chainOf(own.certificate), key: own.key } });
      if (code === undefined) return expectTaken(kind, result);
      expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
    });

    test('a chain without the CA in the middle, where that is the one to trust', async () => {
      const own = await middle.issue({ names: [NAME] });
      const server = { chain: [own.certificate], key: own.key };
      expectTaken(kind, await tryAt(kind, { server, tls: { caCertificate: middle.certificate } }));
    });

    test.each<CipherRow>(CIPHERS[kind])('%s with %s is taken: %s', async (version, cipher, isTaken, key = 'P-256') => {
      const issued = await authority.issue({ names: [NAME], kind: key });
      const server = { version, ciphers: [cipher], chain: [issued.certificate], key: issued.key };
      const result = await tryAt(kind, { server });
      if (isTaken) expectTaken(kind, result);
      else expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: OLD });
    });

    describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a client certificate over %s', (version) => {
      test.each([
        ['that nobody asked for', false, false, undefined],
        ['that may be there', true, false, undefined],
        ['that has to be there', true, true, undefined],
      ])('%s', async (_title, isAsked, required) => {
        const own = await clients.issue({ client: true });
        const server = { version, required, ...(isAsked ? { clientCa: clients.certificate } : {}) };
        const tls = { clientCertificate: own.certificate, clientKey: own.key };
        expectTaken(kind, await tryAt(kind, { server, tls }));
      });

      test.each(['RSA', 'P-384', 'Ed25519'] as const)('with a key of the kind %s', async (key) => {
        const own = await clients.issue({ client: true, kind: key });
        const tls = { clientCertificate: own.certificate, clientKey: own.key };
        const server = { version, required: true, clientCa: clients.certificate };
        expectTaken(kind, await tryAt(kind, { server, tls }));
      });

      test('that may be missing', async () => {
        expectTaken(kind, await tryAt(kind, { server: { version, clientCa: clients.certificate } }));
      });

      test.each<readonly [string, (() => Promise<IssuedCertificate>) | undefined, string]>([
        ['that is missing', undefined, 'TLS_CLIENT_CERTIFICATE_REQUIRED'],
        ['of another CA', () => authority.issue({ client: true }), 'TLS_CLIENT_CERTIFICATE_REFUSED'],
        [
          'that is over',
          () => clients.issue({ client: true, notAfter: new Date(Date.now() - 60_000) }),
          'TLS_CLIENT_CERTIFICATE_REFUSED',
        ],
      ])('%s', async (_title, issue, code) => {
        const own = await issue?.();
        const tls = own ? { clientCertificate: own.certificate, clientKey: own.key } : {};
        const server = { version, required: true, clientCa: clients.certificate };
        for (const type of Object.keys(TYPES) as Type[]) {
          const { failure } = await tryAt(kind, { server, tls, type });
          expect([type, failure?.code, failure?.configPath]).toEqual([type, code, 'tls.clientCertificate']);
        }
      });
    });
  });

  test.each(HANDING_ON)('a chain of %s whose first is not the server’s own', async (kind) => {
    const own = await middle.issue({ names: [NAME] });
    const result = await tryAt(kind, { server: { chain: [middle.certificate, own.certificate], key: own.key } });
    expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code: 'TLS_FAILED' } });
  });
});

describeRealPeer(opensslServer);
describeRealPeer(gnutlsServer);
describeRealPeer(goTlsServer);
