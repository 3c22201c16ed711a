import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';

const JVMS = '/usr/lib/jvm';
/** Where `.ci/peers/java` puts them. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers');

/** A Java of this machine that runs what needs that version, the newest of them, or the name of what is missing. */
export function javaOf(version: number): string {
  const installed = existsSync(JVMS) ? readdirSync(JVMS).map((name) => join(JVMS, name)) : [];
  const homes = [...(process.env.JAVA_HOME ? [process.env.JAVA_HOME] : []), ...installed];
  const [newest] = homes.map((home) => ({ home, has: versionOf(home) })).sort((a, b) => b.has - a.has);
  return newest && newest.has >= version ? join(newest.home, 'bin/java') : `java ${version}`;
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
export function jarsAndJava(name: string, version: number): PeerPrograms {
  return { programs: [javaOf(version), join(jarsOf(name), 'installed.txt')], script: `.ci/peers/java ${name}` };
}
