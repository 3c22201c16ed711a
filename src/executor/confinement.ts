import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Confinement, programPaths, unconfined } from './child-command.ts';

/** A user and group of Linux' and macOS' upper end that neither gives to anybody; `nobody` owns files of others. */
const CHILD_ID = 65_525;
const PROBE_MS = 5_000;
const TOOL_FOLDERS = ['/usr/bin', '/bin', '/usr/sbin', '/sbin'];
/** Bits of Linux' capabilities: to signal children of another user, and to make them that user's. */
const NEEDED_CAPABILITIES = (1n << 5n) | (1n << 6n) | (1n << 7n);

const run = promisify(execFile);
let found: Promise<Confinement> | undefined;

/**
 * The strictest confinement that this system lets a gateway put its children into. Each candidate is tried out by a
 * program that ends at once, so that it takes some hundredths of a second; the first one nearly always works.
 */
export function findConfinement(): Promise<Confinement> {
  found ??= firstThatWorks(confinements());
  return found;
}

/** From the strictest to none. */
function confinements(): readonly Confinement[] {
  const isRoot = process.getuid?.() === 0;
  const canChangeUser = isRoot && mayChangeUser() && programIsReadable();
  const otherUser = canChangeUser ? [{ ...unconfined, uid: CHILD_ID, ownUser: true }] : [];
  const [setpriv, unshare] = [pathOf('setpriv'), pathOf('unshare')];
  if (process.platform !== 'linux' || !setpriv) return [...otherUser, unconfined];
  const held: Confinement = { ...unconfined, wrapper: [setpriv, '--no-new-privs'], noNewPrivileges: true };
  const alone = [...held.wrapper, unshare ?? '', '--user', '--pid', '--fork', '--kill-child'];
  return [
    ...(canChangeUser ? [{ ...held, uid: CHILD_ID, ownUser: true }] : []),
    ...otherUser,
    // root owns what it would be outside of the namespace too
    ...(!isRoot && unshare ? [{ ...held, wrapper: alone, ownProcesses: true }] : []),
    held,
    unconfined,
  ];
}

/** The first of the candidates under which Node starts; none when it starts under none of them. */
export async function firstThatWorks(candidates: readonly Confinement[]): Promise<Confinement> {
  for (const candidate of candidates) if (await works(candidate)) return candidate;
  return unconfined;
}

async function works({ wrapper, uid }: Confinement): Promise<boolean> {
  const [file = process.execPath, ...args] = [...wrapper, process.execPath, '--version'];
  const user = uid === undefined ? {} : { uid, gid: uid };
  try {
    const { stdout } = await run(file, args, { ...user, cwd: '/', env: {}, timeout: PROBE_MS, killSignal: 'SIGKILL' });
    return stdout.startsWith(process.version);
  } catch {
    // whatever it was, the next candidate asks for less
    return false;
  }
}

/** A container may have taken the right from root; one that could not end its children would never be rid of them. */
function mayChangeUser(): boolean {
  if (process.platform !== 'linux') return true;
  const [, effective = '0'] = /^CapEff:\s*([\da-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return (BigInt(`0x${effective}`) & NEEDED_CAPABILITIES) === NEEDED_CAPABILITIES;
}

/** Whether a user who owns nothing can read the program; not if it lies in root's home, say. */
function programIsReadable(): boolean {
  const paths = programPaths(fileURLToPath(import.meta.url));
  // packages may have been installed one by one, by people of different habits
  const packages = paths.filter((path) => basename(path) === 'node_modules').flatMap(entriesOf);
  return [process.execPath, ...paths, ...packages].every(isReadableByAll);
}

function entriesOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path));
}

/** Judges by the permission bits, which is on the safe side of what the system does. */
export function isReadableByAll(path: string): boolean {
  const stat = statSync(path);
  const needed = stat.isDirectory() ? 0o005 : 0o004;
  return (stat.mode & needed) === needed && isPassable(dirname(path));
}

function isPassable(folder: string): boolean {
  if ((statSync(folder).mode & 0o001) === 0) return false;
  return dirname(folder) === folder || isPassable(dirname(folder));
}

function pathOf(tool: string): string | undefined {
  return TOOL_FOLDERS.map((folder) => `${folder}/${tool}`).find((path) => existsSync(path));
}
