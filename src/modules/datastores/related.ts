import type DataLoader from 'dataloader';
import type { Selectable } from 'kysely';
import { RequestFault } from '../../errors/api.ts';
import type { DatastoresTable, SecretKeysTable } from '../../platform/database/tables.ts';
import { recordMaker } from '../../platform/record-maker.ts';
import { type ShownRow, testOf } from '../connection-tests/shown-row.ts';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { EnvironmentRow } from '../environments/service.ts';
import type { AskedOfDatastores } from './asked.ts';
import type { Datastore } from './datastore.ts';

interface Readers {
  readonly environment: DataLoader<string, EnvironmentRow | null>;
  readonly connectionTest: DataLoader<string, ConnectionTest | null>;
}

const environmentRead = Symbol('environment');
const lastTestRead = Symbol('lastTest');

/** A datastore, which lives as long as its request, with what was read for it beforehand. */
export interface Related extends Datastore {
  [environmentRead]?: EnvironmentRow;
  [lastTestRead]?: ConnectionTest | null;
}

/** A row of a datastore with what was read of its environment and its last test beside it, see joinedColumns(). */
export type JoinedRow = Selectable<DatastoresTable> & {
  readonly [Column in `environment__${string}` | `test__${string}`]?: unknown;
} & {
  readonly sealed__key?: string | null;
  readonly sealed__wrapped?: SecretKeysTable['wrapped'] | null;
  readonly sealed__bound_to?: string | null;
  readonly sealed__texts?: string | null;
};

/** The columns of what is asked for beside datastores, as they are called in a row. */
export function joinedColumns({ environment, lastTest }: AskedOfDatastores) {
  return [
    ...(environment ?? []).map((column) => `environments.${column} as environment__${column}` as const),
    ...(lastTest ?? []).map((column) => `connection_tests.${column} as test__${column}` as const),
  ];
}

/**
 * Makes what keeps with datastores, one after the other, what their rows have of their environments and last tests.
 * Neighbours in one environment have it together.
 */
export function joinedKeeper({
  environment,
  lastTest,
}: AskedOfDatastores): (datastore: Related, row: JoinedRow) => void {
  const environmentOfRow = environment && picker<EnvironmentRow>('environment__', environment);
  const testOfRow = lastTest && picker<ShownRow>('test__', lastTest);
  let last: EnvironmentRow | undefined;
  return (datastore, row) => {
    if (environmentOfRow) {
      if (last?.id !== row.environment_id) last = environmentOfRow(row, row.environment_id);
      datastore[environmentRead] = last;
    }
    if (!testOfRow) return;
    const id = row.test__id as string | null;
    datastore[lastTestRead] = id === null ? null : testOf(testOfRow(row, id));
  };
}

type Picker<Row> = (row: JoinedRow, id: string) => Row;

const pickers = new WeakMap<readonly string[], Picker<never>>();

/** Makes what picks some joined columns from rows: what was not read is not there, for nobody asks for it. */
function picker<Row>(prefix: 'environment__' | 'test__', columns: readonly string[]): Picker<Row> {
  const known = pickers.get(columns);
  if (known) return known;
  const others = columns.filter((column) => column !== 'id');
  const recordOf = recordMaker(['id', ...others]);
  const names = others.map((column) => `${prefix}${column}` as keyof JoinedRow);
  const made: Picker<Row> = (row, id) => {
    const values = new Array<unknown>(names.length + 1);
    values[0] = id;
    for (const [at, name] of names.entries()) values[at + 1] = row[name];
    return recordOf(values) as Row;
  };
  pickers.set(columns, made as Picker<never>);
  return made;
}

/**
 * Reads what a page of datastores leads to, of what is asked for, before its fields are resolved, where it was not
 * joined: these then answer at once, where a promise for each field of each node takes longer than the reading.
 */
export async function readRelated(
  datastores: readonly Related[],
  { environment, lastTest }: AskedOfDatastores,
  readers: Readers,
): Promise<void> {
  const apart = datastores.filter((one) => one[environmentRead] === undefined && one[lastTestRead] === undefined);
  if (apart.length === 0) return;
  const [environmentsById, testsById] = await Promise.all([
    readAll(readers.environment, environment ? apart.map((one) => one.environmentId) : []),
    readAll(readers.connectionTest, lastTest ? apart.flatMap(({ lastTestId }) => lastTestId ?? []) : []),
  ]);
  for (const datastore of apart) {
    const found = environmentsById.get(datastore.environmentId);
    if (found) datastore[environmentRead] = found;
    const test = datastore.lastTestId === null ? null : testsById.get(datastore.lastTestId);
    if (lastTest && test !== undefined) datastore[lastTestRead] = test;
  }
}

/** The environment of a datastore, which always has one. */
export function environmentOf(datastore: Related, { environment }: Readers): EnvironmentRow | Promise<EnvironmentRow> {
  return datastore[environmentRead] ?? loadEnvironment(datastore, environment);
}

/** The newest test of a datastore; null where there is none. */
export function lastTestOf(
  datastore: Related,
  { connectionTest }: Readers,
): ConnectionTest | null | Promise<ConnectionTest | null> {
  const known = datastore[lastTestRead];
  if (known !== undefined || datastore.lastTestId === null) return known ?? null;
  return connectionTest.load(datastore.lastTestId);
}

async function loadEnvironment({ environmentId }: Datastore, loader: Readers['environment']): Promise<EnvironmentRow> {
  const environment = await loader.load(environmentId);
  // both were deleted since the datastore was read
  if (!environment) throw new RequestFault('NOT_FOUND');
  return environment;
}

/** What cannot be read is left to who asks for it, and fails there. */
async function readAll<Found>(loader: DataLoader<string, Found>, ids: readonly string[]): Promise<Map<string, Found>> {
  const distinct = [...new Set(ids)];
  const found = await loader.loadMany(distinct);
  const read = distinct.map((id, at) => [id, found[at] as Found | Error] as const);
  return new Map(read.filter((entry): entry is [string, Found] => !(entry[1] instanceof Error)));
}
