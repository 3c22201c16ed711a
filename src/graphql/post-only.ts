import { BREAK, type DocumentNode, type GraphQLSchema, TypeInfo, visit, visitWithTypeInfo } from 'graphql';

declare module 'graphql' {
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** True for a query whose arguments hold secrets, which a URL would leave in logs and histories. */
    postOnly?: boolean;
  }
}

/** Whether a document asks for a field whose arguments must not stand in a URL. */
export function needsPost(schema: GraphQLSchema, document: DocumentNode): boolean {
  const types = new TypeInfo(schema);
  let found = false;
  const Field = () => {
    found = types.getFieldDef()?.extensions.postOnly === true;
    return found ? BREAK : undefined;
  };
  visit(document, visitWithTypeInfo(types, { Field }));
  return found;
}
