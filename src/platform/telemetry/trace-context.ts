import { AsyncLocalStorage } from 'node:async_hooks';

/** Names a span of a trace (https://www.w3.org/TR/trace-context/): others may be part of it, in other processes too. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the trace is recorded. */
  readonly isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const SAMPLED = 1;

const current = new AsyncLocalStorage<TraceContext>();

/** The span that the running code is part of; undefined outside of any, and where nobody collects traces. */
export function currentTrace(): TraceContext | undefined {
  return current.getStore();
}

/** Does some work as a part of a span. */
export function withTrace<T>(context: TraceContext, work: () => T): T {
  return current.run(context, work);
}

/** Reads a `traceparent`; undefined for anything else. Of a later version the parts that this one has are read. */
export function parseTraceparent(given: unknown): TraceContext | undefined {
  const [, version, traceId, spanId, flags = '', more] = (typeof given === 'string' && TRACEPARENT.exec(given)) || [];
  if (traceId === undefined || spanId === undefined || (version === '00' && more !== undefined)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-0${isSampled ? SAMPLED : 0}`;
}
