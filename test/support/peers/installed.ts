import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { endProcesses } from './own-process.ts';

/** How long the end of all processes may take, in milliseconds. */
const END_MS = 60_000;

export interface PeerPrograms {
  /** What the suite starts: found in PATH and in /usr/sbin, unless it is a path. */
  readonly programs: readonly string[];
  /** Modules that perl has to find. */
  readonly perlModules?: readonly string[];
  /** The Debian packages that they come in. */
  readonly packages?: readonly string[];
  /** What installs them, where that is no package. */
  readonly script?: string;
}

/**
 * A suite against real servers of this machine. Where they are not installed it is skipped, and its name says what is
 * missing; with PEERS_REQUIRED=1 in the environment that is a failure.
 */
export function describePeer(title: string, peer: PeerPrograms, suite: () => void): void {
  const { programs, perlModules = [], packages = [], script } = peer;
  const missing = [
    ...programs.filter((program) => !isInstalled(program)),
    ...perlModules.filter((module) => spawnSync('perl', [`-M${module}`, '-e', '1']).status !== 0),
  ];
  if (missing.length === 0) {
    return void describe(title, () => {
      // hooks run from the last to the first: what the suite has ended itself is gone by then
      afterAll(endProcesses, END_MS);
      suite();
    });
  }
  const report = `${title}: no ${missing.join(', ')} here (${script ?? `apt-get install ${packages.join(' ')}`})`;
  process.stderr.write(`${report}\n`);
  if (process.env.PEERS_REQUIRED === '1') test(report, () => expect(missing).toEqual([]));
  else test.skip(report, () => undefined);
}

function isInstalled(program: string): boolean {
  if (isAbsolute(program)) return existsSync(program);
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/sbin'];
  return directories.some((directory) => existsSync(join(directory, program)));
}
