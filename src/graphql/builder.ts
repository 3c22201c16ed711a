import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import type { Answerable } from '../connectors/kit/config/shape.ts';
import type { Context } from './context.ts';
import './judge-plugin.ts';
import './scope-plugin.ts';
import { validationErrorOf } from './validation.ts';

export interface SchemaTypes {
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: string; Output: string };
    JSON: { Input: unknown; Output: Answerable };
    SafeInt: { Input: number; Output: number };
  };
}

/**
 * The one builder with which every module's schema.ts writes its types. What judges arguments comes after errors, so
 * that its findings land in the unions, and after scopes, so that nothing is judged for whoever may not ask.
 */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ErrorsPlugin, 'scopes', 'judge'],
  defaultFieldNullability: false,
  errors: {
    directResult: true,
    unsafelyHandleInputErrors: true,
    defaultUnionOptions: {
      description:
        'What was done, or the error for which nothing was. Select `... on UserError { code message issues { path message } }` beside the success.',
    },
  },
  zod: { validationError: (error) => validationErrorOf(error) },
});

builder.queryType({
  description:
    'What can be read. Nothing here changes anything. What does not exist, and what the caller may not see, is null: the two look the same.',
});
builder.mutationType({
  description:
    'What can be changed. Each answers with a union: its success, or the errors that a person can mend. All else is a top-level error with `extensions.code`.',
});
builder.subscriptionType({
  description:
    'What can be followed, over WebSocket (graphql-transport-ws) or server-sent events. A subscription that ends for a reason ends with an error, whose `extensions.code` says it.',
});
