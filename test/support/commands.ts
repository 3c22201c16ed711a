import { type ChildProcess, spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';

/** Where a page's commands are run. */
export interface Place {
  readonly cwd: string;
  /** What they see besides PATH. HOME is one of them: npx keeps things there. */
  readonly env: Readonly<Record<string, string>> & { readonly HOME: string };
}

/**
 * Runs commands as the reader of a page does, until one has printed this, or all have ended. Gives what they have
 * printed; a command that fails ends them.
 */
export async function runUntil(commands: string, { cwd, env }: Place, until: RegExp): Promise<string> {
  const child: ChildProcess = spawn('bash', ['-ec', commands], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  // npx and the launcher are processes of their own: the whole group is ended
  const end = () => {
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
  };
  onTestFinished(end);
  let output = '';
  await new Promise<void>((resolve) => {
    const look = (data: Buffer) => {
      output += String(data);
      if (until.test(output)) resolve();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('close', () => resolve());
  });
  return output;
}

/** The shell blocks of a page, in order, as they stand there. */
export function shellBlocks(page: string): readonly string[] {
  return [...page.matchAll(/^( *)```sh\n([\s\S]*?)^ *```/gm)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}
