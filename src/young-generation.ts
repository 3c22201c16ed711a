import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation as small as it is. What a start makes, and mostly throws away again, would have it grow
 * to 32 MB, of which V8 gives nothing back to the system while there is nothing to do. The first big collection is done
 * at once: beside a start that goes on it ended some 10 MB later, and V8 keeps these.
 */
export function keepSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-incremental-marking');
}

/** Lets it grow, as V8 does by itself: by as much work as there is. */
export function letGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--incremental-marking');
}
