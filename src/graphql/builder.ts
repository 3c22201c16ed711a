import SchemaBuilder from '@pothos/core';
import ErrorsPlugin from '@pothos/plugin-errors';
import ZodPlugin from '@pothos/plugin-zod';
import type { Answerable } from '../connectors/kit/config/shape.ts';
import type { Context } from './context.ts';
import './scope-plugin.ts';
import { validationErrorOf } from './validation.ts';

export interface SchemaTypes {
  Context: Context;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: string; Output: string };
    JSON: { Input: unknown; Output: Answerable };
  };
}

/**
 * The one builder with which every module's schema.ts writes its types. Zod comes after errors, so that its findings
 * land in the unions, and after scopes, so that nothing is judged for whoever may not ask.
 */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ErrorsPlugin, 'scopes', ZodPlugin],
  defaultFieldNullability: false,
  errors: { directResult: true, unsafelyHandleInputErrors: true },
  zod: { validationError: (error) => validationErrorOf(error) },
});

builder.queryType({});
builder.mutationType({});
builder.subscriptionType({});
