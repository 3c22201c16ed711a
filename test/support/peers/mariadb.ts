import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { IssuedCertificate } from '../certificates.ts';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, owned, startPeer } from './own-process.ts';

export const MARIADB: PeerPrograms = {
  programs: ['mariadbd', 'mariadb-install-db', 'mariadb'],
  packages: ['mariadb-server'],
};

export interface MariadbOptions {
  /** PEM texts; turns TLS on. Client certificates are those that `ca` has signed. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca: string };
  /** More arguments: `--require-secure-transport`. */
  readonly settings?: readonly string[];
}

/** A running server of its own, on loopback. */
export interface MariadbServer {
  readonly port: number;
  /** Runs statements as the one who may do everything. */
  administer(sql: string, database?: string): Promise<string>;
  /** Shows another certificate from the next connection on. */
  present(certificate: IssuedCertificate): Promise<void>;
  stop(): Promise<void>;
}

const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin:/usr/sbin', LC_ALL: 'C.UTF-8', HOME: '/nonexistent' };
const READY = 'ready for connections';
const NOBODY = 65534;
const run = promisify(execFile);

/**
 * Starts MariaDB with all its files in a directory of its own; about 2 seconds. As root, which it refuses, it runs as
 * nobody.
 */
export function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  return startPeer(() => startServer(options));
}

async function startServer(options: MariadbOptions): Promise<MariadbServer> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-mariadb-'));
  const runner = process.getuid?.() === 0 ? ['--user=nobody'] : [];
  const file = (name: string) => join(home, name);
  const put = async (name: string, text: string) => {
    await writeFile(file(name), text, { mode: 0o600 });
    if (runner.length > 0) await chown(file(name), NOBODY, NOBODY);
  };
  let child: ChildProcess | undefined;
  const leave = () => rmSync(home, { recursive: true, force: true });
  process.once('exit', leave);
  const stop = async (): Promise<void> => {
    process.off('exit', leave);
    if (child) await endProcess(child);
    await rm(home, { recursive: true, force: true });
  };
  try {
    if (runner.length > 0) await chown(home, NOBODY, NOBODY);
    const data = [`--datadir=${file('data')}`, ...runner];
    const install = ['--no-defaults', ...data, '--auth-root-authentication-method=normal', '--skip-test-db'];
    await run('mariadb-install-db', [...install, '--skip-name-resolve'], { env: ENVIRONMENT });
    const { tls } = options;
    for (const [name, text] of Object.entries(tls ?? {})) await put(name, text);
    const secure = tls ? ['certificate', 'key', 'ca'].map((name, at) => `--ssl-${SSL[at]}=${file(name)}`) : [];
    const [port = 0] = await freePorts(1);
    const place = [`--port=${port}`, '--bind-address=127.0.0.1', `--socket=${file('socket')}`];
    const settings = [...place, ...secure, ...QUICK, ...(options.settings ?? [])];
    child = await start(['--no-defaults', ...data, ...settings]);
    const client = ['--no-defaults', '--user=root', `--socket=${file('socket')}`, '--skip-column-names'];
    const administer = async (sql: string, database = 'mysql') =>
      (await run('mariadb', [...client, `--execute=${sql}`, database], { env: ENVIRONMENT })).stdout;
    const present = async ({ certificate, key }: IssuedCertificate) => {
      await put('certificate', certificate);
      await put('key', key);
      await administer('flush ssl');
    };
    return { port, administer, present, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const SSL = ['cert', 'key', 'ca'];
const QUICK = ['--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0', '--innodb-buffer-pool-size=16M'];

async function start(args: readonly string[]): Promise<ChildProcess> {
  const child = owned(spawn('mariadbd', args, { env: ENVIRONMENT, stdio: ['ignore', 'ignore', 'pipe'] }));
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`MariaDB ended with code ${code} while starting:\n${log}`)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
      if (log.includes(READY)) resolve();
    });
  });
  return child;
}
