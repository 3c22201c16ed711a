import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { IssuedCertificate } from '../certificates.ts';
import { goProgram, goPrograms } from './go-programs.ts';
import { endProcess, owned, startPeer } from './own-process.ts';

/** Two MySQL servers that were not made for one another: the engine of Dolt, and go-mysql, which knows every sign-in. */
export const GO_MYSQL = goPrograms('mysql-engine', 'mysql-sign-in');

export interface GoMysql {
  readonly port: number;
  stop(): Promise<void>;
}

export interface MysqlEngineOptions {
  readonly certificate: IssuedCertificate;
  /** Run as root before it listens. None has a line break in it. */
  readonly setup: readonly string[];
  /** PEM text; it asks for client certificates that this has signed. */
  readonly clientCa?: string;
  /** Takes TLS alone. */
  readonly secure?: boolean;
}

/** Starts go-mysql-server with its databases in memory. */
export function startMysqlEngine({ certificate, setup, clientCa, secure }: MysqlEngineOptions): Promise<GoMysql> {
  const files = {
    ...certificate,
    setup: setup.join('\n'),
    ...(clientCa === undefined ? {} : { 'client-ca': clientCa }),
  };
  return start('mysql-engine', files, secure ? ['-secure'] : []);
}

export interface MysqlSignInOptions {
  /** Whose key is an RSA key. */
  readonly certificate: IssuedCertificate;
  readonly method: 'mysql_native_password' | 'caching_sha2_password' | 'sha256_password';
  readonly user: string;
  readonly password: string;
}

/** Starts go-mysql's server, which knows one user and answers every statement with the row `1`. */
export function startMysqlSignIn({ certificate, ...account }: MysqlSignInOptions): Promise<GoMysql> {
  const settings = Object.entries(account).map(([name, value]) => `-${name}=${value}`);
  return start('mysql-sign-in', { ...certificate }, settings);
}

/** Starts a program of `.ci/peers/go`, with a file for each of its options that names one; it prints its port. */
export function start(
  program: string,
  files: Readonly<Record<string, string>>,
  settings: readonly string[],
): Promise<GoMysql> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), `gateway-${program}-`));
    for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text, { mode: 0o600 });
    const named = Object.keys(files).map((name) => `-${name}=${join(home, name)}`);
    const child = owned(
      spawn(goProgram(program), [...named, ...settings], { env: { HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
    });
    let port = 0;
    for await (const line of createInterface(child.stdout)) {
      port = Number(line);
      break;
    }
    // it has read them all
    await rm(home, { recursive: true, force: true });
    if (!port) throw new Error(`${program} did not start:\n${log}`);
    return { port, stop: () => endProcess(child) };
  });
}
