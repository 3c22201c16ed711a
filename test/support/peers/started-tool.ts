import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endProcess, freePorts, hasEnded, owned, startPeer } from './own-process.ts';

const TRIES = 200;
const PAUSE_MS = 25;

export interface StartedTool {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts a program with files of its own, and waits until its port takes connections. */
export function startTool(
  program: string,
  files: Readonly<Record<string, string>>,
  argumentsFor: (port: number, file: (name: string) => string) => readonly string[],
): Promise<StartedTool> {
  return startPeer(async () => {
    const home = await mkdtemp(join(tmpdir(), 'gateway-tool-'));
    const leave = () => rmSync(home, { recursive: true, force: true });
    process.once('exit', leave);
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(home, name)), { recursive: true });
      await writeFile(join(home, name), text, { mode: 0o600 });
    }
    const [port = 0] = await freePorts(1);
    const child = owned(
      spawn(program, [...argumentsFor(port, (name) => join(home, name))], { stdio: ['pipe', 'ignore', 'pipe'] }),
    );
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (log.length < 20_000) log += text;
    });
    const stop = async () => {
      process.off('exit', leave);
      await endProcess(child);
      await rm(home, { recursive: true, force: true });
    };
    for (let tries = 0; !(await isOpen(port)); tries += 1) {
      if (tries === TRIES || hasEnded(child)) {
        await stop();
        throw new Error(`${program} did not start:\n${log}`);
      }
      await sleep(PAUSE_MS);
    }
    return { port, stop };
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
