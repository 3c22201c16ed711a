import type { SqliteFile } from './file.ts';

/** With what a thread is started. */
export interface ThreadData {
  readonly path: string;
  /** Which file was there when the writer opened it: no other one is written. */
  readonly id: string;
  /** How long it waits for another process's lock, in milliseconds. */
  readonly busyMs: number;
}

/** What the thread says once its file is open. */
export const READY = 'ready';
/** Has the thread close its file and end. */
export const END = 'end';

/** A statement of a group: which of its texts, the values, and whether it has to find a row. */
export type Step = readonly [text: number, parameters: readonly unknown[], mustFind: boolean];

/** What a thread is told to store by one COMMIT. */
export interface ThreadGroup {
  readonly texts: readonly string[];
  readonly steps: readonly Step[];
}

/** A group that is stored. */
export interface ThreadStored {
  readonly isStored: true;
  /** How many rows each step has written. */
  readonly counts: readonly number[];
  readonly commitMs: number;
}

/** A group of which nothing is stored. */
export interface ThreadRefused {
  readonly isStored: false;
  /** Which step was refused: -1 is the beginning, one behind the last one the COMMIT. */
  readonly step: number;
  /** SQLite's own; '' where a row was not found, and for what is no error of SQLite's. */
  readonly code: string;
  readonly message: string;
}

/** What has come of a group. */
export type ThreadAnswer = ThreadStored | ThreadRefused;

/** Stores a group, or nothing of it. */
export function storeGroup(file: SqliteFile, { texts, steps }: ThreadGroup): ThreadAnswer {
  const counts: number[] = [];
  let step = -1;
  try {
    file.execute('begin immediate');
    for (const [text, parameters, mustFind] of steps) {
      step += 1;
      const { numAffectedRows = 0n } = file.run({ sql: texts[text] ?? '', parameters });
      if (mustFind && numAffectedRows === 0n) throw new Error('There is no such row');
      counts.push(Number(numAffectedRows));
    }
    step += 1;
    const began = performance.now();
    file.execute('commit');
    return { isStored: true, counts, commitMs: performance.now() - began };
  } catch (error) {
    if (file.inTransaction) file.execute('rollback');
    const { code = '', message } = error as Error & { readonly code?: string };
    return { isStored: false, step, code, message };
  }
}
