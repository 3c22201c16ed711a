import { builder } from '../../graphql/builder.ts';
import type { Context } from '../../graphql/context.ts';
import { boundedList, uuid } from '../../graphql/fields.ts';
import { asNode, type Identified, NodeRef } from '../../graphql/node.ts';
import { rights } from '../access/rights.ts';
import { datastoreTypeName } from '../datastores/schema.ts';

/** How many things one call may ask for: as many as a page has. */
const MAX_NODES = 100;

/** Finds things of each type as the type's own query does. What a token has no scope for, it does not find. */
const finders: readonly ((id: string, context: Context) => Promise<Identified | null>)[] = [
  async (id, { loaders }) => {
    const environment = await loaders.environment.load(id);
    return environment && asNode(environment, 'Environment');
  },
  async (id, { access, loaders }) => {
    const datastore = access.scopes.has(rights['Query.datastore'].scope) ? await loaders.datastore.load(id) : null;
    return datastore && asNode(datastore, datastoreTypeName(datastore));
  },
  async (id, { access, loaders }) => {
    const test = access.scopes.has(rights['Query.connectionTest'].scope) ? await loaders.connectionTest.load(id) : null;
    return test && asNode(test, 'ConnectionTest');
  },
  async (id, { access, loaders }) => {
    const mayRead = access.scopes.has(rights['Query.dataStructure'].scope);
    const structure = mayRead ? await loaders.dataStructure.load(id) : null;
    return structure && asNode(structure, 'DataStructure');
  },
];

/** The loaders make one statement a table of all that is asked for at once. */
async function findNode(id: string, context: Context): Promise<Identified | null> {
  const found = await Promise.all(finders.map((find) => find(id, context)));
  return found.find((thing) => thing !== null) ?? null;
}

const RIGHTS = 'The rights are those of the type’s own query: all but environments need DATASTORES_READ.';

builder.queryFields((t) => ({
  node: t.field({
    type: NodeRef,
    nullable: true,
    description: `Whatever has this id: an environment, a datastore, a connection test or a data structure. Null when nothing has, and when you may not see it, which look the same. ${RIGHTS}`,
    args: { id: t.arg.id({ required: true, description: 'Its id.', validate: { schema: uuid } }) },
    resolve: (_root, { id }, context) => findNode(id, context),
  }),
  nodes: t.field({
    type: [NodeRef],
    nullable: { list: false, items: true },
    description: `Whatever has these ids, in their order; null where nothing has, or where you may not see it. ${RIGHTS}`,
    args: {
      ids: t.arg.idList({
        required: true,
        description: 'Their ids: at most 100.',
        validate: { schema: boundedList(uuid, { max: MAX_NODES }) },
      }),
    },
    resolve: (_root, { ids }, context) => Promise.all(ids.map((id) => findNode(id, context))),
  }),
}));
