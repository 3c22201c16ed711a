/** The pause after a write is so many times as long as that took, and so many milliseconds at most. */
const PAUSE_PER_WRITE = 2;
const LONGEST_GATHERING_MS = 30;

/** How long others are waited for after a write, in milliseconds, so that what comes meanwhile is written together. */
export function gatheringMs(tookMs: number): number {
  return Math.min(PAUSE_PER_WRITE * tookMs, LONGEST_GATHERING_MS);
}
