import {
  GraphQLID,
  type GraphQLSchema,
  GraphQLString,
  getNullableType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';

/** The names of the variables of operations, where all of them are of the types String and ID; null for others. */
const known = new WeakMap<OperationDefinitionNode, readonly string[] | null>();

/**
 * The variables of an operation where each of them is a text, as most are of queries, and was given: GraphQL takes them
 * as they are. Undefined for any others, which are to be judged by their types.
 */
export function textVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  let names = known.get(operation);
  if (names === undefined) {
    names = namesOfTexts(schema, operation);
    known.set(operation, names);
  }
  if (names === null) return undefined;
  const texts: Record<string, unknown> = {};
  for (const name of names) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (typeof value !== 'string' || !value.isWellFormed()) return undefined;
    texts[name] = value;
  }
  return texts;
}

function namesOfTexts(
  schema: GraphQLSchema,
  { variableDefinitions = [] }: OperationDefinitionNode,
): readonly string[] | null {
  const isText = (type: unknown) => type === GraphQLString || type === GraphQLID;
  return variableDefinitions.every(({ type }) => isText(getNullableType(typeFromAST(schema, type))))
    ? variableDefinitions.map(({ variable }) => variable.name.value)
    : null;
}
