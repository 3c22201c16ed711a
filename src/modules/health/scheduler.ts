import { RequestFault, UserError } from '../../errors/api.ts';
import { LimitFault } from '../../errors/limits.ts';
import { type Database, DatabaseUnavailableError } from '../../platform/database/database.ts';
import type { Keyring } from '../../platform/keys/keyring.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';
import { Ticker } from '../../platform/ticker.ts';
import type { Access } from '../access/access.ts';
import type { ConnectionTestService } from '../connection-tests/service.ts';
import { type ConnectionTest, hasEnded } from '../connection-tests/test.ts';
import type { DraftReader } from '../datastores/draft-reader.ts';
import { journalDatastore } from '../datastores/journal.ts';
import { queueMessages } from '../webhooks/outbox.ts';
import { afterTest } from './certificates.ts';
import { afterCheck, intervalMs } from './health.ts';
import { type HealthRecord, HOURS_KEPT_MS } from './history.ts';
import { recordCheck, removeHours } from './history-store.ts';
import { type HealthRow, healthOf, lockForResult, setPaused, setRunning, takeDue, writeResult } from './store.ts';

/** How often it looks for what is due, in milliseconds. */
const TICK_MS = 2_000;
/** How many checks are begun in one go. */
const AT_ONCE = 50;
/** After how long somebody else begins what a process has taken and not begun. */
const TAKEN_MS = 60_000;
/** How long after a test's start it is looked at again by whoever is there: after its deadline. */
const LOOK_AGAIN_MS = 40_000;
/** How many hours of the history one change removes. */
const REMOVED_AT_ONCE = 500;

/** Who makes health checks: nobody's token. */
const checker: Access = {
  tokenId: 'health check',
  actor: { name: 'health check', onBehalfOf: null },
  isSession: false,
  scopes: new Set(['DATASTORES_READ', 'DATASTORES_TEST']),
  environmentIds: 'all',
  expiresAt: null,
};

export interface HealthSchedulerOptions {
  readonly database: Database;
  readonly keyring: Keyring;
  readonly connectionTests: ConnectionTestService;
  readonly drafts: DraftReader;
  readonly logger: Logger;
  /** How often it looks for what is due, in milliseconds. Left out: 2,000. */
  readonly tickMs?: number | undefined;
}

/**
 * Tests datastores as often as they want to be. The rows say what is due: any number of processes share them, and each
 * looks with one statement, however many datastores there are. Never are there two checks of one datastore at once.
 */
export class HealthScheduler {
  readonly #options: HealthSchedulerOptions;
  readonly #stopping = new AbortController();
  readonly #following = new Set<Promise<void>>();
  readonly #ticker: Ticker;

  constructor(options: HealthSchedulerOptions) {
    this.#options = options;
    const onError = (error: unknown) => this.#report(error);
    this.#ticker = new Ticker({ everyMs: options.tickMs ?? TICK_MS, work: () => this.#goOn(), onError });
  }

  start(): void {
    this.#ticker.start();
  }

  /** Begins no more. Checks that run go on elsewhere. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ticker.stop();
    await Promise.all(this.#following);
  }

  async #goOn(): Promise<void> {
    for (let taken = AT_ONCE; taken === AT_ONCE && !this.#stopping.signal.aborted; ) {
      const rows = await this.#options.database.change((change) =>
        takeDue(change, change.clock.timestamp(), change.clock.timestamp(TAKEN_MS), AT_ONCE),
      );
      taken = rows.length;
      for (const row of rows) await this.#begin(row);
    }
  }

  async #begin(taken: HealthRow): Promise<void> {
    const { datastore_id: datastoreId, running_test_id: running } = taken;
    try {
      // whoever began it has died, or is late: it is looked at, and not begun twice
      if (running !== null) return await this.#settle(datastoreId, running);
      const { database, connectionTests, drafts } = this.#options;
      const { subject } = await drafts.stored(checker, datastoreId);
      const test = await connectionTests.start(checker, subject, 'HEALTH', { path: [] });
      const until = database.clock.timestamp(LOOK_AGAIN_MS);
      await database.change((change) => setRunning(change, taken, test.id, until));
      this.#follow(datastoreId, test);
    } catch (error) {
      await this.#refused(taken, error);
    }
  }

  /** Why a check cannot be begun: a limit that is reached passes by itself, and what a person has to mend pauses it. */
  async #refused(taken: HealthRow, error: unknown): Promise<void> {
    if (error instanceof LimitFault || error instanceof DatabaseUnavailableError) return;
    const isTold = error instanceof UserError || error instanceof RequestFault;
    if (!isTold)
      this.#options.logger.error({ err: error, datastoreId: taken.datastore_id }, 'a health check could not be begun');
    const reason = isTold ? error.message : 'The check could not be begun; the log of the gateway has more.';
    await this.#options.database.change((change) => setPaused(change, taken, reason));
  }

  #follow(datastoreId: string, test: ConnectionTest): void {
    const following = this.#untilEnd(datastoreId, test)
      .catch((error: unknown) => this.#report(error))
      .finally(() => this.#following.delete(following));
    this.#following.add(following);
  }

  async #untilEnd(datastoreId: string, { id }: ConnectionTest): Promise<void> {
    const { signal } = this.#stopping;
    for await (const event of this.#options.connectionTests.progress(checker, id, 0, signal))
      if (hasEnded(event.test)) await this.#settle(datastoreId, id);
  }

  /** Takes the result of a check into the health, once; while the test has not ended, nothing. */
  async #settle(datastoreId: string, testId: string): Promise<void> {
    const { database, keyring, connectionTests } = this.#options;
    const [test] = await connectionTests.find(checker, [testId]);
    if (test && !hasEnded(test)) return;
    await database.change(async (change) => {
      const row = await lockForResult(change, datastoreId);
      if (!row || row.running_test_id !== testId) return;
      const before = healthOf(row);
      const every = row.check_every_minutes;
      const at = new Date(test?.finishedAt ?? change.clock.now());
      const result = test?.status === 'PASSED' ? 'HEALTHY' : 'UNHEALTHY';
      // a test that somebody has cancelled, or that is gone, tells nothing: the next one does
      const tells = test && test.status !== 'CANCELLED';
      const outcome = { result, cause: test?.failure?.cause ?? null, at } as const;
      const after = afterCheck(before, outcome, every ?? 1, Math.random());
      const seen = tells ? afterTest(before.certificates, test, at.getTime()) : null;
      const known = tells ? after : { ...before, nextCheckAt: after.nextCheckAt };
      const now = { ...known, ...(seen && { certificates: seen.state }) };
      await writeResult(change, datastoreId, every === null ? { ...now, nextCheckAt: null } : now);
      if (tells) await recordCheck(change, datastoreId, recordOf(test, at, after.nextCheckAt, every ?? 1));
      const datastore = { id: datastoreId, environmentId: row.environment_id };
      for (const certificate of seen?.toTell ?? [])
        await queueMessages(change, { kind: 'CERTIFICATE_EXPIRING', datastore, facts: { ...certificate, testId } });
      if (now.status === before.status) return;
      await journalDatastore(change, keyring, {
        kind: 'HEALTH_CHANGED',
        datastore,
        actor: checker.actor,
        detail: { from: before.status, to: now.status, testId },
        facts: { from: before.status, to: now.status, since: now.since, testId },
      });
    });
  }

  /** Removes some of what the history of checks needs no more. @returns whether there may be more */
  async removeOld(): Promise<boolean> {
    const { database } = this.#options;
    const before = database.clock.timestamp(-HOURS_KEPT_MS);
    return (await database.change((change) => removeHours(change, before, REMOVED_AT_ONCE))) === REMOVED_AT_ONCE;
  }

  #report(error: unknown): void {
    if (this.#stopping.signal.aborted || error instanceof DatabaseUnavailableError) return;
    this.#options.logger.error({ err: error }, 'health checks could not be looked after');
  }
}

/** What the history keeps of a test that tells how its datastore is. */
function recordOf(test: ConnectionTest, at: Date, nextCheckAt: string | null, everyMinutes: number): HealthRecord {
  return {
    at,
    until: nextCheckAt === null ? new Date(at.getTime() + intervalMs(everyMinutes)) : new Date(nextCheckAt),
    passed: test.status === 'PASSED',
    durationMs: test.durationMs,
    checks: test.checks.flatMap(({ name, status, durationMs }) =>
      (status === 'PASSED' || status === 'WARNING') && durationMs !== null ? [{ name, durationMs }] : [],
    ),
  };
}
