import { execFile, spawn } from 'node:child_process';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { IssuedCertificate } from '../certificates.ts';
import { jarsAndJava, jarsOf, javaOf, linkJars } from './java.ts';
import { freePorts, owned, startPeer } from './own-process.ts';
import { presents } from './presented.ts';
import { CONSOLE_LOGGING, nodeSettings, type SearchNode, started } from './search-node.ts';

const run = promisify(execFile);
/** Of `.ci/peers/elasticsearch.jars`. */
const VERSION = '9.5.3';
const JAVA = { from: 21 };
export const ELASTICSEARCH = jarsAndJava('elasticsearch', JAVA);

/** What a distribution has of each of its modules: its class, those whose classes it uses, and where its jars are. */
const MODULES: Readonly<Record<string, readonly [main: string, extended: string, jars: readonly string[]]>> = {
  'transport-netty4': ['org.elasticsearch.transport.netty4.Netty4Plugin', '', ['transport-netty4']],
  'x-pack-core': ['org.elasticsearch.xpack.core.XPackPlugin', '', ['x-pack-core']],
  // it has its own copy of what moves the bytes
  'x-pack-security': [
    'org.elasticsearch.xpack.security.Security',
    'x-pack-core',
    ['x-pack-security', 'transport-netty4'],
  ],
  'missing-modules': ['MissingModules', '', []],
};
const SOURCES = join(import.meta.dirname, '../../peers/elasticsearch');
const ADMINISTRATOR = { name: 'administrator', password: 'not-a-real-password' };
const ITERATIONS = 1_000;

/** Starts a node with its security module and all its files in a directory of its own; about 10 seconds. */
export function startElasticsearch(certificate: IssuedCertificate): Promise<SearchNode> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), 'gateway-elasticsearch-'));
    try {
      const [port = 0, transport = 0] = await freePorts(2);
      await putFiles(home, certificate, port, transport);
      await compile(home);
      const child = owned(
        spawn(
          javaOf(JAVA),
          [
            ...['-Xmx512m', '-XX:TieredStopAtLevel=1', '--enable-native-access=ALL-UNNAMED'],
            // it looks there for its native library, and goes on without
            `-Des.path.home=${home}`,
            ...['-cp', `${join(home, 'classes')}:${SERVER}`, 'Start', home],
          ],
          { cwd: home, env: { PATH: '/usr/bin:/bin', HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
        ),
      );
      const node = await started('Elasticsearch', { child, port, home, administrator: ADMINISTRATOR });
      const present = async (other: IssuedCertificate) => {
        await putCertificate(home, other);
        await presents(port, other);
      };
      return { ...node, present };
    } catch (error) {
      await rm(home, { recursive: true, force: true });
      throw error;
    }
  });
}

const SERVER = join(jarsOf('elasticsearch'), 'server', '*');

async function putFiles(home: string, certificate: IssuedCertificate, port: number, transport: number): Promise<void> {
  const put = async (name: string, content: string) => {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), content);
  };
  await putCertificate(home, certificate);
  await put('config/elasticsearch.yml', configOf(home, port, transport).join('\n'));
  await put('config/log4j2.properties', CONSOLE_LOGGING);
  await put('config/users', `${ADMINISTRATOR.name}:${hashOf(ADMINISTRATOR.password)}\n`);
  await put('config/users_roles', `superuser:${ADMINISTRATOR.name}\n`);
  for (const [name, [main, extended, jars]] of Object.entries(MODULES)) {
    await put(`modules/${name}/plugin-descriptor.properties`, descriptorOf(name, main, extended));
    for (const part of jars) await linkJars(join(jarsOf('elasticsearch'), part), join(home, 'modules', name));
  }
}

/** It never sees half a file, and looks again where the key is not that of the certificate. */
async function putCertificate(home: string, { certificate, key }: IssuedCertificate): Promise<void> {
  const folder = join(home, 'config');
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries({ 'certificate.pem': certificate, 'key.pem': key })) {
    await writeFile(join(folder, 'next.pem'), text);
    await rename(join(folder, 'next.pem'), join(folder, name));
  }
}

/** What starts it, and the module of ours, which has to be a jar. */
async function compile(home: string): Promise<void> {
  const tool = (name: string) => join(dirname(javaOf(JAVA)), name);
  const javac = (to: string, file: string) =>
    run(tool('javac'), ['-proc:none', '-nowarn', '-d', join(home, to), '-cp', SERVER, join(SOURCES, file)]);
  await Promise.all([javac('classes', 'Start.java'), javac('missing', 'MissingModules.java')]);
  const jar = join(home, 'modules/missing-modules/missing-modules.jar');
  await run(tool('jar'), ['--create', '--file', jar, '-C', join(home, 'missing'), '.']);
}

function descriptorOf(name: string, main: string, extended: string): string {
  return Object.entries({
    description: name,
    version: VERSION,
    name,
    'java.version': JAVA.from,
    'elasticsearch.version': VERSION,
    classname: main,
    'extended.plugins': extended,
    'has.native.controller': false,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** As its own command for users writes it. */
function hashOf(password: string): string {
  const salt = randomBytes(32);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha512');
  return `{PBKDF2}${ITERATIONS}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

function configOf(home: string, port: number, transport: number): string[] {
  return [
    ...nodeSettings(home, port, transport),
    'resource.reload.interval.high: 1s',
    'xpack.security.enabled: true',
    'xpack.security.enrollment.enabled: false',
    `xpack.security.authc.password_hashing.algorithm: PBKDF2_${ITERATIONS}`,
    'xpack.security.http.ssl.enabled: true',
    'xpack.security.http.ssl.certificate: certificate.pem',
    'xpack.security.http.ssl.key: key.pem',
  ];
}
