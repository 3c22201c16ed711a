import { type Expression, type ExpressionBuilder, expressionBuilder, type SqlBool } from 'kysely';
import {
  type Database,
  isAlsoOneOf,
  isOneOf,
  isOneOfMany,
  positionFunction,
  unsought,
} from '../../platform/database/database.ts';
import type { Tables } from '../../platform/database/tables.ts';
import { type Sight, whereVisible, whereVisibleToo } from '../access/visibility.ts';
import { fold } from './datastore.ts';

export const orderColumns = {
  LABEL: 'label_folded',
  NAME: 'name',
  TYPE: 'type',
  CREATED_AT: 'created_at',
  UPDATED_AT: 'updated_at',
} as const;
export type OrderColumn = (typeof orderColumns)[keyof typeof orderColumns];

/** Says which datastores to list, in which order. */
export interface DatastoreQuery {
  readonly environmentId: string | null;
  readonly ids: readonly string[] | null;
  readonly names: readonly string[] | null;
  readonly types: readonly string[] | null;
  readonly search: string | null;
  /** All of them; without a value, any value of the key. */
  readonly tags: readonly { readonly key: string; readonly value: string | null }[];
  readonly lastTestStatus: readonly string[] | null;
  readonly health: readonly string[] | null;
  /** Whether something depends on them; null for both. */
  readonly inUse: boolean | null;
  /** An instant as it is stored. */
  readonly updatedSince: string | null;
  readonly order: { readonly field: keyof typeof orderColumns; readonly direction: 'ASC' | 'DESC' };
}

/** What narrows a list beside its environment and its tags. One that were missing here would narrow nothing. */
const filters = Object.keys({
  ...{ ids: 0, names: 0, types: 0, search: 0, lastTestStatus: 0, health: 0, inUse: 0, updatedSince: 0 },
} satisfies Record<Filter, 0>) as Filter[];
type Filter = Exclude<keyof DatastoreQuery, 'environmentId' | 'tags' | 'order'>;

export function isFiltered(query: DatastoreQuery): boolean {
  return query.tags.length > 0 || filters.some((name) => query[name] !== null);
}

/** Each part may find a whole page, so few at a time read little in vain. SQLite takes 500 SELECTs in a union. */
const MOST_PARTS = 10;

/** What an index has in the order of a list: all that the caller sees, or those of one environment or type alone. */
export interface Part {
  readonly environmentId: string | null;
  readonly type: string | null;
}

/**
 * Splits a list into parts, since all that several environments or types have would be sorted for each page. Where
 * these would be too many, all is walked along in order, and the rest left out.
 */
export function partsOf(access: Sight, query: DatastoreQuery): readonly Part[] {
  const seen = query.environmentId !== null ? [query.environmentId] : [...ownEnvironments(access)];
  const environmentIds = seen.length > 0 && seen.length <= MOST_PARTS ? seen : [null];
  const wanted = query.order.field === 'LABEL' ? [...new Set(query.types ?? [])] : [];
  const types = wanted.length > 0 && wanted.length * environmentIds.length <= MOST_PARTS ? wanted : [null];
  return environmentIds.flatMap((environmentId) => types.map((type) => ({ environmentId, type })));
}

function ownEnvironments({ environmentIds }: Sight): Iterable<string> {
  return environmentIds === 'all' ? [] : environmentIds;
}

/** Makes the condition of a part: what an index has, and what the caller may see. */
export function isInPart(access: Sight, query: DatastoreQuery, part: Part) {
  return ({ eb, and }: ExpressionBuilder<Tables, 'datastores'>) =>
    and([
      part.environmentId === null
        ? whereVisibleToo(access, 'datastores.environment_id', query.environmentId)
        : whereVisible(access, 'datastores.environment_id', part.environmentId),
      ...(part.type === null ? [] : [eb('datastores.type', '=', part.type)]),
    ]);
}

/** Makes the condition that these are some of a few that were found, and what the caller may see. */
export function isOneOfFew(kind: Database['kind'], access: Sight, query: DatastoreQuery, few: readonly string[]) {
  return ({ and }: ExpressionBuilder<Tables, 'datastores'>) =>
    and([
      isOneOfMany(kind, 'datastores.id', few),
      whereVisibleToo(access, 'datastores.environment_id', query.environmentId),
    ]);
}

/** Makes the condition of a query's filter, by which no index finds anything. */
export function fits(kind: Database['kind'], query: DatastoreQuery) {
  return (eb: ExpressionBuilder<Tables, 'datastores'>) => {
    const conditions: Expression<SqlBool>[] = [];
    if (query.ids) conditions.push(isAlsoOneOf('datastores.id', query.ids));
    if (query.names) conditions.push(isAlsoOneOf('datastores.name', query.names));
    if (query.types) conditions.push(isAlsoOneOf('datastores.type', query.types));
    if (query.updatedSince) conditions.push(eb(unsought('datastores.updated_at'), '>=', query.updatedSince));
    if (hasFacets(query)) conditions.push(eb.exists(facetsIn(eb, query)));
    for (const tag of query.tags) conditions.push(eb.exists(taggedWith(eb, tag)));
    if (query.search) {
      const wanted = fold(query.search);
      const at = (column: 'datastores.label_folded' | 'datastores.name') =>
        eb(eb.fn<number>(positionFunction[kind], [column, eb.val(wanted)]), '>', 0);
      conditions.push(eb.or([at('datastores.label_folded'), at('datastores.name')]));
    }
    return eb.and(conditions);
  };
}

function hasFacets({ lastTestStatus, health, inUse }: DatastoreQuery): boolean {
  return lastTestStatus !== null || health !== null || inUse !== null;
}

/** What other tables say of the datastore at hand, when that is asked for. */
function facetsIn(eb: ExpressionBuilder<Tables, 'datastores'>, query: DatastoreQuery) {
  return eb
    .selectFrom('datastore_facets')
    .select('datastore_facets.datastore_id')
    .where('datastore_facets.datastore_id', '=', unsought('datastores.id'))
    .where((facets) => facets.and(facetsOf(query)));
}

/** The conditions on what other tables say of a datastore. */
export function facetsOf({ lastTestStatus, health, inUse }: DatastoreQuery): Expression<SqlBool>[] {
  return [
    ...(lastTestStatus ? [isOneOf('datastore_facets.last_test_status', lastTestStatus)] : []),
    ...(health ? [isOneOf('datastore_facets.health', health)] : []),
    ...(inUse === null
      ? []
      : [expressionBuilder<Tables, 'datastore_facets'>()('datastore_facets.in_use', '=', Number(inUse))]),
  ];
}

/** The tag of the datastore at hand, when it has it. */
function taggedWith(eb: ExpressionBuilder<Tables, 'datastores'>, { key, value }: DatastoreQuery['tags'][number]) {
  return eb
    .selectFrom('datastore_tags')
    .select('key')
    .where('datastore_id', '=', unsought('datastores.id'))
    .where('key', '=', key)
    .$if(value !== null, (tag) => tag.where('value', '=', value ?? ''));
}
