import type DataLoader from 'dataloader';
import type { ConnectionTest } from '../connection-tests/test.ts';
import type { EnvironmentRow } from '../environments/service.ts';
import type { Datastore } from './datastore.ts';

interface Readers {
  readonly environment: DataLoader<string, EnvironmentRow | null>;
  readonly connectionTest: DataLoader<string, ConnectionTest | null>;
}

const environmentRead = Symbol('environment');
const lastTestRead = Symbol('lastTest');

/** A datastore, which lives as long as its request, with what was read for it beforehand. */
interface Related extends Datastore {
  [environmentRead]?: EnvironmentRow;
  [lastTestRead]?: ConnectionTest | null;
}

/**
 * Reads what a page of datastores leads to, of what is asked for, before its fields are resolved: these then answer at
 * once, where a promise for each field of each node takes longer than the reading.
 */
export async function readRelated(
  datastores: readonly Related[],
  asked: ReadonlySet<string>,
  readers: Readers,
): Promise<void> {
  const wantsTests = asked.has('lastTest');
  const [environmentsById, testsById] = await Promise.all([
    readAll(readers.environment, asked.has('environment') ? datastores.map((one) => one.environmentId) : []),
    readAll(readers.connectionTest, wantsTests ? datastores.flatMap(({ lastTestId }) => lastTestId ?? []) : []),
  ]);
  for (const datastore of datastores) {
    const environment = environmentsById.get(datastore.environmentId);
    if (environment) datastore[environmentRead] = environment;
    const test = datastore.lastTestId === null ? null : testsById.get(datastore.lastTestId);
    if (wantsTests && test !== undefined) datastore[lastTestRead] = test;
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
  if (!environment) throw new Error('a datastore without its environment');
  return environment;
}

/** What cannot be read is left to who asks for it, and fails there. */
async function readAll<Found>(loader: DataLoader<string, Found>, ids: readonly string[]): Promise<Map<string, Found>> {
  const distinct = [...new Set(ids)];
  const found = await loader.loadMany(distinct);
  const read = distinct.map((id, at) => [id, found[at] as Found | Error] as const);
  return new Map(read.filter((entry): entry is [string, Found] => !(entry[1] instanceof Error)));
}
