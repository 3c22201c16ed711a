import type { SpawnOptions } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The file descriptor of the child's channel to the gateway. */
export const CHANNEL_FD = 3;

/**
 * V8's young generation, in MiB: what a test reads comes and goes in small parts, of which V8 would let 100 MiB lie
 * about.
 */
const HEAP = '--max-semi-space-size=4';
/**
 * What the permission model leaves open: SQLite, which opens any file; the signal that opens the inspector; the flags
 * of V8, by which V8 itself writes files.
 */
const CLOSED = ['--no-experimental-sqlite', '--disable-sigusr1', '--freeze-flags-after-init'];

/** What the system keeps a child from, besides Node's permission model. */
export interface Confinement {
  /** The command that goes before the child's own. */
  readonly wrapper: readonly string[];
  /** The user and group that the child runs as. Left out: the gateway's own. */
  readonly uid?: number;
  /** It is a user of its own, who owns nothing and may signal none of the gateway's processes. */
  readonly ownUser: boolean;
  /** It sees no process but itself. */
  readonly ownProcesses: boolean;
  /** No program gives it more rights than it has. */
  readonly noNewPrivileges: boolean;
}

export const unconfined: Confinement = { wrapper: [], ownUser: false, ownProcesses: false, noNewPrivileges: false };

export interface ChildCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
}

/** Another program for children, in the project's own tests, as file URLs. */
export interface ChildProgram {
  /** The entry. Left out: the executor's own. */
  readonly childUrl?: string;
  /** The module that the child takes loadConnector from. Left out: the list of all types. */
  readonly listUrl?: string;
}

/**
 * How a child is started: what it may read, an environment of constants, and 64 threads, so that slow names do not
 * queue.
 */
export function childCommand(
  { childUrl, listUrl }: ChildProgram = {},
  { wrapper, uid }: Confinement = unconfined,
): ChildCommand {
  const entry = childUrl ? fileURLToPath(childUrl) : ownEntry();
  const readable = [...programPaths(entry), ...(listUrl ? [dirname(fileURLToPath(listUrl))] : [])];
  // from Node 25 on the permission model covers the network too
  const network = process.allowedNodeEnvironmentFlags.has('--allow-net') ? ['--allow-net'] : [];
  const flags = ['--permission', ...network, ...CLOSED, HEAP, ...readable.map((path) => `--allow-fs-read=${path}`)];
  const program = [process.execPath, ...flags, entry, ...(listUrl ? [listUrl] : [])];
  const [file = process.execPath, ...args] = [...wrapper, ...program];
  return {
    file,
    args,
    options: {
      ...(uid === undefined ? {} : { uid, gid: uid }),
      // what is written without a path goes where nobody but root writes
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { HOME: '/nonexistent', LANG: 'C.UTF-8', TZ: 'UTC', UV_THREADPOOL_SIZE: '64' },
    },
  };
}

/** The child's entry, as source or compiled, whichever this file is. */
function ownEntry(): string {
  return fileURLToPath(new URL(`./child${extname(import.meta.url)}`, import.meta.url));
}

/**
 * The paths that running the program needs: its code (`src` or `dist`), its package.json, and every node_modules that a
 * dependency can be in. Not the whole of its folder: the database and the key file lie there on a developer's machine.
 */
export function programPaths(file: string): string[] {
  const root = packageRoot(dirname(file));
  const [code = ''] = relative(root, file).split(sep);
  const modules = [join(root, 'node_modules'), ...ancestors(root).filter((path) => basename(path) === 'node_modules')];
  const existing = [join(root, code), join(root, 'package.json'), ...modules].filter((path) => existsSync(path));
  // node_modules can be a link; both names are needed then
  return [...new Set(existing.flatMap((path) => [path, realpathSync(path)]))];
}

function packageRoot(folder: string): string {
  const root = [folder, ...ancestors(folder)].find((path) => existsSync(join(path, 'package.json')));
  if (!root) throw new Error('The program’s package.json is missing.');
  return root;
}

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...ancestors(parent)];
}
