import { type FailureCause, type FailureCode, failureCodes } from '../../../errors/check-failures.ts';

/** What a failed check tells the user. It never holds a peer's own text, nor any value of the config. */
export interface FailureReport {
  readonly code: FailureCode;
  readonly cause: FailureCause;
  readonly message: string;
  readonly hint: string | null;
  /**
   * The config field to mend, dotted from the config's root; one of the mapping beside the config begins with
   * `tenancy.`.
   */
  readonly configPath: string | null;
}

/** One of the known failures. A check throws it, or it is made from a driver's error. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly report: FailureReport;
  /** What the check found out before it failed. It holds parsed values only, as the evidence of a passed check does. */
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

  /** The same failure, whose check found out this besides. */
  with(evidence: FailureEvidence): Failure {
    const { code, hint, configPath } = this.report;
    const error = this.cause;
    const details = { ...(hint === null ? {} : { hint }), ...(configPath === null ? {} : { configPath }) };
    return new Failure(code, { ...details, error, evidence: { ...this.evidence, ...evidence } });
  }
}

export type FailureEvidence = Readonly<Record<string, string | number | boolean | undefined>>;

export interface FailureDetails {
  /** A fixed hint that fits better than the table's. */
  readonly hint?: string;
  readonly configPath?: string;
  /** The driver's own error. Only the log shows it. */
  readonly error?: unknown;
  /** What the check found out before it failed: the names in a refused certificate, say. */
  readonly evidence?: FailureEvidence;
}
