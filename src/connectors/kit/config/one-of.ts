import { z } from 'zod';
import { fieldMarks, issue } from './marks.ts';

/** The values of a choice, of which exactly one is there. */
export type OneOf<Alternatives extends z.ZodRawShape> = {
  readonly [K in keyof Alternatives]?: z.output<Alternatives[K]>;
};

/**
 * A choice between alternatives, `{ password: {…} }` or `{ keyPair: {…} }`. It is a @oneOf input in GraphQL and a oneOf
 * in JSON Schema. A patch is merged within one alternative, and replaced by another. `graphqlName` names the block.
 * `outputName` names the object type that it is read as, when several connectors share one.
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

/**
 * A choice between the ways in which a service signs a caller in. It is read back as the shared type Authentication.
 */
export function authentication<Alternatives extends z.ZodRawShape>(graphqlName: string, alternatives: Alternatives) {
  return oneOf(graphqlName, alternatives, { outputName: 'Authentication' });
}
