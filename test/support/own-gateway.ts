import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { OnTestFinishedHandler } from 'vitest';
import { childProgram } from './child-program.ts';
import { clientOf, type GatewayClient } from './gateway.ts';

/** Registers what a test undoes at its end: tests that run at the same time cannot share one. */
export type Finally = (undo: OnTestFinishedHandler) => void;

/** Starts a gateway in a process of its own, whose clock may be wrong by so many milliseconds. */
export async function startProcess(
  databaseUrl: string,
  folder: string,
  onTestFinished: Finally,
  aheadMs = 0,
): Promise<{ child: ChildProcess; client: GatewayClient }> {
  const script = join(import.meta.dirname, 'gateway-process.ts');
  const child = spawn(process.execPath, [script, databaseUrl, folder, childProgram().childUrl, String(aheadMs)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url, token } = JSON.parse(line) as { url: string; token: string };
  return { child, client: clientOf(url, token) };
}
