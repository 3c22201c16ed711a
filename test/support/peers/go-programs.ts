import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned, startPeer } from './own-process.ts';

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

export interface GoProgram {
  /** What it has printed first, as soon as it listens. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Starts a program of `.ci/peers/go`; `files` are the texts of the files that its options name. */
export function startGoProgram(
  program: string,
  files: Readonly<Record<string, string>>,
  settings: readonly string[] = [],
): Promise<GoProgram> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), `gateway-${program}-`));
    for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text, { mode: 0o600 });
    const named = Object.keys(files).map((name) => `-${name}=${join(home, name)}`);
    const child = owned(
      spawn(goProgram(program), [...named, ...settings], { env: { HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] }),
    );
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
    });
    let first = '';
    for await (const line of createInterface(child.stdout)) {
      first = line;
      break;
    }
    // it has read them all
    await rm(home, { recursive: true, force: true });
    if (first === '') throw new Error(`${program} did not start:\n${log}`);
    return { line: first, stop: () => endProcess(child) };
  });
}
