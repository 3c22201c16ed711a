import { readFileSync } from 'node:fs';

/** In milliseconds: Linux shows every program its times in hundredths of a second. */
const TICK_MS = 10;
/** Where /proc/PID/stat has what the process took in its own code and in the system's, behind its name. */
const USER_TIME = 11;
const SYSTEM_TIME = 12;

/**
 * How much of the machine's time a process has got so far, together with those that it has started, in milliseconds.
 * Undefined where the system does not tell, or the process is gone.
 */
export function cpuTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the name may hold blanks and brackets, and what comes after it does not
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const own = (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) * TICK_MS;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + (cpuTimeOf(Number(child)) ?? 0), own);
  } catch {
    return undefined;
  }
}
