import { setFlagsFromString } from 'node:v8';

/*
 * V8 gives nothing back to the system while there is nothing to do. What a start makes, and mostly throws away again,
 * would have the young generation grow to 32 MB; and the first big collection, which V8 would do beside a start that
 * goes on, ended some 10 MB later than one that is done at once. How much there may be before the next one goes by what
 * that one has left: four times as much as after a start would be there under the first load.
 */

/** Keeps the young generation as small as it is, does big collections at once, and the next one later. */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-incremental-marking');
  setFlagsFromString('--heap-growing-percent=500');
}

/** Lets V8 do as it does by itself: the young generation grows by as much work as there is. */
export function letHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--incremental-marking');
  setFlagsFromString('--heap-growing-percent=0');
}
