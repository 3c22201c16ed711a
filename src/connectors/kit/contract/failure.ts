import { type FailureCause, type FailureCode, failureCodes } from '../../../errors/check-failures.ts';

/** What a failed check tells the user. It never holds a peer's own text, nor any value of the config. */
export interface FailureReport {
  readonly code: FailureCode;
  readonly cause: FailureCause;
  readonly message: string;
  readonly hint: string | null;
  /** The config field to mend, dotted from the config's root. */
  readonly configPath: string | null;
}

/** Thrown by a check, or made from a driver's error: says which of the known failures it is. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly report: FailureReport;
  /** What was found out all the same: parsed values only, as a passed check's. */
  readonly evidence: FailureEvidence;

  constructor(code: FailureCode, details: FailureDetails = {}) {
    const text = failureCodes[code] as { cause: FailureCause; message: string; hint?: string };
    super(text.message, { cause: details.error });
    this.report = {
      code,
      cause: text.cause,
      message: text.message,
      hint: details.hint ?? text.hint ?? null,
      configPath: details.configPath ?? null,
    };
    this.evidence = details.evidence ?? {};
  }
}

export type FailureEvidence = Readonly<Record<string, string | number | boolean | undefined>>;

export interface FailureDetails {
  /** Fixed words that fit better than those of the table. */
  readonly hint?: string;
  readonly configPath?: string;
  /** The driver's own error, for the log alone. */
  readonly error?: unknown;
  /** What was found out all the same, a refused certificate's names say. */
  readonly evidence?: FailureEvidence;
}
