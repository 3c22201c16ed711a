import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 20;

/** How much resident memory a process of this machine has, in MiB, by /proc of Linux. It fails when it has ended. */
export async function residentMemory(pid: number | undefined): Promise<number> {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`The process ${pid} has ended.`);
  return Number(kibibytes) / 1_024;
}

/** Does something, and says how much resident memory a process had at most on top of what it had before, in MiB. */
export async function memoryOnTop<T>(pid: number | undefined, work: () => Promise<T>): Promise<[T, number]> {
  const before = await residentMemory(pid);
  let most = before;
  let isOver = false;
  const watch = async () => {
    while (!isOver) {
      await sleep(SAMPLE_MS);
      most = Math.max(most, await residentMemory(pid));
    }
  };
  const working = work().finally(() => {
    isOver = true;
  });
  // the last look is waited for: whoever asked may end the process
  const [result] = await Promise.all([working, watch()]);
  return [result, Math.round(most - before)];
}
