import { type GraphQLResolveInfo, isAbstractType } from 'graphql';
import { type AskedFields, askedFields } from '../../graphql/asked-fields.ts';
import type { DatastoresTable, EnvironmentsTable } from '../../platform/tables.ts';
import { SHOWN_COLUMNS } from '../connection-tests/store.ts';

type DatastoreColumn = keyof DatastoresTable;
type EnvironmentColumn = keyof EnvironmentsTable;
type TestColumn = (typeof SHOWN_COLUMNS)[number];

/** What is read of datastores: some columns of theirs, and of their environments and last tests if asked for. */
export interface AskedOfDatastores {
  /** Tells these apart, for statements that are kept. */
  readonly name: string;
  readonly columns: readonly DatastoreColumn[];
  /** Null: the environment is not asked for. */
  readonly environment: readonly EnvironmentColumn[] | null;
  readonly lastTest: readonly TestColumn[] | null;
}

/** What is always read, for whoever reads datastores goes by it. */
const ALWAYS = ['id', 'type', 'environment_id', 'name', 'label', 'version', 'first_version', 'last_test_id'] as const;
/** Which columns the fields of a datastore are made of, beside those. For any other field all of them are read. */
const datastoreColumns: Readonly<Record<string, readonly DatastoreColumn[]>> = {
  ...Object.fromEntries(
    ['__typename', 'id', 'type', 'connector', 'name', 'label', 'version'].map((name) => [name, []]),
  ),
  environment: [],
  lastTest: [],
  connectionTests: [],
  config: ['config'],
  configJson: ['config'],
  secrets: ['secrets'],
  tenancy: ['tenancy'],
  tags: ['tags'],
  description: ['description'],
  ownerName: ['owner_name'],
  createdAt: ['created_at'],
  createdBy: ['created_by'],
  createdOnBehalfOf: ['created_on_behalf_of'],
  updatedAt: ['updated_at'],
  updatedBy: ['updated_by'],
  updatedOnBehalfOf: ['updated_on_behalf_of'],
};
const ALL_COLUMNS: readonly DatastoreColumn[] = [
  ...ALWAYS,
  ...new Set(Object.values(datastoreColumns).flat()),
  'check_every_minutes',
];

const environmentColumns: Readonly<Record<string, readonly EnvironmentColumn[]>> = {
  __typename: [],
  id: [],
  name: ['name'],
};
const ALL_OF_ENVIRONMENT: readonly EnvironmentColumn[] = ['name', 'network', 'created_at', 'updated_at', 'created_by'];

const testColumns: Readonly<Record<string, readonly TestColumn[]>> = {
  __typename: [],
  id: [],
  type: ['type'],
  purpose: ['purpose'],
  status: ['status'],
  attempt: ['restarts'],
  checks: ['checks'],
  failure: ['failure'],
  createdAt: ['created_at'],
  startedAt: ['started_at'],
  finishedAt: ['finished_at'],
  durationMs: ['duration_ms'],
};

/** All of a datastore, and nothing that it leads to. */
export const wholeDatastores: AskedOfDatastores = asked(ALL_COLUMNS, null, null);

const known = new WeakMap<AskedFields, AskedOfDatastores>();

/** What an operation asks for of datastores, wherever it does. */
export function askedOfDatastores(info: GraphQLResolveInfo): AskedOfDatastores {
  const fields = askedFields(info);
  const found = known.get(fields) ?? read(fields, info);
  known.set(fields, found);
  return found;
}

function read(fields: AskedFields, { schema }: GraphQLResolveInfo): AskedOfDatastores {
  const datastore = schema.getType('Datastore');
  const types = isAbstractType(datastore) ? schema.getPossibleTypes(datastore).map(({ name }) => name) : [];
  const ofDatastores = [...types, 'Datastore', 'Node'].flatMap((type) => [...(fields.get(type) ?? [])]);
  const names = new Set(ofDatastores);
  const of = (type: string) => [...(fields.get(type) ?? [])].concat(...(fields.get('Node') ?? []));
  return asked(
    columnsFor(names, datastoreColumns, ALL_COLUMNS, ALWAYS),
    names.has('environment') ? columnsFor(of('Environment'), environmentColumns, ALL_OF_ENVIRONMENT) : null,
    names.has('lastTest') ? columnsFor(of('ConnectionTest'), testColumns, SHOWN_COLUMNS, ['id']) : null,
  );
}

function columnsFor<Column>(
  names: Iterable<string>,
  columns: Readonly<Record<string, readonly Column[]>>,
  all: readonly Column[],
  always: readonly Column[] = [],
): readonly Column[] {
  const needed = new Set(always);
  for (const name of names) {
    if (!Object.hasOwn(columns, name)) return all;
    for (const column of columns[name] ?? []) needed.add(column);
  }
  return [...needed];
}

function asked(
  columns: readonly DatastoreColumn[],
  environment: readonly EnvironmentColumn[] | null,
  lastTest: readonly TestColumn[] | null,
): AskedOfDatastores {
  return { name: [columns, environment, lastTest].join(' '), columns, environment, lastTest };
}
