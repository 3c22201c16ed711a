import { goProgram } from '../peers/go-programs.ts';
import { TLS_SERVERS, tlsServers } from '../peers/tls-servers.ts';
import { clickhouseStand } from '../stands/clickhouse.ts';
import type { StandPeer, StartPeer } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

export const opensslServer = tlsServer('OpenSSL', 'OpenSSL 3.0', ['openssl', 'version']);
export const gnutlsServer = tlsServer('GnuTLS', 'GnuTLS 3.7', ['gnutls-serv', '--version']);
export const goTlsServer = tlsServer('Go', 'Go’s crypto/tls 1.26', ['go', 'version', goProgram('tls')]);

/** One that agrees on TLS before a fake of ClickHouse; what comes after the handshake Go’s alone hands on. */
function tlsServer(kind: keyof typeof tlsServers, name: string, version: NonNullable<RealPeer['version']>): RealPeer {
  const startBefore =
    (peer: Pick<StandPeer, 'port'>): StartPeer =>
    async (certificate) => {
      if (!certificate) throw new Error('It speaks TLS alone.');
      const { certificate: leaf, key } = certificate;
      const { port, stop } = await tlsServers[kind]({ chain: [leaf], key, target: peer.port });
      return { port, close: stop };
    };
  return {
    name,
    programs: TLS_SERVERS,
    version,
    role: 'a TLS server',
    stand: { ...clickhouseStand, startHandshake: startBefore({ port: 1 }) },
  };
}
