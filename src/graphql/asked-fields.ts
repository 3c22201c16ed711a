import { type GraphQLResolveInfo, type OperationDefinitionNode, visit } from 'graphql';

const known = new WeakMap<OperationDefinitionNode, ReadonlySet<string>>();

/**
 * The names of all fields that an operation asks for, wherever they stand: what is not among them is asked for nowhere,
 * so that nobody need read it beforehand.
 */
export function askedFields({ operation, fragments }: GraphQLResolveInfo): ReadonlySet<string> {
  const found = known.get(operation);
  if (found) return found;
  const names = new Set<string>();
  for (const node of [operation, ...Object.values(fragments)])
    visit(node, { Field: ({ name }) => void names.add(name.value) });
  known.set(operation, names);
  return names;
}
