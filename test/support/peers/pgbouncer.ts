import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

export const PGBOUNCER: PeerPrograms = { programs: ['pgbouncer'], packages: ['pgbouncer'] };

export interface PgbouncerOptions {
  /** The lines of its [databases]: `app = host=127.0.0.1 port=5432 dbname=postgres`. */
  readonly databases: readonly string[];
  /** Whom it lets in, with their passwords. */
  readonly users: Readonly<Record<string, string>>;
  /** PEM texts; clients without TLS are refused. */
  readonly tls?: { readonly certificate: string; readonly key: string };
  /** More lines of its [pgbouncer]: `max_client_conn = 1`. */
  readonly settings?: readonly string[];
}

/** A pooler of its own, on loopback. */
export interface Pgbouncer {
  readonly port: number;
  log(): string;
  close(): Promise<void>;
}

const START_MS = 10_000;

/** Starts PgBouncer with all its files in a directory of its own. As root, which it refuses, it runs as nobody. */
export function startPgbouncer(options: PgbouncerOptions): Promise<Pgbouncer> {
  return startPeer(() => start(options));
}

async function start({ databases, users, tls, settings = [] }: PgbouncerOptions): Promise<Pgbouncer> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-pgbouncer-'));
  const [port = 0] = await freePorts(1);
  await writeFile(
    join(home, 'users.txt'),
    Object.entries(users)
      .map(([name, password]) => `"${name}" "${password}"\n`)
      .join(''),
  );
  const files = { certificate: join(home, 'server.crt'), key: join(home, 'server.key') };
  if (tls) {
    await writeFile(files.certificate, tls.certificate);
    await writeFile(files.key, tls.key);
  }
  const lines = [
    '[databases]',
    ...databases,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${join(home, 'users.txt')}`,
    'verbose = 1',
    ...(tls
      ? [
          'client_tls_sslmode = require',
          `client_tls_cert_file = ${files.certificate}`,
          `client_tls_key_file = ${files.key}`,
        ]
      : []),
    ...settings,
  ];
  await writeFile(join(home, 'pgbouncer.ini'), `${lines.join('\n')}\n`);
  await chmod(home, 0o755);
  const asNobody = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = owned(
    spawn('/usr/sbin/pgbouncer', [...asNobody, join(home, 'pgbouncer.ini')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await listening(child, () => log);
  return {
    port,
    log: () => log,
    async close() {
      await endProcess(child);
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function listening(child: ChildProcess, log: () => string): Promise<void> {
  const giveUp = Date.now() + START_MS;
  while (!log().includes('process up')) {
    if (hasEnded(child) || Date.now() > giveUp) throw new Error(`pgbouncer did not start:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
