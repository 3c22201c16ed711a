import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IssuedCertificate } from '../certificates.ts';
import { jarsAndJava, jarsOf, javaOf } from './java.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

/** Its security manager is gone from Java 24 on. */
const JAVA = { from: 11, to: 23 };
export const OPENSEARCH = jarsAndJava('opensearch', JAVA);

/** Of the security plugin's own example users. */
const ADMINISTRATOR = `Basic ${Buffer.from('admin:admin').toString('base64')}`;
const TRIES = 600;
const PAUSE_MS = 200;

/** A node with its security plugin, over HTTPS on loopback. */
export interface OpensearchServer {
  readonly port: number;
  /** Sends a request as who may do everything; rejects with the answer unless it is a success. */
  administer(method: string, path: string, body?: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a node with all its files in a directory of its own; about 10 seconds. */
export function startOpensearch(certificate: IssuedCertificate, ca: string): Promise<OpensearchServer> {
  return startPeer(() => startServer(certificate, ca));
}

async function startServer(certificate: IssuedCertificate, ca: string): Promise<OpensearchServer> {
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
  await put('log4j2.properties', LOGGING);
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
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (words: string) => {
      log = `${log}${words}`.slice(-20_000);
    });
  const stop = async () => {
    await endProcess(child);
    await rm(home, { recursive: true, force: true });
  };
  const administer = (method: string, path: string, body = '') => ask(port, method, path, body);
  try {
    for (let tries = 0; !(await isReady(administer)); tries += 1) {
      if (tries === TRIES || hasEnded(child)) throw new Error(`OpenSearch did not start:\n${log}`);
      await sleep(PAUSE_MS);
    }
    return { port, administer, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isReady(administer: OpensearchServer['administer']): Promise<boolean> {
  return administer('GET', '/').then(
    () => true,
    () => false,
  );
}

async function ask(port: number, method: string, path: string, body: string): Promise<string> {
  const headers = { authorization: ADMINISTRATOR, 'content-type': 'application/json' };
  const [status, answer] = await new Promise<[number, string]>((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false }, (response) =>
      text(response).then((words) => resolve([response.statusCode ?? 0, words]), reject),
    )
      .once('error', reject)
      .end(body);
  });
  if (status < 200 || status >= 300) throw new Error(`${method} ${path}: ${status} ${answer}`);
  return answer;
}

function configOf(home: string, port: number, transport: number): string[] {
  const tls = (of: string) => [
    `plugins.security.ssl.${of}.pemcert_filepath: certificate.pem`,
    `plugins.security.ssl.${of}.pemkey_filepath: key.pem`,
    `plugins.security.ssl.${of}.pemtrustedcas_filepath: ca.pem`,
  ];
  return [
    'cluster.name: shop',
    'node.name: node-1',
    'network.host: 127.0.0.1',
    `http.port: ${port}`,
    `transport.port: ${transport}`,
    'discovery.type: single-node',
    `path.data: ${join(home, 'data')}`,
    `path.logs: ${join(home, 'logs')}`,
    'cluster.routing.allocation.disk.threshold_enabled: false',
    ...tls('transport'),
    ...tls('http'),
    'plugins.security.ssl.transport.enforce_hostname_verification: false',
    'plugins.security.ssl.http.enabled: true',
    'plugins.security.allow_default_init_securityindex: true',
    'plugins.security.restapi.roles_enabled: [all_access]',
    'plugins.security.audit.type: noop',
  ];
}

const LOGGING = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
`;
