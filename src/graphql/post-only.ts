import {
  BREAK,
  type DocumentNode,
  type GraphQLSchema,
  isInterfaceType,
  isObjectType,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';

declare module 'graphql' {
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** True for a query whose arguments hold secrets, which a URL would leave in logs and histories. */
    postOnly?: boolean;
  }
}

/** Makes what tells whether a document asks for a field whose arguments must not stand in a URL. */
export function createPostOnly(schema: GraphQLSchema): (document: DocumentNode) => boolean {
  const types = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = types.flatMap((type) => Object.values(type.getFields()));
  const names = fields.filter(({ extensions }) => extensions.postOnly === true).map(({ name }) => name);
  const known = new WeakMap<DocumentNode, boolean>();
  const isPostOnly = (document: DocumentNode): boolean => {
    // a name cannot be written otherwise, so that nearly every document is told by its text
    const text = document.loc?.source.body;
    if (text !== undefined && !names.some((name) => text.includes(name))) return false;
    const info = new TypeInfo(schema);
    let found = false;
    const Field = () => {
      found = info.getFieldDef()?.extensions.postOnly === true;
      return found ? BREAK : undefined;
    };
    visit(document, visitWithTypeInfo(info, { Field }));
    return found;
  };
  return (document) => {
    const found = known.get(document) ?? isPostOnly(document);
    known.set(document, found);
    return found;
  };
}
