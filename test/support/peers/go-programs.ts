import { homedir } from 'node:os';
import { join } from 'node:path';
import type { PeerPrograms } from './installed.ts';

/** Where `.ci/peers/go/build` puts them. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers', 'go');

/** The program of that name, which `.ci/peers/go/build NAME` builds. */
export function goProgram(name: string): string {
  return join(folder, name);
}

/** What a suite needs that starts programs written in Go. */
export function goPrograms(...names: readonly string[]): PeerPrograms {
  return { programs: names.map(goProgram), script: `.ci/peers/go/build ${names.join(' ')}` };
}
