import { setTimeout as sleep } from 'node:timers/promises';

/** After so many milliseconds something that has not come about never will, however slow the machine is. */
export const PATIENCE_MS = 60_000;

/** Waits until something holds. @throws Error when it has not for a minute */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await holds()); await sleep(10)) {
    if (performance.now() > end) throw new Error(`It did not come about within ${PATIENCE_MS} ms: ${holds}`);
  }
}
