import { type ASTNode, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { type RequestErrorCode, requestErrorCodes } from '../errors/api.ts';
import type { FieldIssue } from '../errors/field-issues.ts';

const known = new WeakSet<GraphQLError>();

/** What a request error says beyond its code. */
export interface RequestErrorDetails {
  /** Words of our own, never a value of the caller's; left out: those of the table of codes. */
  readonly message?: string;
  /** HTTP status, and headers that go with it. Left out: 200, as for an error of one field. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** True: with `Accept: application/json` the status is 200 all the same, as GraphQL over HTTP has it for a document that is refused. */
  readonly aboutDocument?: boolean;
  readonly nodes?: readonly ASTNode[];
  readonly issues?: readonly FieldIssue[];
  /** The error that the reader gets this one for: its place in document and answer is kept. */
  readonly from?: GraphQLError;
  /** Further extensions: an error id. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/** A top-level error of the API: code and message come from the table of codes, and it holds no value. */
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

/** True for what requestError() made: it may be shown as it is. */
export function isRequestError(error: GraphQLError): boolean {
  return known.has(error);
}

/** The error as the API sends it: without what is only for the HTTP layer. */
export function publicForm(error: GraphQLError): GraphQLFormattedError {
  const { http, unexpected, ...extensions } = error.extensions;
  return { ...error.toJSON(), extensions };
}
