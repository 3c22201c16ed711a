import { type ExecutionArgs, execute, type GraphQLError, type GraphQLSchema } from 'graphql';
import { createYoga, isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Logger } from 'pino';
import type { Tracer } from '../platform/telemetry/tracer.ts';
import type { Caller } from './caller.ts';
import { createDocumentValidator, parseDocument } from './documents.ts';
import { EndableStream } from './endable-stream.ts';
import type { LiveSessions } from './live-sessions.ts';
import { type OnOperation, useObserver } from './observers.ts';
import type { Operations } from './operations.ts';
import { readParams } from './params.ts';
import { requestError } from './request-error.ts';
import { createSharedSubscribe } from './shared-execution.ts';
import { createTracePlugins } from './traces.ts';

export interface YogaOptions<Access, Context extends object> {
  readonly schema: GraphQLSchema;
  readonly operations: Operations;
  readonly createContext: (input: { readonly access: Access }) => Context | Promise<Context>;
  readonly sessions: LiveSessions;
  readonly mask: (error: unknown) => GraphQLError;
  readonly logger: Logger;
  /**
   * Says what a caller may see: subscriptions that ask the same share what is executed where this is the same, too.
   * Left out: nothing is shared.
   */
  readonly rightsOf?: ((access: Access) => string) | undefined;
  /** Left out: nobody is told. */
  readonly onOperation?: OnOperation | undefined;
  /** Left out: nobody collects traces. */
  readonly tracer?: Tracer | undefined;
}

/** A text that is no document is parsed each time, for of what its cache throws Yoga tells no plugin that counts. */
const forgetful = { get: () => undefined, set: () => undefined };

export type Yoga<Access> = ReturnType<typeof createYoga<Caller<Access>>>;

/**
 * Makes the GraphQL engine that HTTP, SSE and WebSocket share: parsing, limits, validation, context, masking,
 * subscriptions.
 */
export function createGraphQL<Access, Context extends object>(options: YogaOptions<Access, Context>) {
  const traces = options.tracer && createTracePlugins(options.tracer);
  return createYoga<Caller<Access>, Context>({
    schema: options.schema,
    context: ({ access }) => options.createContext({ access }),
    graphqlEndpoint: '/graphql',
    cors: false,
    graphiql: false,
    landingPage: false,
    batching: false,
    multipart: false,
    // http.ts has read the body by then, and counted its bytes
    maxRequestBodySize: false,
    logging: false,
    maskedErrors: { maskError: options.mask },
    parserAndValidationCache: { errorCache: forgetful },
    plugins: [
      ...(options.onOperation ? [useObserver(options.onOperation)] : []),
      ...(traces ? [traces.begin] : []),
      useParams(),
      useDocuments(options),
      useRefusals(options.operations),
      useCompiledExecution(options.operations),
      ...(traces ? [traces.within] : []),
      ...(options.rightsOf ? [useSharedExecution(options.rightsOf, options.operations)] : []),
      useLiveSubscriptions(options),
    ],
  });
}

function useParams(): Plugin {
  return {
    onRequestParse: ({ setRequestParser }) => setRequestParser(readParams),
  };
}

function useDocuments<Access>({
  schema,
  operations,
}: Pick<YogaOptions<Access, object>, 'schema' | 'operations'>): Plugin<Caller<Access>> {
  const validateDocument = createDocumentValidator(schema);
  return {
    onParse({ setParseFn, context }) {
      setParseFn(parseDocument);
      return ({ result }) => {
        if (!(result instanceof Error)) operations.require(result, context);
      };
    },
    onValidate: ({ setValidationFn }) => setValidationFn((_schema, document) => validateDocument(document)),
  };
}

/** Refuses wrong variables, and what costs too much with them. */
function useRefusals({ refused }: Operations): Plugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const result = refused(args);
      if (result) setResultAndStopExecution(result);
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const result = refused(args);
      if (result) setResultAndStopExecution(result);
    },
  };
}

function useCompiledExecution({ execute }: Operations): Plugin {
  return {
    onExecute: ({ executeFn, setExecuteFn }) => setExecuteFn((args: ExecutionArgs) => execute(args) ?? executeFn(args)),
  };
}

function useSharedExecution<Access>(
  rightsOf: (access: Access) => string,
  { executeEvent }: Operations,
): Plugin<Caller<Access>> {
  const rights = (contextValue: unknown) => rightsOf((contextValue as Caller<Access>).access);
  const subscribe = createSharedSubscribe(rights, (args) => executeEvent(args) ?? execute(args));
  return { onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe) };
}

/** Ends subscriptions when their token ends or the server does, and counts them. */
function useLiveSubscriptions<Access>({
  sessions,
  mask,
  logger,
}: Pick<YogaOptions<Access, object>, 'sessions' | 'mask' | 'logger'>): Plugin<Caller<Access>> {
  return {
    onSubscribe({ args, setResultAndStopExecution }) {
      const { request, token, opened } = args.contextValue;
      if (request && !acceptsEventStream(request)) {
        const message = 'Subscriptions are answered over WebSocket, or as text/event-stream to who accepts it.';
        setResultAndStopExecution({ errors: [requestError('BAD_REQUEST', { message, status: 406 })] });
        return undefined;
      }
      return {
        onSubscribeResult({ result, setResult }) {
          if (!isAsyncIterable(result)) return;
          let close: (() => void) | undefined;
          const stream = new EndableStream(result, {
            onEnd: () => close?.(),
            onLateError: (error) => logger.debug({ err: error }, 'a subscription failed after its end'),
          });
          try {
            close = sessions.open({ kind: 'subscription', token, end: (reason) => stream.end({ errors: [reason] }) });
            if (opened) opened.stream = stream;
            setResult(stream);
          } catch (error) {
            void stream.return();
            setResult({ errors: [mask(error)] });
          }
        },
      };
    },
  };
}

function acceptsEventStream(request: Request): boolean {
  const accept = request.headers.get('accept') ?? '*/*';
  return accept.split(',').some((range) => /^\s*(?:text\/event-stream|text\/\*|\*\/\*)\s*(?:;|$)/i.test(range));
}
