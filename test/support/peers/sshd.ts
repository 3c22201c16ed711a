import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PeerPrograms } from './installed.ts';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

/** What OpenSSH's server and its keys need. */
export const SSHD: PeerPrograms = { programs: ['sshd', 'ssh-keygen'], packages: ['openssh-server'] };

export interface SshdOptions {
  /** Lines of sshd_config that come before the starter's own, which they win over. */
  readonly settings?: readonly string[];
  /** `ed25519`, `rsa`: left out both. */
  readonly hostKeys?: readonly string[];
  /** Lines of authorized_keys, of whoever has such a key. */
  readonly authorizedKeys?: readonly string[];
}

/** OpenSSH's own server, on loopback, with all its files in a directory of its own. */
export interface Sshd {
  readonly port: number;
  /** Whoever runs the tests: signs in by key. */
  readonly username: string;
  /** What `ssh-keygen -l` prints of the host key of this type. */
  fingerprint(type: string): Promise<string>;
  /** Has ssh-keygen make a key that lets the user in; gives the private one's text. */
  createKey(...options: readonly string[]): Promise<string>;
  log(): string;
  close(): Promise<void>;
}

const START_MS = 10_000;
const run = promisify(execFile);

export function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  return startPeer(() => start(options));
}

async function start(options: SshdOptions): Promise<Sshd> {
  const home = await mkdtemp(join(tmpdir(), 'gateway-sshd-'));
  const authorized = join(home, 'authorized_keys');
  const types = options.hostKeys ?? ['ed25519', 'rsa'];
  for (const type of types) await keygen(join(home, `host_${type}`), ['-t', type, '-N', '']);
  await writeFile(authorized, (options.authorizedKeys ?? []).map((line) => `${line}\n`).join(''));
  // a server with root's rights changes into this empty directory of the system's
  // another user than its own looks at the keys by the rights of that user
  if (options.authorizedKeys) await chmod(home, 0o711);
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const [port = 0] = await freePorts(1);
  const settings = [
    ...(options.settings ?? []),
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    ...types.map((type) => `HostKey ${join(home, `host_${type}`)}`),
    'PidFile none',
    `AuthorizedKeysFile ${authorized}`,
    'StrictModes no',
    'UsePAM no',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'LogLevel VERBOSE',
  ];
  await writeFile(join(home, 'sshd_config'), `${settings.join('\n')}\n`);
  const child = owned(
    spawn('/usr/sbin/sshd', ['-D', '-e', '-f', join(home, 'sshd_config')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await listening(child, () => log);
  let keys = 0;
  return {
    port,
    username: userInfo().username,
    async fingerprint(type) {
      const { stdout } = await run('ssh-keygen', ['-l', '-f', join(home, `host_${type}.pub`)]);
      return stdout.split(' ')[1] ?? '';
    },
    async createKey(...wanted) {
      keys += 1;
      const file = join(home, `key_${keys}`);
      await keygen(file, wanted);
      await writeFile(authorized, await readFile(`${file}.pub`), { flag: 'a' });
      return readFile(file, 'utf8');
    },
    log: () => log,
    async close() {
      await endProcess(child);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** A user of this machine with a password, for as long as a test lasts; root alone can make one. */
export interface TemporaryUser {
  readonly name: string;
  readonly password: string;
  remove(): Promise<void>;
}

/** Whether createUser can work here. */
export const canCreateUsers = process.getuid?.() === 0 && existsSync('/usr/sbin/useradd');

export async function createUser(): Promise<TemporaryUser> {
  const name = `gateway-${randomBytes(4).toString('hex')}`;
  const password = randomBytes(12).toString('base64url');
  await run('/usr/sbin/useradd', ['--no-create-home', '--shell', '/usr/sbin/nologin', name]);
  const setting = run('/usr/sbin/chpasswd', ['--crypt-method', 'SHA512']);
  setting.child.stdin?.end(`${name}:${password}\n`);
  await setting;
  return { name, password, remove: async () => void (await run('/usr/sbin/userdel', [name])) };
}

async function keygen(file: string, options: readonly string[]): Promise<void> {
  await run('ssh-keygen', ['-q', '-C', 'test', '-f', file, ...options]);
}

async function listening(child: ChildProcess, log: () => string): Promise<void> {
  const giveUp = Date.now() + START_MS;
  while (!log().includes('Server listening')) {
    if (hasEnded(child) || Date.now() > giveUp) throw new Error(`sshd did not start:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
