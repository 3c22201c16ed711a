import { z } from 'zod';
import { fieldMarks, issue } from './marks.ts';

/** The values of a choice: exactly one of its alternatives is there. */
export type OneOf<Alternatives extends z.ZodRawShape> = {
  readonly [K in keyof Alternatives]?: z.output<Alternatives[K]>;
};

/**
 * A choice between alternatives, `{ password: {…} }` or `{ keyPair: {…} }`: a @oneOf input in GraphQL, a oneOf in JSON Schema. A patch is
 * merged within one alternative and replaced by another. `graphqlName` is that of the block; `outputName` that of the object type it is
 * read as, where several connectors share one.
 */
export function oneOf<Alternatives extends z.ZodRawShape>(
  graphqlName: string,
  alternatives: Alternatives,
  options: { readonly outputName?: string } = {},
) {
  const names = Object.keys(alternatives);
  const shape = Object.fromEntries(
    Object.entries(alternatives).map(([key, schema]) => [key, (schema as z.ZodType).optional()]),
  );
  const schema = z
    .object(shape as { [K in keyof Alternatives]: z.ZodOptional<Alternatives[K] & z.ZodType> })
    .refine((value) => names.filter((name) => (value as Record<string, unknown>)[name] !== undefined).length === 1, {
      ...issue('EXACTLY_ONE', `Give exactly one of ${names.join(', ')}.`),
    });
  fieldMarks.add(schema, { graphqlName, oneOf: { outputName: options.outputName ?? graphqlName } });
  return schema;
}

/** How a service signs a caller in, one way of several; read back as the shared type Authentication. */
export function authentication<Alternatives extends z.ZodRawShape>(graphqlName: string, alternatives: Alternatives) {
  return oneOf(graphqlName, alternatives, { outputName: 'Authentication' });
}
