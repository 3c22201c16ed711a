import { createHash } from 'node:crypto';

let taken = 0;

/** Bytes that look random and are the same in every run: no two takings in a file of tests give the same. */
export function madeUpBytes(length: number): Buffer {
  return createHash('shake256', { outputLength: length }).update(String(taken++)).digest();
}
