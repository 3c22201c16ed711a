import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Connector } from '../../src/connectors/kit/contract/connector.ts';
import { type Authority, createAuthority, createSelfSigned, type IssuedCertificate } from './certificates.ts';
import type { HttpPeer, HttpPeerOptions } from './peers/http-peer.ts';
import { closedPort, startTarpit, type Tarpit } from './peers/tarpit.ts';
import { gist, type TestConnectionOptions, testConnection } from './test-connection.ts';

/** A connector to an HTTP API, and how to lead it to a fake on this machine. */
export interface HttpSubject {
  readonly connector: Connector;
  /** The fake, with everything in it that the config asks for. */
  readonly start: (options: HttpPeerOptions) => Promise<HttpPeer>;
  /** The name in the fake's certificate. */
  readonly name: string;
  /** A config that leads to `http://host:port`, or to `https://host:port` where a CA is given. */
  readonly config: (host: string, port: number, ca?: string) => Record<string, unknown>;
  /** How a test finds the fake, besides by its config. */
  readonly ways?: (port: number, ca?: string) => TestConnectionOptions;
  /** The host is fixed: there is no clear text, and no config of the certificate. */
  readonly fixedHost?: boolean;
  /** The check that sends the first request. Left out: session/authenticate. */
  readonly answersAt?: string;
  /** An answer that is too long is read as far as it goes. */
  readonly takesLongAnswers?: boolean;
  /** Config paths that failures point at. */
  readonly hostPath: string | null;
  readonly portPath: string | null;
}

/** What can go wrong between the gateway and an HTTP API, before the API itself has anything to say. */
export function describeHttpFaults(subject: HttpSubject): void {
  const { connector, name, fixedHost = false, answersAt = 'session/authenticate' } = subject;
  const peers: (HttpPeer | Tarpit)[] = [];
  let authority: Authority;
  let certificate: IssuedCertificate;

  beforeAll(async () => {
    authority = await createAuthority();
    certificate = await authority.issue({ names: [name] });
  });

  afterEach(async () => {
    await Promise.all(peers.splice(0).map((peer) => peer.close()));
  });

  const keep = async <T extends HttpPeer | Tarpit>(starting: Promise<T>): Promise<T> => {
    const peer = await starting;
    peers.push(peer);
    return peer;
  };

  /** Over TLS where there is no other way. */
  const tryAt = (port: number, options: TestConnectionOptions = {}) => {
    const ca = fixedHost ? authority.certificate : undefined;
    const config = subject.config(fixedHost ? name : '127.0.0.1', port, ca);
    return testConnection(connector, config, { ...subject.ways?.(port, ca), ...options });
  };

  const startPeer = (options: HttpPeerOptions) =>
    keep(subject.start(fixedHost ? { certificate, ...options } : options));

  describe('on the way', () => {
    test('a closed port is refused', async () => {
      const result = await tryAt(await closedPort());
      expect(gist(result)).toEqual({
        at: 'endpoint/connect',
        code: 'CONNECTION_REFUSED',
        configPath: subject.portPath,
      });
    });

    test('an unknown name does not resolve', async () => {
      const lookup = () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
      const config = subject.config(
        fixedHost ? name : 'nope.invalid',
        9,
        fixedHost ? authority.certificate : undefined,
      );
      const result = await testConnection(connector, config, { lookup });
      expect(gist(result)).toEqual({ at: 'endpoint/resolve', code: 'NAME_NOT_FOUND', configPath: subject.hostPath });
    });

    test('an address that the operator does not allow is not connected to', async () => {
      const peer = await startPeer({});
      const config = subject.config(
        fixedHost ? name : '127.0.0.1',
        peer.port,
        fixedHost ? authority.certificate : undefined,
      );
      const result = await testConnection(connector, config, { allow: [], lookup: async () => ['127.0.0.1'] });
      expect(gist(result)).toEqual({
        at: 'endpoint/resolve',
        code: 'ADDRESS_NOT_ALLOWED',
        configPath: subject.hostPath,
      });
      expect(peer.connections()).toBe(0);
    });

    test.each([
      ['an SMTP server', { says: '220 mail.example ESMTP\r\n' }, 'PROTOCOL_MISMATCH'],
      ['another protocol', { answers: Buffer.from([0x4a, 0, 0, 0, 0x0a]) }, 'PROTOCOL_MISMATCH'],
      ['a peer that hangs up', { answers: '', hangsUp: true }, 'CONNECTION_LOST'],
    ])('%s', async (_title, options, code) => {
      const stranger = await keep(startTarpit(options));
      const result = await tryAt(stranger.port);
      const failed = {
        failedAt: fixedHost ? 'tls/handshake' : answersAt,
        code: fixedHost ? 'TLS_FAILED' : code,
      };
      expect({ failedAt: result.failedAt, code: result.failure?.code }).toEqual(failed);
    });

    test.each([
      ['html', 'PROTOCOL_MISMATCH'],
      ['garbage', 'PROTOCOL_MISMATCH'],
      ['reset', 'CONNECTION_LOST'],
      ['endless-headers', 'TOO_MUCH_DATA'],
      ['huge-body', 'TOO_MUCH_DATA'],
      [{ status: 302 }, 'UNEXPECTED_ANSWER'],
      [{ status: 429 }, 'TOO_MANY_REQUESTS'],
      [{ status: 503 }, 'SERVER_UNAVAILABLE'],
    ] as const)('a server that misbehaves: %j', async (misbehave, code) => {
      if (misbehave === 'huge-body' && subject.takesLongAnswers) return;
      const peer = await startPeer({ misbehave });
      const result = await tryAt(peer.port);
      expect(result).toMatchObject({ failedAt: answersAt, failure: { code } });
      expect(result.failure?.hint).toBeTruthy();
    });

    test('silence, and a byte a second, end at the deadline', async () => {
      const strangers = await Promise.all([
        keep(startTarpit()),
        startPeer({ misbehave: 'silent' }),
        startPeer({ misbehave: 'slow' }),
      ]);
      const results = await Promise.all(strangers.map(({ port }) => tryAt(port, { deadline: 2000 })));
      expect(results.map((each) => each.failure?.code)).toEqual(['TIMEOUT', 'TIMEOUT', 'TIMEOUT']);
      const [first, ...others] = results.map((each) => each.failedAt);
      expect(first).toBe(fixedHost ? 'tls/handshake' : answersAt);
      expect(others).toEqual([answersAt, answersAt]);
    });

    test.each([
      ['self-signed', () => createSelfSigned({ names: [name] }), 'TLS_SELF_SIGNED'],
      [
        'of a CA that nobody knows',
        async () => (await createAuthority('Other')).issue({ names: [name] }),
        'TLS_UNTRUSTED',
      ],
      ['for another name', () => authority.issue({ names: ['other.example'] }), 'TLS_NAME_MISMATCH'],
      ['expired', () => authority.issue({ names: [name], notAfter: new Date(Date.now() - 1000) }), 'TLS_EXPIRED'],
    ] as const)('a certificate that is %s is refused before a request is sent', async (_title, issue, code) => {
      const peer = await keep(subject.start({ certificate: await issue() }));
      const config = subject.config(name, peer.port, authority.certificate);
      const lookup = async () => ['127.0.0.1'];
      const result = await testConnection(connector, config, {
        lookup,
        ...subject.ways?.(peer.port, authority.certificate),
      });
      expect(result).toMatchObject({ failedAt: 'tls/handshake', failure: { code } });
      expect(result.evidence['tls/handshake']).toHaveProperty('subject');
      expect(peer.requests).toEqual([]);
    });

    test.skipIf(fixedHost)('a CA of its own is trusted', async () => {
      const peer = await keep(subject.start({ certificate }));
      const config = subject.config(name, peer.port, authority.certificate);
      const result = await testConnection(connector, config, { lookup: async () => ['127.0.0.1'] });
      expect(result.failure).toBeNull();
      expect(result.evidence['tls/handshake']).toMatchObject({ protocol: 'TLSv1.3', names: name });
    });
  });
}
