import type { InterfaceRef, ObjectRef } from '@pothos/core';
import type { Page } from '../platform/paging.ts';
import { builder } from './builder.ts';

const PageInfo = builder.objectRef<Page<unknown>>('PageInfo').implement({
  description: 'Relay’s page information. The cursors are null for an empty page.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage'),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage'),
    startCursor: t.string({ nullable: true, resolve: (page) => page.edges[0]?.cursor ?? null }),
    endCursor: t.string({ nullable: true, resolve: (page) => page.edges.at(-1)?.cursor ?? null }),
  }),
});

const size =
  'How many nodes the page has at most: 1 to 100. It has 20 when neither first nor last is given; more than 100 is an error.';

/** The arguments of every connection. */
export const pageArguments = builder.args((t) => ({
  first: t.int({ description: size }),
  after: t.string({ description: 'A cursor: the page begins with the node after it.' }),
  last: t.int({ description: size }),
  before: t.string({ description: 'A cursor: the page ends with the node before it.' }),
}));

/**
 * Makes a Relay connection over a node type, with `nodes` beside `edges`. The page type may carry more than a Page, for
 * which a module adds fields.
 */
export function connectionType<Node, P extends Page<Node> = Page<Node>>(name: string, node: NodeRef<Node>) {
  const Edge = builder.objectRef<Page<Node>['edges'][number]>(`${name}Edge`);
  Edge.implement({
    fields: (t) => ({
      cursor: t.exposeString('cursor'),
      node: t.field({ type: node, resolve: (edge) => edge.node as never }),
    }),
  });
  const Connection = builder.objectRef<P>(`${name}Connection`);
  Connection.implement({
    fields: (t) => ({
      edges: t.field({ type: [Edge], resolve: (page) => [...page.edges] }),
      nodes: t.field({ type: [node], resolve: (page) => page.edges.map((edge) => edge.node) as never }),
      pageInfo: t.field({ type: PageInfo, resolve: (page) => page }),
    }),
  });
  return Connection;
}

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never;
type NodeRef<Node> = ObjectRef<Types, Node> | InterfaceRef<Types, Node>;
