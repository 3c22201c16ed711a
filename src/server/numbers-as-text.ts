import {
  type GraphQLInputType,
  GraphQLInt,
  type GraphQLSchema,
  getNamedType,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  type OperationDefinitionNode,
  typeFromAST,
} from 'graphql';

const WHOLE_NUMBER = /^-?\d{1,15}$/;

/**
 * Reads whole numbers that came as text in an operation's variables, in their place: a form in a browser knows text
 * alone, and many send `"5432"` for what was typed. Other text stays, and is refused where it stands. A number in the
 * document itself was typed by who knows GraphQL.
 */
export function readNumbers(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Record<string, unknown>,
): void {
  const known = holders.get(operation) ?? holdersOf(schema, operation);
  holders.set(operation, known);
  for (const [name, type] of known) readField(variables, name, type);
}

type Holder = readonly [variable: string, type: GraphQLInputType];

/** The variables of operations that may hold a number: few do. */
const holders = new WeakMap<OperationDefinitionNode, readonly Holder[]>();

function holdersOf(schema: GraphQLSchema, { variableDefinitions = [] }: OperationDefinitionNode): readonly Holder[] {
  return variableDefinitions.flatMap(({ variable, type: node }) => {
    const type = typeFromAST(schema, node);
    return isInputType(type) && mayHoldNumber(type) ? [[variable.name.value, type] as const] : [];
  });
}

function mayHoldNumber(type: GraphQLInputType): boolean {
  const named = getNamedType(type);
  return isInputObjectType(named) || named.name === GraphQLInt.name;
}

/** `holder` is an object of variables, or a list in one with its indexes. */
function readField(holder: object, key: string, type: GraphQLInputType): void {
  if (!Object.hasOwn(holder, key)) return;
  const value: unknown = Reflect.get(holder, key);
  if (isNonNullType(type)) readField(holder, key, type.ofType);
  else if (isListType(type)) {
    if (!Array.isArray(value)) readField(holder, key, type.ofType);
    else for (const index of value.keys()) readField(value, String(index), type.ofType);
  } else if (isInputObjectType(type)) {
    if (typeof value !== 'object' || value === null) return;
    for (const field of Object.values(type.getFields())) readField(value, field.name, field.type);
  } else if (type.name === GraphQLInt.name && typeof value === 'string' && WHOLE_NUMBER.test(value)) {
    Reflect.set(holder, key, Number(value));
  }
}
