import { randomBytes } from 'node:crypto';
import type { OtlpExporter } from './otlp-exporter.ts';
import type { Attributes, SpanKind } from './span.ts';
import type { TraceContext } from './trace-context.ts';

export interface SpanStart {
  readonly name: string;
  /** Left out: INTERNAL. */
  readonly kind?: SpanKind;
  /** Left out: it begins a trace of its own. */
  readonly parent?: TraceContext | undefined;
  /** In milliseconds since 1970. Left out: now. */
  readonly at?: number;
  readonly attributes?: Attributes;
}

export interface SpanEnd {
  readonly attributes?: Attributes;
  /** The code of what went wrong. Left out: nothing did. */
  readonly error?: string | undefined;
  /** In milliseconds since 1970. Left out: now. */
  readonly at?: number;
}

/** What runs between two moments, as a part of a trace. */
export interface Span {
  readonly context: TraceContext;
  /** In milliseconds since 1970, with fractions. */
  readonly start: number;
  /** What comes after the first call changes nothing. */
  end(end?: SpanEnd): void;
}

export interface TracerOptions {
  readonly exporter: Pick<OtlpExporter, 'add' | 'close'>;
  /** How many of the traces that begin here are recorded, from 0 to 1; of what others have begun, they say it. */
  readonly ratio: number;
  /** In milliseconds since 1970. */
  readonly clock: { now(): number };
}

/** By how much the clock may differ from what is counted on from its last reading, in milliseconds. */
const MAX_DIFFERENCE_MS = 2;
const RATIO_DIGITS = 13;

/** Begins spans, and hands those that have ended to the exporter. */
export class Tracer {
  readonly #options: TracerOptions;
  /** What performance.now() is added to. */
  #origin = 0;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  begin({ name, kind = 'INTERNAL', parent, at, attributes = {} }: SpanStart): Span {
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
    const isSampled = parent?.isSampled ?? this.#isChosen(traceId);
    const context = { traceId, spanId: randomBytes(8).toString('hex'), isSampled };
    const start = at ?? this.now();
    let hasEnded = false;
    return {
      context,
      start,
      end: (given = {}) => {
        if (hasEnded || !isSampled) return;
        hasEnded = true;
        // moments of two clocks may be in the wrong order
        const end = Math.max(start, given.at ?? this.now());
        const all = { ...attributes, ...given.attributes };
        const { error } = given;
        this.#options.exporter.add({
          ...{ context, parentSpanId: parent?.spanId, name, kind, start, end, attributes: all, error },
        });
      },
    };
  }

  /** The time by the clock, in milliseconds since 1970, with fractions: what is short has a duration, too. */
  now(): number {
    const count = performance.now();
    const time = this.#options.clock.now();
    if (Math.abs(this.#origin + count - time) > MAX_DIFFERENCE_MS) this.#origin = time - count;
    return this.#origin + count;
  }

  /** Exports what has ended. */
  close(): Promise<void> {
    return this.#options.exporter.close();
  }

  /** Each process that is asked about a trace chooses the same: by the last digits of its id, which are random. */
  #isChosen(traceId: string): boolean {
    return Number.parseInt(traceId.slice(-RATIO_DIGITS), 16) < this.#options.ratio * 16 ** RATIO_DIGITS;
  }
}
