import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PeerPrograms } from './installed.ts';
import { endProcess, owned, startPeer } from './own-process.ts';

/** Where `.ci/peers/go/build` and its like put what they build. */
const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'datastore-gateway-peers');

export interface BuiltProgram {
  /** What it has printed first, as soon as it listens. */
  readonly line: string;
  stop(): Promise<void>;
}

/** Starts programs by their names; `files` are the texts of the files that their options name. */
export type StartProgram = (
  name: string,
  files: Readonly<Record<string, string>>,
  settings?: readonly string[],
) => Promise<BuiltProgram>;

/** The programs of `.ci/peers/LANGUAGE`. */
export function programsOf(language: 'go' | 'rust') {
  /** The program of that name, which `.ci/peers/LANGUAGE/build NAME` builds. */
  const program = (name: string) => join(folder, language, name);
  /** What a suite needs that starts these. */
  const programs = (...names: readonly string[]): PeerPrograms => ({
    programs: names.map(program),
    script: `.ci/peers/${language}/build ${names.join(' ')}`,
  });
  const start: StartProgram = (name, files, settings = []) => startProgram(program(name), files, settings);
  return { program, programs, start };
}

function startProgram(
  program: string,
  files: Readonly<Record<string, string>>,
  settings: readonly string[],
): Promise<BuiltProgram> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), `gateway-${basename(program)}-`));
    for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text, { mode: 0o600 });
    const named = Object.keys(files).map((name) => `-${name}=${join(home, name)}`);
    const child = owned(
      spawn(program, [...named, ...settings], { env: { HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] }),
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
