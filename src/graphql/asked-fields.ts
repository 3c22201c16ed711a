import { type GraphQLResolveInfo, type OperationDefinitionNode, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

const known = new WeakMap<OperationDefinitionNode, AskedFields>();

/** The names of the fields that an operation asks for, by the name of the type that they are asked of. */
export type AskedFields = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * All fields that an operation asks for, wherever they stand: what is not among them is asked for nowhere, so that
 * nobody need read it beforehand.
 */
export function askedFields({ operation, fragments, schema }: GraphQLResolveInfo): AskedFields {
  const found = known.get(operation);
  if (found) return found;
  const fields = new Map<string, Set<string>>();
  const types = new TypeInfo(schema);
  const Field = {
    enter: ({ name }: { name: { value: string } }) => {
      const type = types.getParentType()?.name ?? '';
      fields.set(type, (fields.get(type) ?? new Set()).add(name.value));
    },
  };
  for (const node of [operation, ...Object.values(fragments)]) visit(node, visitWithTypeInfo(types, { Field }));
  known.set(operation, fields);
  return fields;
}
