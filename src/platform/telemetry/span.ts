import type { TraceContext } from './trace-context.ts';

/**
 * What a span tells besides its name and its duration: types, causes, codes and numbers that the code knows. No host,
 * no id and no text of a user is among them.
 */
export type Attributes = Readonly<Record<string, string | number>>;

export type SpanKind = 'INTERNAL' | 'SERVER' | 'CONSUMER';

/** A span that has ended, as it is exported. */
export interface EndedSpan {
  readonly context: TraceContext;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly kind: SpanKind;
  /** In milliseconds since 1970, with fractions. */
  readonly start: number;
  readonly end: number;
  readonly attributes: Attributes;
  readonly error: string | undefined;
}
