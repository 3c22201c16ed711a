import { setTimeout as sleep } from 'node:timers/promises';
import { residentMemory } from '../test/support/process-memory.ts';
import { startGateway } from './gateway.ts';
import type { Seeded } from './seed.ts';

/** How long it has nothing to do before its memory is looked at, in milliseconds. */
const IDLE_MS = 2_000;

/** What starts took, one entry each. */
export interface Starts {
  /** From the start of the process to the first answer, in milliseconds. */
  readonly firstAnswerMs: readonly number[];
  /** What it had in RAM when it had done nothing for two seconds, in MiB. */
  readonly idleMib: readonly number[];
}

/** Starts a gateway several times, one after the other; the first time is for the caches of disk and compiler. */
export async function measureStarts(folder: string, seeded: Seeded, times: number): Promise<Starts> {
  const firstAnswerMs: number[] = [];
  const idleMib: number[] = [];
  for (let time = 0; time <= times; time += 1) {
    const gateway = await startGateway(folder, seeded);
    await sleep(IDLE_MS);
    const mib = await residentMemory(gateway.pid);
    await gateway.stop();
    if (time === 0) continue;
    firstAnswerMs.push(gateway.firstAnswerMs);
    idleMib.push(mib);
  }
  return { firstAnswerMs, idleMib };
}
