import type { Selectable } from 'kysely';
import type { ConnectionTestsTable } from '../../platform/tables.ts';
import type { CheckResult, ConnectionTest, TestPurpose, TestStatus } from './test.ts';

/** The columns that the API shows of a test. The others are the queue's, and the log of its events, which is long. */
export const shownColumns = [
  'id',
  'type',
  'purpose',
  'datastore_id',
  'datastore_version',
  'environment_id',
  'requested_by',
  'requested_on_behalf_of',
  'created_at',
  'status',
  'restarts',
  'checks',
  'failure',
  'started_at',
  'finished_at',
  'duration_ms',
] as const;

export type ShownRow = Pick<Selectable<ConnectionTestsTable>, (typeof shownColumns)[number]>;

/** Reads a row as the API shows it. Its checks are parsed when somebody asks for them: most lists do not. */
export function testOf(row: ShownRow): ConnectionTest {
  const test = {
    id: row.id,
    type: row.type,
    purpose: row.purpose as TestPurpose,
    datastoreId: row.datastore_id,
    datastoreVersion: row.datastore_version,
    environmentId: row.environment_id,
    requestedBy: row.requested_by,
    requestedOnBehalfOf: row.requested_on_behalf_of,
    createdAt: row.created_at,
    status: row.status as TestStatus,
    attempt: row.restarts + 1,
    // it is missing where the column was not read, as in most lists; a getter takes longer than all of the others
    checks: undefined as unknown as readonly CheckResult[],
    failure: row.failure ? JSON.parse(row.failure) : null,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    durationMs: row.duration_ms,
  };
  if (row.checks === undefined) return test;
  let checks: readonly CheckResult[] | undefined;
  const get = () => {
    checks ??= JSON.parse(row.checks) as CheckResult[];
    return checks;
  };
  return Object.defineProperty(test, 'checks', { get, enumerable: true });
}
