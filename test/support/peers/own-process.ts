import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The processes that run, and how each of them is ended. */
const running = new Map<ChildProcess, NodeJS.Signals>();
/** The starts of peers that are not over. */
const starting = new Set<Promise<unknown>>();

process.once('exit', () => {
  for (const [child, signal] of running) child.kill(signal);
});

/**
 * Takes care that a process does not outlive its suite, whatever becomes of that: describePeer ends what is still
 * there. `signal` ends it together with the processes that it starts itself.
 */
export function owned<Child extends ChildProcess>(child: Child, signal: NodeJS.Signals = 'SIGKILL'): Child {
  running.set(child, signal);
  child.once('exit', () => running.delete(child)).once('error', () => running.delete(child));
  return child;
}

/** Notes a start of several steps, which goes on when nobody waits for it any more. */
export async function startPeer<Peer>(start: () => Promise<Peer>): Promise<Peer> {
  const begun = start();
  starting.add(begun);
  try {
    return await begun;
  } finally {
    starting.delete(begun);
  }
}

/** Ends every process that runs, and those that a start begins which is not over. */
export async function endProcesses(): Promise<void> {
  while (running.size > 0 || starting.size > 0) {
    await Promise.all([...running.keys()].map(endProcess));
    // a start learns by the end of one of its processes that it has failed, and may have begun another by then
    await Promise.race([Promise.allSettled(starting), delay(50)]);
  }
}

/** Free loopback ports, each another: all are held until all are known. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Whether a process has ended, be it by itself or by a signal. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** How long a process may take to end by its own signal, in milliseconds, before it is killed. */
const GRACE_MS = 5_000;

/** Ends a process that a test has started, and waits until it is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill(running.get(child) ?? 'SIGKILL');
  const killing = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  await exited;
  clearTimeout(killing);
}
