import { asyncsshBastion, goBastion, opensshBastion } from './bastions.ts';
import { clickhousePeer } from './clickhouse.ts';
import { elasticsearchPeer } from './elasticsearch.ts';
import { fakeGcsServer } from './fake-gcs-server.ts';
import { ferretdbPeer } from './ferretdb.ts';
import { doltAsSinglestore, doltPeer, goMysqlPeer } from './go-mysql.ts';
import { mariadbAsSinglestore, mariadbPeer } from './mariadb.ts';
import { motoAthena, motoS3 } from './moto.ts';
import { mysqlMimicPeer } from './mysql-mimic.ts';
import { nginxFiles } from './nginx-files.ts';
import { nginxProxies } from './nginx-proxies.ts';
import { opensearchPeer } from './opensearch.ts';
import { perlMongodbPeer } from './perl-mongodb.ts';
import { pgbouncerPeer } from './pgbouncer.ts';
import { postgresAsCockroachdb, postgresAsRedshift, postgresPeer } from './postgres.ts';
import type { RealPeer } from './real-peer.ts';
import { swiftPeer } from './swift.ts';
import { gnutlsServer, goTlsServer, opensslServer } from './tls-servers.ts';
import { trinoPeer } from './trino.ts';

/** Each by the name by which its file exports it, and its suite in test/peers has it describe its causes. */
export const realPeers: Readonly<Record<string, RealPeer | readonly RealPeer[]>> = {
  fakeGcsServer,
  motoS3,
  swiftPeer,
  postgresPeer,
  pgbouncerPeer,
  postgresAsRedshift,
  postgresAsCockroachdb,
  mariadbPeer,
  doltPeer,
  goMysqlPeer,
  mysqlMimicPeer,
  mariadbAsSinglestore,
  doltAsSinglestore,
  ferretdbPeer,
  perlMongodbPeer,
  clickhousePeer,
  trinoPeer,
  elasticsearchPeer,
  opensearchPeer,
  motoAthena,
  nginxFiles,
  nginxProxies,
  opensslServer,
  gnutlsServer,
  goTlsServer,
  opensshBastion,
  goBastion,
  asyncsshBastion,
};
