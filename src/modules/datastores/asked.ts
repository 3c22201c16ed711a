import type { DatastoresTable, EnvironmentsTable } from '../../platform/database/tables.ts';
import { shownColumns } from '../connection-tests/shown-row.ts';

type DatastoreColumn = keyof DatastoresTable;
type EnvironmentColumn = keyof EnvironmentsTable;
type TestColumn = (typeof shownColumns)[number];

/** What is read of datastores: some columns of theirs, and of their environments and last tests if asked for. */
export interface AskedOfDatastores {
  /** Tells these apart, for statements that are kept. */
  readonly name: string;
  readonly columns: readonly DatastoreColumn[];
  /** Null: the environment is not asked for. */
  readonly environment: readonly EnvironmentColumn[] | null;
  readonly lastTest: readonly TestColumn[] | null;
  /** Whether what a list is sorted by is read too, of which the cursors of a page are made. */
  readonly cursors: boolean;
  /** Whether their secrets are read too, sealed as they are. */
  readonly sealed: boolean;
}

/** What is always read, for whoever reads datastores goes by it. */
const ALWAYS = ['id', 'type', 'environment_id'] as const;
/** Which columns the fields of a datastore are made of, beside those. For any other field all of them are read. */
const datastoreColumns: Readonly<Record<string, readonly DatastoreColumn[]>> = {
  ...Object.fromEntries(
    ['__typename', 'id', 'type', 'connector', 'environment', 'lastTest', 'connectionTests'].map((name) => [name, []]),
  ),
  name: ['name'],
  label: ['label'],
  version: ['version'],
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
  'first_version',
  'last_test_id',
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
export const wholeDatastores: AskedOfDatastores = asked(ALL_COLUMNS, null, null, true);
/** The same with their secrets, for whoever opens them. */
export const datastoresWithSecrets: AskedOfDatastores = {
  ...wholeDatastores,
  name: `${wholeDatastores.name} sealed`,
  sealed: true,
};

/** Says what to read for the fields that are asked of datastores, of their environments and of their last tests. */
export function askedBy(
  fields: ReadonlySet<string>,
  ofEnvironments: Iterable<string>,
  ofTests: Iterable<string>,
  cursors: boolean,
): AskedOfDatastores {
  return asked(
    columnsFor(fields, datastoreColumns, ALL_COLUMNS, ALWAYS),
    fields.has('environment') ? columnsFor(ofEnvironments, environmentColumns, ALL_OF_ENVIRONMENT) : null,
    fields.has('lastTest') ? columnsFor(ofTests, testColumns, shownColumns, ['id']) : null,
    cursors,
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
  cursors: boolean,
): AskedOfDatastores {
  const name = [columns, environment, lastTest, cursors ? 'cursors' : ''].join(' ');
  return { name, columns, environment, lastTest, cursors, sealed: false };
}
