import { builder } from './builder.ts';

/** Anything that has an id. */
export interface Identified {
  readonly id: string;
}

/** What has been found by its id alone, and the name of its type: a row itself does not say which table it is of. */
const typeNames = new WeakMap<Identified, string>();

/** Marks a thing that was found by its id alone as one of a type. */
export function asNode<Thing extends Identified>(thing: Thing, typeName: string): Thing {
  typeNames.set(thing, typeName);
  return thing;
}

/** What `node` finds by its id: the interface that Relay and other clients with a cache know. */
export const NodeRef = builder.interfaceRef<Identified>('Node').implement({
  description: 'Anything that `node` finds by its id. Ids are UUIDs, unique over all types.',
  resolveType: (thing) => typeNames.get(thing),
  fields: (t) => ({
    id: t.exposeID('id', { description: 'A UUID. No two things have the same, whatever their types are.' }),
  }),
});
