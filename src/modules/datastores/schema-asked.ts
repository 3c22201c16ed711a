import { type GraphQLResolveInfo, isAbstractType, Kind } from 'graphql';
import { type AskedFields, askedFields } from '../../graphql/asked-fields.ts';
import { type AskedOfDatastores, askedBy } from './asked.ts';

const known = new WeakMap<AskedFields, AskedOfDatastores>();

/** What an operation asks for of datastores, wherever it does. */
export function askedOfDatastores(info: GraphQLResolveInfo): AskedOfDatastores {
  const fields = askedFields(info);
  const found = known.get(fields) ?? read(fields, info);
  known.set(fields, found);
  return found;
}

/** Whether an operation asks for one field, and nothing beside it. */
export function isAlone({ operation: { selectionSet } }: GraphQLResolveInfo): boolean {
  const [first, ...others] = selectionSet.selections;
  return first?.kind === Kind.FIELD && others.length === 0;
}

function read(fields: AskedFields, { schema }: GraphQLResolveInfo): AskedOfDatastores {
  const datastore = schema.getType('Datastore');
  const types = isAbstractType(datastore) ? schema.getPossibleTypes(datastore).map(({ name }) => name) : [];
  // a fragment on Node asks it of whatever it is spread in
  const of = (...names: string[]) => new Set([...names, 'Node'].flatMap((name) => [...(fields.get(name) ?? [])]));
  const pages = of('DatastoreEdge', 'PageInfo');
  const cursors = ['cursor', 'startCursor', 'endCursor'].some((name) => pages.has(name));
  return askedBy(of('Datastore', ...types), of('Environment'), of('ConnectionTest'), cursors);
}
