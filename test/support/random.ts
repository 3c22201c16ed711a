import { createHash } from 'node:crypto';

let taken = 0;

/** Bytes that look random and are the same in every run: no two takings in a file of tests give the same. */
export function madeUpBytes(length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(String(taken++)).digest();
}

/**
 * Numbers from 0 up to 1 that look random and are the same for the same seed (mulberry32), for runs that can be
 * repeated.
 */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: FAULTS_SEED, or another one each time. It is printed, so that a run can be repeated. */
export function printedSeed(what: string): number {
  const seed = Number(process.env.FAULTS_SEED ?? Date.now() % 2 ** 31);
  process.stdout.write(`${what}: FAULTS_SEED=${seed}\n`);
  return seed;
}
