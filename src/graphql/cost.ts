import type { GraphQLField } from 'graphql';
import { defaultPageSize, maxPageSize } from '../platform/paging.ts';

declare module 'graphql' {
  interface GraphQLFieldExtensions<_TSource, _TContext, _TArgs> {
    /** What the field costs by itself, in fields, where one of it may be large; see server/cost.ts. */
    cost?: number | ((given: (argument: string) => unknown) => number);
    /** What each thing costs that a mutation changes, in fields. Left out: as much as a transaction of its own. */
    changeCost?: number;
  }
}

/** What a field costs besides being one field. `given` tells what an argument is, undefined where it is left out. */
export function costOf(field: GraphQLField<unknown, unknown>, given: (argument: string) => unknown): number {
  const { cost = 0 } = field.extensions;
  return typeof cost === 'number' ? cost : cost(given);
}

/** How many items a page of a connection has: where nothing is asked for, and at most. */
export const pageSizes = { default: defaultPageSize, most: maxPageSize } as const;
