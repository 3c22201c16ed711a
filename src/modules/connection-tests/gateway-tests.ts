import { runChecks, type TestOutcome } from '../../connectors/kit/checks/run-checks.ts';
import type { CatalogEntry } from '../../connectors/kit/contract/catalog-entry.ts';
import type { Dialer, OwnStorage } from '../../connectors/kit/contract/connector.ts';
import { connectorOf } from '../../connectors/registry.ts';
import type { CheckEvent, TestJob } from '../../executor/executor.ts';
import type { Logger } from '../../platform/telemetry/logger.ts';

const refuse = (): never => {
  throw new Error('a test that runs in the gateway dials nothing');
};
const noDialer: Dialer = {
  resolve: refuse,
  resolveService: refuse,
  dial: refuse,
  openTunnel: refuse,
  secure: refuse,
  hold: refuse,
  afterwards: refuse,
};

/** A test of a datastore, or of a draft of one. */
export interface GatewayJob extends Pick<TestJob, 'environmentId' | 'config'> {
  /** Null: it is not stored. */
  readonly datastoreId: string | null;
}

/** Runs the tests of what the gateway keeps itself. They dial nothing and load no driver, so no child is needed. */
export class GatewayTests {
  readonly #storage: (job: GatewayJob) => OwnStorage;
  readonly #logger: Logger;

  constructor(storage: (job: GatewayJob) => OwnStorage, logger: Logger) {
    this.#storage = storage;
    this.#logger = logger;
  }

  run(
    job: TestJob & GatewayJob,
    onEvent: (event: CheckEvent) => void,
    signal: AbortSignal,
    onCatalog?: (entries: readonly CatalogEntry[]) => Promise<void>,
  ): Promise<TestOutcome> {
    const deadline = AbortSignal.timeout(Math.max(0, job.timeoutMs));
    return runChecks({
      connector: connectorOf(job.type),
      config: job.config,
      checks: job.checks,
      secrets: job.secrets,
      tenancy: job.tenancy ?? null,
      dialer: noDialer,
      storage: this.#storage(job),
      signal: AbortSignal.any([signal, deadline]),
      onEvent,
      ...(onCatalog ? { onCatalog } : {}),
      log: (level, text) => this.#logger[level]({ testId: job.testId, detail: text }, 'A check failed.'),
    });
  }
}
