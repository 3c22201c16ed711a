import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned, startPeer } from './own-process.ts';
import { pythonOf } from './vendor-clients.ts';

const python = pythonOf('asyncssh');
const scripts = join(import.meta.dirname, '../../peers/asyncssh');
const ENVIRONMENT = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', PYTHONDONTWRITEBYTECODE: '1' };
const run = promisify(execFile);

export const ASYNCSSH: PeerPrograms = { programs: [python], script: '.ci/peers/python asyncssh' };

export interface AsyncsshOptions {
  readonly user: string;
  readonly password?: string;
  /** The questions of each round of keyboard-interactive, all of which the password answers. */
  readonly rounds?: readonly (readonly string[])[];
  /** Wants another password once the old one was right. */
  readonly expired?: boolean;
  /** In the form of authorized_keys. */
  readonly authorizedKeys?: readonly string[];
  /** Left out: ssh-ed25519. */
  readonly hostKey?: 'ssh-ed448' | 'ecdsa-sha2-nistp521' | 'ssh-rsa';
  /** Shown before the sign-in. */
  readonly banner?: string;
  /** What it calls itself. */
  readonly version?: string;
  /** Agrees on new keys after so many bytes. */
  readonly rekeyBytes?: number;
  /** Asks whether we are still there, so often. */
  readonly keepaliveSeconds?: number;
  /** The `host:port` that it opens, and the port of this machine to which that leads. */
  readonly forward?: string;
  readonly target?: number;
}

/** A bastion made of asyncssh, on loopback. */
export interface AsyncsshBastion {
  readonly port: number;
  /** As OpenSSH prints it, of its host key. */
  readonly fingerprint: string;
  close(): Promise<void>;
}

export function startAsyncssh(options: AsyncsshOptions): Promise<AsyncsshBastion> {
  return startPeer(async () => {
    const child = owned(spawn(python, [join(scripts, 'bastion.py')], { env: ENVIRONMENT, stdio: 'pipe' }));
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
    });
    child.stdin.write(`${JSON.stringify(options)}\n`);
    for await (const line of createInterface(child.stdout)) {
      const [port, fingerprint = ''] = line.split(' ');
      return { port: Number(port), fingerprint, close: () => endProcess(child) };
    }
    throw new Error(`asyncssh did not start:\n${log}`);
  });
}

/** A private key and its line of authorized_keys. */
export interface AsyncsshKey {
  readonly private: string;
  readonly public: string;
}

/** A key of each kind in each form that asyncssh writes, by their names; the encrypted ones have this passphrase. */
export async function writeKeys(passphrase: string): Promise<Readonly<Record<string, AsyncsshKey>>> {
  const { stdout } = await run(python, [join(scripts, 'keys.py'), passphrase], { env: ENVIRONMENT });
  return JSON.parse(stdout) as Record<string, AsyncsshKey>;
}
