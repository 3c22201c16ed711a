import type { InterfaceRef, ObjectRef } from '@pothos/core';
import type { Page } from '../platform/paging.ts';
import { builder } from './builder.ts';

const PageInfo = builder.objectRef<Page<unknown>>('PageInfo').implement({
  description: 'Where a page stands in its list, as Relay asks for it.',
  fields: (t) => ({
    hasNextPage: t.exposeBoolean('hasNextPage', {
      description: 'Whether the list goes on after this page: give endCursor as `after` to read on.',
    }),
    hasPreviousPage: t.exposeBoolean('hasPreviousPage', {
      description: 'Whether the list has nodes before this page: give startCursor as `before` to read back.',
    }),
    startCursor: t.string({
      nullable: true,
      description: 'The cursor of the page’s first node; null for an empty page.',
      resolve: (page) => page.startCursor ?? page.edges[0]?.cursor ?? null,
    }),
    endCursor: t.string({
      nullable: true,
      description: 'The cursor of the page’s last node; null for an empty page.',
      resolve: (page) => page.endCursor ?? page.edges.at(-1)?.cursor ?? null,
    }),
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
    description: 'A node of a page, with its cursor.',
    fields: (t) => ({
      cursor: t.exposeString('cursor', {
        description:
          'Where the node stands in the list: give it as `after` or `before`. It is no id, and holds no secret.',
      }),
      node: t.field({ type: node, description: 'The node itself.', resolve: (edge) => edge.node as never }),
    }),
  });
  const Connection = builder.objectRef<P>(`${name}Connection`);
  Connection.implement({
    description: 'One page of a list, as Relay asks for it.',
    fields: (t) => ({
      edges: t.field({
        type: [Edge],
        description: 'The nodes of the page in their order, each with its cursor.',
        resolve: (page) => [...page.edges],
      }),
      nodes: t.field({
        type: [node],
        description: 'The same nodes without their cursors.',
        resolve: (page) => page.edges.map((edge) => edge.node) as never,
      }),
      pageInfo: t.field({
        type: PageInfo,
        description: 'Where the page stands in the list, and whether there is more.',
        resolve: (page) => page,
      }),
    }),
  });
  return Connection;
}

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never;
type NodeRef<Node> = ObjectRef<Types, Node> | InterfaceRef<Types, Node>;
