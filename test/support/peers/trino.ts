import { spawn } from 'node:child_process';
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { IssuedCertificate } from '../certificates.ts';
import { jarsAndJava, jarsOf, javaOf, linkJars } from './java.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';
import { presents } from './presented.ts';

/** Of `.ci/peers/trino.jars`. */
const VERSION = '483';
const JAVA = { from: 25 };
export const TRINO = jarsAndJava('trino', JAVA);

/** What a distribution says of each of its plugins by itself. */
const PLUGINS = {
  tpch: 'io.trino.plugin.tpch.TpchPlugin',
  memory: 'io.trino.plugin.memory.MemoryPlugin',
  password: 'io.trino.plugin.password.PasswordAuthenticatorPlugin',
};
const TRIES = 600;
const PAUSE_MS = 200;
const ITERATIONS = 1_000;

export interface TrinoOptions {
  readonly certificate: IssuedCertificate;
  /** Name to password. The first may do everything. */
  readonly users: Readonly<Record<string, string>>;
  /** Trino's rules of who may do what, as its file-based access control reads them. */
  readonly rules: object;
  /** Name to connector. */
  readonly catalogs: Readonly<Record<string, string>>;
  /** Whose tokens it takes besides passwords. */
  readonly tokens?: { readonly publicKey: string; readonly issuer: string; readonly audience: string };
  /** More lines of config.properties. */
  readonly settings?: readonly string[];
}

/** A coordinator that is its own worker, over HTTPS on loopback. */
export interface TrinoServer {
  readonly port: number;
  /** Over which nobody signs in. */
  readonly clearPort: number;
  /** Runs a statement as the first user, and gives its rows; rejects with the name of Trino's error. */
  administer(sql: string): Promise<unknown[][]>;
  /** Begins a statement as the first user, and gives what ends it. */
  begin(sql: string): Promise<() => Promise<void>>;
  /** Shows another certificate as soon as this resolves: it looks at the file once a second. */
  present(certificate: IssuedCertificate): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a coordinator with all its files in a directory of its own; about 10 seconds. */
export function startTrino(options: TrinoOptions): Promise<TrinoServer> {
  return startPeer(() => startServer(options));
}

async function startServer(options: TrinoOptions): Promise<TrinoServer> {
  const { certificate, users, catalogs, rules, tokens, settings = [] } = options;
  const home = await mkdtemp(join(tmpdir(), 'gateway-trino-'));
  const [port = 0, clearPort = 0] = await freePorts(2);
  const put = async (name: string, content: string) => {
    await mkdir(dirname(join(home, name)), { recursive: true });
    await writeFile(join(home, name), content);
  };
  await put('server.pem', pemOf(certificate));
  await put('passwords', `${Object.entries(users).map(passwordLine).join('\n')}\n`);
  await put('password.properties', 'password-authenticator.name=file\nfile.password-file=passwords\n');
  await put('rules.json', JSON.stringify(rules));
  await put('access.properties', 'access-control.name=file\nsecurity.config-file=rules.json\n');
  for (const [name, connector] of Object.entries(catalogs))
    await put(`catalog/${name}.properties`, `connector.name=${connector}\n`);
  for (const [name, plugin] of Object.entries(PLUGINS)) {
    await put(`plugin/${name}/named/META-INF/services/io.trino.spi.Plugin`, plugin);
    await linkJars(join(jarsOf('trino'), name), join(home, 'plugin', name));
  }
  if (tokens) await put('tokens.pem', tokens.publicKey);
  const lines = [...configOf(port, clearPort), ...(tokens ? tokenLines(tokens) : []), ...settings];
  await put('config.properties', [...lines, ''].join('\n'));
  const child = owned(
    spawn(
      javaOf(JAVA),
      [
        ...['-Xmx1G', '-XX:TieredStopAtLevel=1', '--add-modules', 'jdk.incubator.vector'],
        ...['-Dconfig=config.properties', '-Dnode.data-dir=data', '-cp', join(jarsOf('trino'), 'server', '*')],
        ...[join(import.meta.dirname, '../../peers/trino/Coordinator.java'), VERSION],
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
  const [[name = '', password = ''] = []] = Object.entries(users);
  const client = clientOf(port, name, password);
  try {
    for (let tries = 0; !log.includes('SERVER STARTED'); tries += 1) {
      if (tries === TRIES || hasEnded(child)) throw new Error(`Trino did not start:\n${log}`);
      await sleep(PAUSE_MS);
    }
    const present = async (other: IssuedCertificate) => {
      // it never sees half a file
      await put('next.pem', pemOf(other));
      await rename(join(home, 'next.pem'), join(home, 'server.pem'));
      await presents(port, other);
    };
    return { port, clearPort, ...client, present, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function pemOf({ certificate, key }: IssuedCertificate): string {
  return `${key}\n${certificate}`;
}

/** What `htpasswd` would write, had it PBKDF2. */
function passwordLine([name, password]: [string, string]): string {
  const salt = randomBytes(16);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, 32, 'sha1');
  return `${name}:${ITERATIONS}:${salt.toString('hex')}:${hash.toString('hex')}`;
}

function configOf(port: number, clearPort: number): string[] {
  return [
    'node.environment=test',
    'node.bind-ip=127.0.0.1',
    'node.internal-address=127.0.0.1',
    'coordinator=true',
    'node-scheduler.include-coordinator=true',
    `discovery.uri=http://127.0.0.1:${clearPort}`,
    `http-server.http.port=${clearPort}`,
    'http-server.https.enabled=true',
    `http-server.https.port=${port}`,
    'http-server.https.keystore.path=server.pem',
    'http-server.https.ssl-context.refresh-time=1s',
    'http-server.authentication.type=PASSWORD',
    'password-authenticator.config-files=password.properties',
    'access-control.config-files=access.properties',
    `internal-communication.shared-secret=${randomBytes(32).toString('hex')}`,
    'catalog.config-dir=catalog',
    'plugin.dir=plugin',
  ];
}

/** They take the place of the line before them that names the ways to sign in. */
function tokenLines({ issuer, audience }: NonNullable<TrinoOptions['tokens']>): string[] {
  return [
    'http-server.authentication.type=PASSWORD,JWT',
    'http-server.authentication.jwt.key-file=tokens.pem',
    `http-server.authentication.jwt.required-issuer=${issuer}`,
    `http-server.authentication.jwt.required-audience=${audience}`,
  ];
}

const PAGE = z.object({
  nextUri: z.string().optional(),
  data: z.array(z.array(z.unknown())).optional(),
  error: z.object({ errorName: z.string() }).optional(),
});

/** A client of a few lines, so that what is tested does not tell what is there. */
function clientOf(port: number, name: string, password: string): Pick<TrinoServer, 'administer' | 'begin'> {
  const authorization = `Basic ${Buffer.from(`${name}:${password}`, 'latin1').toString('base64')}`;
  const ask = async (method: string, path: string, body = '') => {
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { authorization, 'x-trino-user': name };
      request({ host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false }, (response) =>
        text(response).then(resolve, reject),
      )
        .once('error', reject)
        .end(body);
    });
    return answer === '' ? {} : PAGE.parse(JSON.parse(answer));
  };
  const pathOf = (uri: string) => new URL(uri).pathname;
  return {
    async administer(sql) {
      const rows: unknown[][] = [];
      let page = await ask('POST', '/v1/statement', sql);
      for (;;) {
        if (page.error) throw new Error(page.error.errorName);
        rows.push(...(page.data ?? []));
        if (!page.nextUri) return rows;
        page = await ask('GET', pathOf(page.nextUri));
      }
    },
    async begin(sql) {
      let { nextUri } = await ask('POST', '/v1/statement', sql);
      // a statement is begun by asking for its first page
      if (nextUri) ({ nextUri } = await ask('GET', pathOf(nextUri)));
      return async () => {
        if (nextUri) await ask('DELETE', pathOf(nextUri));
      };
    },
  };
}
