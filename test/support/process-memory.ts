import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 20;
/** Each of these looks collects the garbage first. */
const HELD_SAMPLE_MS = 100;

/** How much resident memory a process of this machine has, in MiB, by /proc of Linux. It fails when it has ended. */
export async function residentMemory(pid: number | undefined): Promise<number> {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`The process ${pid} has ended.`);
  return Number(kibibytes) / 1_024;
}

/** Does something, and says how much resident memory a process had at most on top of what it had before, in MiB. */
export function memoryOnTop<T>(pid: number | undefined, work: () => Promise<T>): Promise<[T, number]> {
  return mostOnTop(() => residentMemory(pid), SAMPLE_MS, work);
}

/**
 * Does something, and says how much memory a process held at most on top of what it held before, in MiB, as
 * `heldMemory` tells: what is resident depends on when V8 collects its garbage, by 150 MiB.
 */
export function heldOnTop<T>(heldMemory: () => Promise<number>, work: () => Promise<T>): Promise<[T, number]> {
  return mostOnTop(heldMemory, HELD_SAMPLE_MS, work);
}

async function mostOnTop<T>(
  look: () => Promise<number>,
  everyMs: number,
  work: () => Promise<T>,
): Promise<[T, number]> {
  const before = await look();
  let most = before;
  let isOver = false;
  const watch = async () => {
    while (!isOver) {
      await sleep(everyMs);
      most = Math.max(most, await look());
    }
  };
  const working = work().finally(() => {
    isOver = true;
  });
  // the last look is waited for: whoever asked may end the process
  const [result] = await Promise.all([working, watch()]);
  return [result, Math.round(most - before)];
}
