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
  { aheadMs = 0, takesTests = true }: { readonly aheadMs?: number; readonly takesTests?: boolean } = {},
): Promise<OwnGateway> {
  const given = [databaseUrl, folder, childProgram().childUrl, String(aheadMs), '', String(takesTests)];
  const { child, output, line } = await startScript('gateway-process.ts', given, onTestFinished);
  const { url, token } = JSON.parse(line) as { url: string; token: string };
  const heldMemory = async () => {
    child.kill('SIGUSR2');
    const { heap, buffers } = JSON.parse((await output.next()).value ?? '') as { heap: number; buffers: number };
    return (heap + buffers) / 1_024 / 1_024;
  };
  return { child, client: clientOf(url, token), token, heldMemory };
}

interface OwnGateway {
  readonly child: ChildProcess;
  readonly client: GatewayClient;
  readonly token: string;
  /** How much lives in its heap and its buffers once the garbage is out, in MiB. */
  readonly heldMemory: () => Promise<number>;
}

/** Starts a worker in a process of its own, and waits until it takes tests. */
export async function startWorker(
  databaseUrl: string,
  folder: string,
  onTestFinished: Finally,
  network?: string,
): Promise<ChildProcess> {
  const given = [databaseUrl, folder, childProgram().childUrl, ...(network === undefined ? [] : [network])];
  return (await startScript('worker-process.ts', given, onTestFinished)).child;
}

/** Starts a worker that asks a gateway, in a process of its own, and waits until it takes tests. */
export async function startRemoteWorker(
  url: string,
  token: string,
  onTestFinished: Finally,
  network?: string,
): Promise<ChildProcess> {
  const given = [url, token, childProgram().childUrl, ...(network === undefined ? [] : [network])];
  return (await startScript('remote-worker-process.ts', given, onTestFinished)).child;
}

async function startScript(script: string, given: readonly string[], onTestFinished: Finally) {
  const child = spawn(process.execPath, ['--expose-gc', join(import.meta.dirname, script), ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${script} has ended with ${code} before it was ready`);
  });
  const output = createInterface(child.stdout)[Symbol.asyncIterator]();
  // a process that ends without a line has closed its output first
  const { value: line } = await Promise.race([output.next(), ended]);
  return { child, output, line: line ?? (await ended) };
}
