import { goProgram } from '../peers/go-programs.ts';
import { closedPort } from '../peers/tarpit.ts';
import { TLS_SERVERS, tlsServers } from '../peers/tls-servers.ts';
import { clickhouseStand } from '../stands/clickhouse.ts';
import type { Stand } from '../stands/stand.ts';
import type { RealPeer } from './real-peer.ts';

export const opensslServer = tlsServer('OpenSSL', 'OpenSSL 3.0', ['openssl', 'version']);
export const gnutlsServer = tlsServer('GnuTLS', 'GnuTLS 3.7', ['gnutls-serv', '--version']);
export const goTlsServer = tlsServer('Go', 'Go’s crypto/tls 1.26', [goProgram('tls'), '-version']);

/** One with which ClickHouse's client has to agree on TLS: none of these certificates lets it go on to a server. */
function tlsServer(kind: keyof typeof tlsServers, name: string, version: NonNullable<RealPeer['version']>): RealPeer {
  const startHandshake: Stand['startHandshake'] = async ({ certificate, key }) => {
    const { port, stop } = await tlsServers[kind]({ chain: [certificate], key, target: await closedPort() });
    return { port, close: stop };
  };
  return {
    name,
    programs: TLS_SERVERS,
    version,
    role: 'a TLS server',
    stand: { ...clickhouseStand, startHandshake },
  };
}
