/** How a process comes by the tests that it takes. */
export type ProcessKind = 'GATEWAY' | 'WORKER' | 'REMOTE_WORKER';

/** How often a process tells that it lives. */
export const BEAT_MS = 5_000;
/** Who has told nothing for so long is taken for dead: it may miss two beats. */
export const SILENT_MS = 15_000;
/** How long a process that has died is shown. */
export const KEPT_MS = 3_600_000;

/** What a process says of itself. */
export interface ProcessFacts {
  /** Also the owner of the tests that it runs. */
  readonly id: string;
  readonly kind: ProcessKind;
  readonly host: string;
  readonly version: string;
  /** The network whose tests it takes; null: those of none. */
  readonly network: string | null;
  /** How many tests it runs at once; 0 for one that leaves them to others. */
  readonly capacity: number;
}

/** A process, as it was seen last. */
export interface Process extends ProcessFacts {
  readonly running: number;
  readonly startedAt: string;
  readonly lastSeenAt: string;
  /** The name of the token by which it asks a gateway; null for who reaches the database. */
  readonly tokenName: string | null;
}

/** A worker that asks a gateway. */
export interface RemoteProcess {
  readonly id: string;
  readonly network: string | null;
  /** To which the secrets of its tests are sealed. */
  readonly publicKey: string;
}

/** By its kind, how many processes live. */
export type ProcessCounts = Readonly<Record<ProcessKind, number>>;
