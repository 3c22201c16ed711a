import type { Selectable } from 'kysely';
import type { ConnectionTestsTable } from '../../platform/database/tables.ts';
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
  return new ShownTest(row);
}

/** It has a class for its getter: one that each object has by itself makes V8 keep each as a hash table. */
class ShownTest implements ConnectionTest {
  readonly id: string;
  readonly type: string;
  readonly purpose: TestPurpose;
  readonly datastoreId: string | null;
  readonly datastoreVersion: number | null;
  readonly environmentId: string;
  readonly requestedBy: string;
  readonly requestedOnBehalfOf: string | null;
  readonly createdAt: string;
  readonly status: TestStatus;
  readonly attempt: number;
  readonly failure: ConnectionTest['failure'];
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly durationMs: number | null;
  /** Undefined where the column was not read, as in most lists. */
  readonly #stored: string | undefined;
  #checks: readonly CheckResult[] | undefined;

  constructor(row: ShownRow) {
    this.id = row.id;
    this.type = row.type;
    this.purpose = row.purpose as TestPurpose;
    this.datastoreId = row.datastore_id;
    this.datastoreVersion = row.datastore_version;
    this.environmentId = row.environment_id;
    this.requestedBy = row.requested_by;
    this.requestedOnBehalfOf = row.requested_on_behalf_of;
    this.createdAt = row.created_at;
    this.status = row.status as TestStatus;
    this.attempt = row.restarts + 1;
    this.failure = row.failure ? JSON.parse(row.failure) : null;
    this.startedAt = row.started_at;
    this.finishedAt = row.finished_at;
    this.durationMs = row.duration_ms;
    this.#stored = row.checks;
  }

  get checks(): readonly CheckResult[] {
    if (this.#checks === undefined && this.#stored !== undefined) this.#checks = JSON.parse(this.#stored);
    return this.#checks as readonly CheckResult[];
  }

  /** What a worker without the database gets of it. */
  toJSON(): ConnectionTest {
    return { ...this, checks: this.checks };
  }
}
