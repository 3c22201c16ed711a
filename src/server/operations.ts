import {
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
  getOperationAST,
  type OperationDefinitionNode,
} from 'graphql';
import { createPostOnly } from '../graphql/post-only.ts';
import type { Caller } from './caller.ts';
import { createCompiledExecute } from './compiled-execution.ts';
import { createCostLimit } from './cost.ts';
import { readNumbers } from './numbers-as-text.ts';
import { refusedValuesError, refusedVariables } from './refused-values.ts';
import { requestError } from './request-error.ts';
import { createShownNames } from './shown-names.ts';

/** What an operation is executed with, in the one schema. Its variables are read in their place. */
export type OperationArgs = Omit<ExecutionArgs, 'schema'>;

/** What every operation goes through once its document is known to be valid, whichever way it came. */
export interface Operations {
  /** The operation that is asked for. @throws a request error where there is none, or where it needs POST */
  require(document: DocumentNode, caller: Caller<unknown>): OperationDefinitionNode;
  /** Reads the variables, refuses wrong ones, and then what costs too much with them; undefined for neither. */
  refused(args: OperationArgs): ExecutionResult | undefined;
  /** Executes what it can; undefined for the rest, which is Yoga's. */
  readonly execute: ReturnType<typeof createCompiledExecute>;
  /** The same for an event of a subscription, which is the root value. */
  readonly executeEvent: ReturnType<typeof createCompiledExecute>;
}

export function createOperations(schema: GraphQLSchema): Operations {
  const needsPost = createPostOnly(schema);
  const isShown = createShownNames(schema);
  const tooCostly = createCostLimit(schema);
  return {
    require: (document, caller) => requireOperation(needsPost, document, caller),
    refused(args) {
      const operation = getOperationAST(args.document, args.operationName);
      if (!operation) return undefined;
      const variables: Record<string, unknown> = { ...(args.variableValues ?? {}) };
      readNumbers(schema, operation, variables);
      args.variableValues = variables;
      const issues = refusedVariables(schema, args.document, operation, variables, isShown);
      if (issues.length > 0) return { errors: [refusedValuesError(issues)] };
      const error = tooCostly(args.document, operation, variables);
      return error && { errors: [error] };
    },
    execute: createCompiledExecute(schema),
    executeEvent: createCompiledExecute(schema, ['subscription']),
  };
}

function requireOperation(
  needsPost: (document: DocumentNode) => boolean,
  document: DocumentNode,
  { params, request, answer }: Caller<unknown>,
): OperationDefinitionNode {
  const operation = getOperationAST(document, params?.operationName);
  if (!operation) {
    const message =
      'operationName must name one of the operations of the document; it may be left out where there is only one.';
    throw requestError('BAD_REQUEST', { message, status: 400 });
  }
  if (operation.operation === 'mutation' && request?.method === 'GET') {
    throw requestError('METHOD_NOT_ALLOWED', { status: 405, headers: { allow: 'POST' } });
  }
  const isSecret = needsPost(document);
  if (answer) answer.holdsSecrets = isSecret;
  if (request?.method === 'GET' && isSecret) {
    const message = 'Send it by POST: it holds secrets, which a URL would leave in logs.';
    throw requestError('METHOD_NOT_ALLOWED', { message, status: 405, headers: { allow: 'POST' } });
  }
  return operation;
}
