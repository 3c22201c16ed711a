import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';

const JVMS = '/usr/lib/jvm';
/** Where `.ci/peers/java` puts them. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers');

/** The versions of Java that run something, both ends included. */
export interface JavaVersions {
  readonly from: number;
  /** Left out: every newer one. */
  readonly to?: number;
}

/** The newest Java of this machine that is one of these versions, or the name of what is missing. */
export function javaOf({ from, to = Number.POSITIVE_INFINITY }: JavaVersions): string {
  const installed = existsSync(JVMS) ? readdirSync(JVMS).map((name) => join(JVMS, name)) : [];
  const homes = [...(process.env.JAVA_HOME ? [process.env.JAVA_HOME] : []), ...installed];
  const [newest] = homes
    .map((home) => ({ home, version: versionOf(home) }))
    .filter(({ version }) => version >= from && version <= to)
    .sort((a, b) => b.version - a.version);
  return newest ? join(newest.home, 'bin/java') : `java ${from}`;
}

function versionOf(home: string): number {
  const release = join(home, 'release');
  return existsSync(release) ? Number(/^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, 'utf8'))?.[1] ?? 0) : 0;
}

/** The folder that has the folders of `.ci/peers/NAME.jars`. */
export function jarsOf(name: string): string {
  return join(folder, name);
}

/** What is listed in `.ci/peers/NAME.jars`, and the Java that runs it. */
export function jarsAndJava(name: string, versions: JavaVersions): PeerPrograms {
  return { programs: [javaOf(versions), join(jarsOf(name), 'installed.txt')], script: `.ci/peers/java ${name}` };
}

/** Has a folder show the jars of another one. */
export async function linkJars(from: string, to: string): Promise<void> {
  const jars = (await readdir(from)).filter((name) => name.endsWith('.jar'));
  await Promise.all(jars.map((jar) => symlink(join(from, jar), join(to, jar))));
}
