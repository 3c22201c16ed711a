import { type ASTNode, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { type RequestErrorCode, requestErrorCodes } from '../errors/api.ts';
import type { FieldIssue } from '../errors/field-issues.ts';

const known = new WeakSet<GraphQLError>();

/** What a request error says beyond its code. */
export interface RequestErrorDetails {
  /** Words of our own, never a value of the caller's; the table of codes has them when they are left out. */
  readonly message?: string;
  /** The HTTP status; 200 when it is left out, as for an error of one field. */
  readonly status?: number;
  /** HTTP headers that go with the status. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * When true, the status is 200 all the same with `Accept: application/json`, as GraphQL over HTTP has it for a
   * document that is refused.
   */
  readonly aboutDocument?: boolean;
  readonly nodes?: readonly ASTNode[];
  readonly issues?: readonly FieldIssue[];
  /** The error in whose place this one is shown: its place in document and answer is kept. */
  readonly from?: GraphQLError;
  /** Further extensions, such as an error id. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** Makes a top-level error of the API: code and message come from the table of codes, and it holds no value. */
export function requestError(code: RequestErrorCode, details: RequestErrorDetails = {}): GraphQLError {
  const { from, status, headers, aboutDocument } = details;
  const error = new GraphQLError(details.message ?? requestErrorCodes[code], {
    nodes: details.nodes ?? from?.nodes,
    source: from?.source,
    positions: details.nodes || from?.nodes ? undefined : from?.positions,
    path: from?.path,
    extensions: {
      code,
      ...(details.issues && { issues: details.issues }),
      ...details.extensions,
      ...(status && { http: { status, ...(headers && { headers }), ...(aboutDocument && { spec: true }) } }),
    },
  });
  known.add(error);
  return error;
}

/** True for what requestError() made, which may be shown as it is. */
export function isRequestError(error: GraphQLError): boolean {
  return known.has(error);
}

/** The error as the API sends it, without what is only for the HTTP layer. */
export function publicForm(error: GraphQLError): GraphQLFormattedError {
  const { http, unexpected, ...extensions } = error.extensions;
  return { ...error.toJSON(), extensions };
}
