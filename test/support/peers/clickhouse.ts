import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { IssuedCertificate } from '../certificates.ts';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

export const CLICKHOUSE: PeerPrograms = { programs: ['clickhouse-server'], packages: ['clickhouse-server'] };

/** A user of the server; all of them have a password. */
export interface ClickHouseUser {
  readonly name: string;
  readonly password: string;
  /** Databases that the user may see. Left out: all. */
  readonly databases?: readonly string[];
  /** May read only, and change no setting. */
  readonly readonly?: boolean;
  /** Left out: as many as it wants. */
  readonly queriesAnHour?: number;
}

export interface ClickHouseServer {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Speaks the native protocol, not HTTP. */
  readonly tcpPort: number;
  /** Runs a statement as a user, the first one unless another is given. Rejects with the server's words. */
  run(sql: string, user?: ClickHouseUser): Promise<string>;
  stop(): Promise<void>;
}

const START_MS = 60_000;
const NOBODY = 65_534;

/**
 * Starts a server on free loopback ports, with all its files in a directory of its own; a few seconds. Never runs as
 * root.
 */
export function startClickHouse(
  users: readonly [ClickHouseUser, ...ClickHouseUser[]],
  certificate: IssuedCertificate,
): Promise<ClickHouseServer> {
  return startPeer(() => start(users, certificate));
}

async function start(
  users: readonly [ClickHouseUser, ...ClickHouseUser[]],
  certificate: IssuedCertificate,
): Promise<ClickHouseServer> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-clickhouse-'));
  let child: ChildProcess | undefined;
  const leave = () => rmSync(home, { recursive: true, force: true });
  process.once('exit', leave);
  const stop = async (): Promise<void> => {
    process.off('exit', leave);
    if (child) await endProcess(child);
    await rm(home, { recursive: true, force: true });
  };
  try {
    const [httpPort = 0, httpsPort = 0, tcpPort = 0] = await freePorts(3);
    await writeHome(home, { users, certificate, httpPort, httpsPort, tcpPort });
    child = owned(
      spawn('clickhouse-server', [`--config-file=${join(home, 'config.xml')}`], {
        cwd: home,
        env: { PATH: '/usr/bin:/bin:/usr/sbin', LC_ALL: 'C.UTF-8' },
        stdio: 'ignore',
        ...(isRoot() ? { uid: NOBODY, gid: NOBODY } : {}),
      }),
    );
    await ready(httpPort, child, home);
    return { httpPort, httpsPort, tcpPort, run: (sql, user = users[0]) => run(httpPort, user, sql), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Setup {
  readonly users: readonly ClickHouseUser[];
  readonly certificate: IssuedCertificate;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly tcpPort: number;
}

async function writeHome(home: string, setup: Setup): Promise<void> {
  const directories = ['data', 'tmp', 'files', 'schemas'].map((name) => join(home, name));
  for (const directory of directories) await mkdir(directory);
  await writeFile(join(home, 'server.crt'), setup.certificate.certificate);
  await writeFile(join(home, 'server.key'), setup.certificate.key);
  await writeFile(join(home, 'config.xml'), serverConfig(home, setup));
  await writeFile(join(home, 'users.xml'), usersConfig(setup.users));
  if (!isRoot()) return;
  // the server refuses data that are not its own user's
  const own = [
    home,
    ...directories,
    ...['server.crt', 'server.key', 'config.xml', 'users.xml'].map((f) => join(home, f)),
  ];
  for (const path of own) await chown(path, NOBODY, NOBODY);
}

function serverConfig(home: string, { httpPort, httpsPort, tcpPort }: Setup): string {
  return `<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><log>${home}/server.log</log><errorlog>${home}/error.log</errorlog></logger>
  <listen_host>127.0.0.1</listen_host>
  <http_port>${httpPort}</http_port>
  <https_port>${httpsPort}</https_port>
  <tcp_port>${tcpPort}</tcp_port>
  <openSSL><server>
    <certificateFile>${home}/server.crt</certificateFile>
    <privateKeyFile>${home}/server.key</privateKeyFile>
    <verificationMode>none</verificationMode>
    <loadDefaultCAFile>false</loadDefaultCAFile>
  </server></openSSL>
  <path>${home}/data/</path>
  <tmp_path>${home}/tmp/</tmp_path>
  <user_files_path>${home}/files/</user_files_path>
  <format_schema_path>${home}/schemas/</format_schema_path>
  <users_config>${home}/users.xml</users_config>
  <default_profile>default</default_profile>
  <default_database>default</default_database>
  <mark_cache_size>67108864</mark_cache_size>
  <max_concurrent_queries>100</max_concurrent_queries>
  <keep_alive_timeout>10</keep_alive_timeout>
</yandex>
`;
}

function usersConfig(users: readonly ClickHouseUser[]): string {
  const entries = users.map(({ name, password, databases, readonly, queriesAnHour = 0 }) => {
    const allowed = databases?.map((database) => `<database>${database}</database>`).join('');
    return `<${name}><password>${password}</password><networks><ip>127.0.0.1</ip></networks>
      <profile>${readonly ? 'readonly' : 'default'}</profile><quota>quota_${queriesAnHour}</quota>
      ${allowed === undefined ? '' : `<allow_databases>${allowed}</allow_databases>`}</${name}>`;
  });
  const quotas = [...new Set(users.map(({ queriesAnHour = 0 }) => queriesAnHour))].map(
    (queries) =>
      `<quota_${queries}><interval><duration>3600</duration><queries>${queries}</queries></interval></quota_${queries}>`,
  );
  return `<?xml version="1.0"?>
<yandex>
  <profiles><default></default><readonly><readonly>1</readonly></readonly></profiles>
  <users>${entries.join('')}</users>
  <quotas>${quotas.join('')}</quotas>
</yandex>
`;
}

async function ready(port: number, child: ChildProcess, home: string): Promise<void> {
  const giveUp = Date.now() + START_MS;
  while (Date.now() < giveUp) {
    if (hasEnded(child)) {
      const log = await readFile(join(home, 'error.log'), 'utf8').catch(() => '(no log)');
      throw new Error(`clickhouse-server ended with code ${child.exitCode} while starting: ${log.slice(0, 2_000)}`);
    }
    const answer = await fetch(`http://127.0.0.1:${port}/ping`).catch(() => undefined);
    if (answer?.ok) return;
    await delay(50);
  }
  throw new Error('clickhouse-server did not start in time');
}

async function run(port: number, user: ClickHouseUser, sql: string): Promise<string> {
  const password = Buffer.from(user.password).toString('latin1');
  const headers = { 'x-clickhouse-user': user.name, 'x-clickhouse-key': password };
  const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers, body: sql });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`ClickHouse answers ${answer.status} to ${sql.slice(0, 100)}: ${text.slice(0, 500)}`);
  return text;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
