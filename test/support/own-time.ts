import { performance } from 'node:perf_hooks';

/**
 * How long this thread has worked, or waited with nothing to do, in milliseconds. The time in which a busy machine ran
 * something else instead does not count: what is measured like this does not depend on what else the machine does.
 */
export function ownTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000 + performance.eventLoopUtilization().idle;
}

/** Calls back after so many milliseconds of this thread's own time. Returns what takes that back. */
export function afterOwnTime(milliseconds: number, callback: () => void): () => void {
  const end = ownTime() + milliseconds;
  const look = () => {
    const left = end - ownTime();
    if (left <= 0) callback();
    else timer = setTimeout(look, left);
  };
  let timer = setTimeout(look, milliseconds);
  return () => clearTimeout(timer);
}
