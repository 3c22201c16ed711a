import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IssuedCertificate } from '../certificates.ts';
import { jarsAndJava, jarsOf, javaOf } from './java.ts';
import { freePorts, owned, startPeer } from './own-process.ts';
import { CONSOLE_LOGGING, nodeSettings, type SearchNode, started } from './search-node.ts';

/** Its security manager is gone from Java 24 on. */
const JAVA = { from: 11, to: 23 };
export const OPENSEARCH = jarsAndJava('opensearch', JAVA);

/** Of the security plugin's own example users. */
const ADMINISTRATOR = { name: 'admin', password: 'admin' };

/** Starts a node with all its files in a directory of its own; about 10 seconds. */
export function startOpensearch(certificate: IssuedCertificate, ca: string): Promise<SearchNode> {
  return startPeer(() => startServer(certificate, ca));
}

async function startServer(certificate: IssuedCertificate, ca: string): Promise<SearchNode> {
  const jars = jarsOf('opensearch');
  // it wants one, be there any module in it or none
  await mkdir(join(jars, 'modules'), { recursive: true });
  const home = await mkdtemp(join(tmpdir(), 'gateway-opensearch-'));
  const [port = 0, transport = 0] = await freePorts(2);
  const put = (name: string, content: string) => writeFile(join(home, name), content);
  await cp(join(jars, 'plugins/opensearch-security/config'), join(home, 'opensearch-security'), { recursive: true });
  await put('certificate.pem', certificate.certificate);
  await put('key.pem', certificate.key);
  await put('ca.pem', ca);
  await put('opensearch.yml', configOf(home, port, transport).join('\n'));
  await put('log4j2.properties', CONSOLE_LOGGING);
  const child = owned(
    spawn(
      javaOf(JAVA),
      [
        ...['-Xmx512m', '-XX:TieredStopAtLevel=1', '-Djava.security.manager=allow', '-Dlog4j2.disable.jmx=true'],
        // without native code it does not know that it is root, which it refuses to be
        ...['-Djna.nosys=true', '-Djna.nounpack=true'],
        ...[`-Dopensearch.path.home=${jars}`, `-Dopensearch.path.conf=${home}`, '-Dopensearch.distribution.type=tar'],
        ...['-cp', join(jars, 'server', '*'), 'org.opensearch.bootstrap.OpenSearch'],
      ],
      { cwd: home, env: { PATH: '/usr/bin:/bin', HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
    ),
  );
  return started('OpenSearch', { child, port, home, administrator: ADMINISTRATOR });
}

function configOf(home: string, port: number, transport: number): string[] {
  const tls = (of: string) => [
    `plugins.security.ssl.${of}.pemcert_filepath: certificate.pem`,
    `plugins.security.ssl.${of}.pemkey_filepath: key.pem`,
    `plugins.security.ssl.${of}.pemtrustedcas_filepath: ca.pem`,
  ];
  return [
    ...nodeSettings(home, port, transport),
    ...tls('transport'),
    ...tls('http'),
    'plugins.security.ssl.transport.enforce_hostname_verification: false',
    'plugins.security.ssl.http.enabled: true',
    'plugins.security.allow_default_init_securityindex: true',
    'plugins.security.restapi.roles_enabled: [all_access]',
    'plugins.security.audit.type: noop',
  ];
}
