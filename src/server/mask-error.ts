import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import type { Logger } from 'pino';
import { NotFoundError, RequestFault, UserError, ValidationError } from '../errors/api.ts';
import { messageOf } from '../errors/field-issues.ts';
import { LimitFault } from '../errors/limits.ts';
import { isRequestError, requestError } from './request-error.ts';

/**
 * Makes what turns any error into the one that the caller sees. It lets pass only what is known to hold no value: what
 * requestError() made, RequestFault and UserError. Everything else becomes INTERNAL with an id, under which the log has
 * the rest.
 */
export function createErrorMask(logger: Logger): (error: unknown) => GraphQLError {
  return (error) => {
    const shown = expected(error);
    if (shown) return shown;
    const errorId = randomUUID();
    logger.error({ errorId, err: forLog(innermost(error)) }, 'unexpected error');
    const extensions = { errorId, unexpected: true };
    return requestError('INTERNAL', { message: 'Unexpected error.', from: graphQLError(error), extensions });
  };
}

/** The code under which the caller sees an error. */
export function codeOf(error: unknown): string {
  return String(expected(error)?.extensions.code ?? 'INTERNAL');
}

/** What is shown of an error that may be; undefined for any other. */
function expected(error: unknown): GraphQLError | undefined {
  const from = graphQLError(error);
  if (from && isRequestError(from)) return from;
  const cause = innermost(error);
  if (cause instanceof LimitFault) return limitError(cause, from);
  if (cause instanceof RequestFault)
    return requestError(cause.code, { message: cause.message, from, ...(cause.code === 'UNAVAILABLE' && tryAgain) });
  if (cause instanceof NotFoundError) return requestError('NOT_FOUND', { from });
  if (cause instanceof UserError) {
    const message = cause instanceof ValidationError ? messageOf(cause.issues) : cause.message;
    return requestError('BAD_USER_INPUT', { message, issues: cause.issues, from });
  }
  return cause instanceof GraphQLError ? (refusedArgument(cause, from) ?? refusedByYoga(cause)) : undefined;
}

function graphQLError(error: unknown): GraphQLError | undefined {
  return error instanceof GraphQLError ? error : undefined;
}

/** Tells a client when to come back: after 5 s. */
const tryAgain = { status: 503, headers: { 'retry-after': '5' } };

/** The error of a limit that is reached. */
function limitError(fault: LimitFault, from: GraphQLError | undefined): GraphQLError {
  const { code, message, limit, variable, retryAfterSeconds } = fault;
  return requestError(code, {
    message,
    from,
    status: 429,
    headers: { 'retry-after': String(retryAfterSeconds) },
    extensions: { limit, variable, retryAfterSeconds },
  });
}

function innermost(error: unknown): unknown {
  return error instanceof GraphQLError && error.originalError ? innermost(error.originalError) : error;
}

/**
 * Reads an argument that only turns out wrong when its field runs, because a variable in it has no value for example.
 * graphql-js would print the whole argument.
 */
function refusedArgument(error: GraphQLError, from: GraphQLError | undefined): GraphQLError | undefined {
  const argument =
    /^Argument "(\w{1,64})" of (?:required|non-null) type |^Argument "(\w{1,64})" has invalid value /.exec(
      error.message,
    );
  if (!argument) return undefined;
  const [, missing, invalid = ''] = argument;
  const issue = missing
    ? ({ path: [missing], configPath: null, code: 'REQUIRED', message: 'A value is missing.' } as const)
    : ({
        path: [invalid],
        configPath: null,
        code: 'INVALID_VALUE',
        message: 'The value, or one within it, is not valid.',
      } as const);
  return requestError('BAD_USER_INPUT', { message: messageOf([issue]), issues: [issue], from });
}

/** Reads what Yoga refuses before we do; its messages may quote the request. */
function refusedByYoga(error: GraphQLError): GraphQLError | undefined {
  const { http } = error.extensions;
  const status = typeof http === 'object' && http !== null && 'status' in http ? http.status : undefined;
  return typeof status === 'number' && status < 500 ? requestError('BAD_REQUEST', { status }) : undefined;
}

/**
 * The logger keeps an error's type, message and stack. graphql-js's own messages quote what they refuse, so of those
 * only the place is kept.
 */
function forLog(error: unknown): unknown {
  if (!(error instanceof GraphQLError)) return error;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return { type: error.name, stack: frames?.join('\n') };
}
