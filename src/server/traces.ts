import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { currentTrace, parseTraceparent, withTrace } from '../platform/telemetry/trace-context.ts';
import type { Span, Tracer } from '../platform/telemetry/tracer.ts';
import { knownPath, operationOf, resultOf } from './observers.ts';

/** What of a caller's context an operation is traced by. */
interface Traced {
  readonly params?: { readonly extensions?: Readonly<Record<string, unknown>> };
}

const SERVER_ERROR = 500;

/** Answers a request as a part of the trace that its caller names in `traceparent`, or of a new one. */
export function traceRequest(
  tracer: Tracer,
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
  work: () => void,
): void {
  const route = knownPath((url ?? '').split('?', 1)[0]);
  const known = method === 'GET' || method === 'POST' || method === 'OPTIONS' ? method : '_OTHER';
  const span = tracer.begin({
    name: `${known === '_OTHER' ? 'HTTP' : known} ${route}`,
    kind: 'SERVER',
    parent: parseTraceparent(headers.traceparent),
    attributes: { 'http.request.method': known, 'http.route': route },
  });
  response.once('close', () => {
    const { statusCode } = response;
    const error = statusCode >= SERVER_ERROR ? String(statusCode) : undefined;
    span.end({ attributes: { 'http.response.status_code': statusCode }, error });
  });
  withTrace(span.context, work);
}

/** The two plugins that make a span of each operation. */
export interface TracePlugins {
  /** It goes first: what another plugin refuses has a span, too. */
  readonly begin: Plugin<Traced>;
  /** It goes behind whatever takes the place of graphql-js' execute: what runs within is part of the span. */
  readonly within: Plugin<Traced>;
}

/**
 * Makes a span of each operation, which what it starts is part of. A WebSocket has no headers for an operation: its
 * `extensions` may have the `traceparent`.
 */
export function createTracePlugins(tracer: Tracer): TracePlugins {
  const spans = new WeakMap<object, Span>();
  const begin = (args: ExecutionArgs) => {
    const { params } = args.contextValue as Traced;
    const { kind, operation } = operationOf(args);
    const span = tracer.begin({
      name: `${kind} ${operation}`,
      parent: currentTrace() ?? parseTraceparent(params?.extensions?.traceparent),
      attributes: { 'graphql.operation.type': kind, 'datastore_gateway.operation': operation },
    });
    spans.set(args, span);
    return ({ result }: { result: unknown }) => {
      const code = resultOf(result);
      span.end({ error: code === 'OK' ? undefined : code });
    };
  };
  return {
    begin: {
      onExecute: ({ args }) => ({ onExecuteDone: begin(args) }),
      onSubscribe: ({ args }) => ({ onSubscribeResult: begin(args) }),
    },
    within: {
      onExecute({ args, executeFn, setExecuteFn }) {
        const span = spans.get(args);
        if (span) setExecuteFn((given) => withTrace(span.context, () => executeFn(given)));
      },
    },
  };
}
