import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Logger } from './logger.ts';
import type { Attributes, EndedSpan } from './span.ts';

export interface OtlpExporterOptions {
  /** Where spans are posted to, `…/v1/traces`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What is said of this process. */
  readonly resource: Attributes;
  readonly logger: Logger;
  /** For how long spans are gathered, in milliseconds. Left out: 5,000. */
  readonly gatherMs?: number;
}

/** As OpenTelemetry's SDKs have them: for how long spans are gathered, how many go at once, how many may wait. */
const GATHER_MS = 5_000;
const SENT_AT_ONCE = 512;
const MOST_WAITING = 2_048;
/** How long a receiver may take to answer. */
const ANSWER_MS = 10_000;
/** How long what is left may take when the process stops. */
const FAREWELL_MS = 3_000;
/** The pause after a receiver that is away doubles up to this. */
const MAX_PAUSE_MS = 60_000;
/** What may be sent again, by the specification of OTLP/HTTP. */
const AGAIN = [429, 502, 503, 504];
const KINDS = { INTERNAL: 1, SERVER: 2, CONSUMER: 5 } as const;
const STATUS_ERROR = 2;

/** What a receiver says that has refused some of what it has taken. */
const answered = z.object({
  partialSuccess: z.object({ rejectedSpans: z.coerce.number().default(0) }).default({ rejectedSpans: 0 }),
});

/**
 * Sends spans to a collector by OTLP/HTTP, as JSON (https://opentelemetry.io/docs/specs/otlp/). It holds up nobody:
 * spans go in batches, and those that a receiver does not take while 2,048 wait are lost, which the log says.
 */
export class OtlpExporter {
  readonly #options: OtlpExporterOptions;
  readonly #stopping = new AbortController();
  readonly #farewell = new AbortController();
  #waiting: EndedSpan[] = [];
  #sending: Promise<void> | undefined;
  #lost = 0;
  #isAway = false;

  constructor(options: OtlpExporterOptions) {
    this.#options = options;
  }

  add(span: EndedSpan): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(span);
    this.#sending ??= this.#send();
  }

  /** Sends what waits, within 3 s. */
  async close(): Promise<void> {
    const patience = setTimeout(() => this.#farewell.abort(), FAREWELL_MS);
    this.#stopping.abort();
    await this.#sending;
    clearTimeout(patience);
    const lost = this.#lost + this.#waiting.length;
    if (lost > 0) this.#options.logger.warn({ lost }, 'spans of traces are lost');
  }

  /** Sends until nothing waits; once it stops, what is refused is not sent again. */
  async #send(): Promise<void> {
    const gatherMs = this.#options.gatherMs ?? GATHER_MS;
    const { signal } = this.#stopping;
    let pauseMs = gatherMs;
    while (this.#waiting.length > 0) {
      if (this.#waiting.length < SENT_AT_ONCE || this.#isAway)
        await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
      const batch = this.#waiting.slice(0, SENT_AT_ONCE);
      const isLast = signal.aborted;
      const { isOver, askAgainMs } = await this.#post(batch);
      if (isOver) this.#waiting = this.#waiting.slice(batch.length);
      else if (isLast) return;
      pauseMs = isOver ? gatherMs : Math.min(Math.max(pauseMs * 2, askAgainMs), MAX_PAUSE_MS);
    }
    this.#sending = undefined;
  }

  /** @returns whether these spans are not to be sent again, and when the receiver wants to be asked otherwise */
  async #post(spans: readonly EndedSpan[]): Promise<{ isOver: boolean; askAgainMs: number }> {
    const { url, headers } = this.#options;
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(this.#request(spans)),
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS), this.#farewell.signal]),
      });
      const { ok, status } = answer;
      const isOver = !AGAIN.includes(status);
      const refused = ok ? rejectedOf(await answer.text()) : isOver ? spans.length : 0;
      if (!ok) await answer.body?.cancel();
      this.#tell(ok && refused === 0 ? undefined : { status, ...(refused > 0 && { refused }) }, refused);
      return { isOver, askAgainMs: Number(answer.headers.get('retry-after') ?? 0) * 1_000 || 0 };
    } catch (error) {
      this.#tell({ err: error }, 0);
      return { isOver: false, askAgainMs: 0 };
    }
  }

  /** Says once that traces are not taken, and once that they are again. */
  #tell(fault: object | undefined, lost: number): void {
    const { logger } = this.#options;
    this.#lost += lost;
    const isAway = fault !== undefined;
    if (isAway && !this.#isAway) logger.warn(fault, 'traces are not taken');
    if (!isAway && this.#isAway) {
      logger.info({ lost: this.#lost }, 'traces are taken again');
      this.#lost = 0;
    }
    this.#isAway = isAway;
  }

  #request(spans: readonly EndedSpan[]): object {
    const resource = { attributes: pairsOf(this.#options.resource) };
    return {
      resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'datastore-gateway' }, spans: spans.map(jsonOf) }] }],
    };
  }
}

/** How many spans a receiver has refused; an answer of another form says nothing of them. */
function rejectedOf(text: string): number {
  try {
    return answered.parse(JSON.parse(text)).partialSuccess.rejectedSpans;
  } catch {
    return 0;
  }
}

function jsonOf({ context, parentSpanId, name, kind, start, end, attributes, error }: EndedSpan): object {
  const all = error === undefined ? attributes : { ...attributes, 'error.type': error };
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: pairsOf(all),
    ...(error === undefined ? {} : { status: { code: STATUS_ERROR } }),
  };
}

function pairsOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** Whole numbers of 64 bits are texts in JSON. */
function anyValue(value: string | number): object {
  if (typeof value === 'string') return { stringValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** A number of JavaScript has microseconds since 1970, and no nanoseconds. */
function nanoseconds(ms: number): string {
  return `${Math.round(ms * 1_000)}000`;
}
