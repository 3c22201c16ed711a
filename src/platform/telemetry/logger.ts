import { type Bindings, type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { currentRequestId } from './request-ids.ts';
import { currentTrace } from './trace-context.ts';

export type Logger = PinoLogger;

export interface LoggerOptions {
  /** One of pino's levels: fatal, error, warn, info, debug, trace or silent. */
  readonly level: string;
  /** Where the log goes; stdout when it is left out. */
  readonly destination?: DestinationStream;
}

/**
 * Makes a logger that writes one JSON object a line. Whoever logs leaves secrets out; as a second net, what stands
 * under a name that tells of one (password, token, authorization, config, variables, …) is blotted out at any depth,
 * and of an error only its type, code, message, stack and cause are kept.
 */
export function createLogger({ level, destination }: LoggerOptions): Logger {
  const settings = {
    level,
    formatters: { log: cleanFields },
    serializers: { err: (error: unknown) => error },
    // the request and the trace that a line is about, wherever in their work it was written
    mixin: () => {
      const requestId = currentRequestId();
      const traceId = currentTrace()?.traceId;
      return { ...(requestId === undefined ? {} : { requestId }), ...(traceId === undefined ? {} : { traceId }) };
    },
  };
  const logger = destination ? pino(settings, destination) : pino(settings);
  const { child } = logger;
  // pino does not format the bindings of a child; children of children inherit this function
  logger.child = function (this: Logger, bindings: Bindings, ...rest: []) {
    return child.call(this, cleanFields(bindings), ...rest);
  } as typeof child;
  return logger;
}

function cleanFields(fields: Record<string, unknown>): Record<string, unknown> {
  return clean(fields, 0) as Record<string, unknown>;
}

/** How deep a logged value may nest. */
const MAX_DEPTH = 8;
const CENSORED = '[censored]';
const SECRET_NAME =
  /authorization|cookie|passw(or)?d|passphrase|secret|credential|(api|access|private|client|data|mac)_?key|token$|^(config|draftconfig|variables|serviceaccount|bearer)$/i;

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return '[too deep]';
  if (value instanceof Error) return errorFields(value, depth);
  if (ArrayBuffer.isView(value)) return '[bytes]';
  if (value instanceof Map || value instanceof Set) return clean([...value], depth);
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return clean(value.toJSON(), depth + 1);
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([name, item]) => [name, SECRET_NAME.test(name) && item != null ? CENSORED : clean(item, depth + 1)]),
  );
}

/** The error's other properties stay out: a driver puts a connection's options or a row's values there. */
function errorFields(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: clean(error.cause, depth + 1) }),
  };
}
