import type { IssuedCertificate } from '../certificates.ts';
import { goPrograms, startGoProgram } from './go-programs.ts';

/** Two MySQL servers that have nothing in common: the engine of Dolt, and go-mysql, which knows every sign-in. */
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

async function start(...how: Parameters<typeof startGoProgram>): Promise<GoMysql> {
  const { line, stop } = await startGoProgram(...how);
  return { port: Number(line), stop };
}
