import type { TraceSettings } from './env.ts';
import { type Executor, findConfinement } from './executor/executor.ts';
import { listenForMetrics, type MetricsPlace } from './listen-for-metrics.ts';
import type { Metrics } from './metrics.ts';
import type { TestRunner } from './modules/connection-tests/runner.ts';
import type { ConnectionTestService } from './modules/connection-tests/service.ts';
import type { ProcessRegistry } from './modules/processes/registry.ts';
import type { ProcessService } from './modules/processes/service.ts';
import { revisionDefaults } from './modules/revisions/history.ts';
import { type OpenedDatabase, openDatabase } from './open-database.ts';
import { parseDatabaseUrl, shownDatabaseUrl } from './platform/database/database.ts';
import type { KeyPlace } from './platform/keys/key-source.ts';
import type { Tracer } from './platform/telemetry/tracer.ts';
import { constructRegistry, constructSaving, createExecutor, type ExecutorSettings, forbidDatabase } from './saving.ts';
import { MetricsServer } from './server/metrics-server.ts';
import { SettingError } from './setting-error.ts';

/** What a worker is made of. main.ts reads it from the environment. */
export interface WorkerOptions extends KeyPlace, MetricsPlace, ExecutorSettings {
  readonly databaseUrl: string;
  /** Left out: nobody collects traces. */
  readonly traces?: TraceSettings | undefined;
  /** Left out: it takes the tests of environments without a network. */
  readonly network?: string | undefined;
  /** How long tests that run may go on when it stops, in milliseconds. Left out: 15,000. */
  readonly drainMs?: number;
}

/** How long tests that run may go on when it stops: with what follows, it has ended within 20 s. */
export const DRAIN_MS = 15_000;
const NEEDS_POSTGRES =
  'A worker shares the database of the gateways, and a SQLite file is one gateway’s, which takes its tests itself. Give the postgres:// URL that the gateways have, or ask that gateway with --gateway.';

/**
 * Takes connection tests from the database of the gateways and runs them where it stands. It listens nowhere, but for
 * its metrics, checks no health and cleans up nothing.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #opened: OpenedDatabase;
  readonly #executor: Executor;
  readonly #runner: TestRunner;
  readonly #registry: ProcessRegistry;
  readonly #metrics: MetricsServer | undefined;
  readonly #tracer: Tracer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    options: WorkerOptions,
    executor: Executor,
    opened: OpenedDatabase,
    metrics: Metrics | undefined,
    tracer: Tracer | undefined,
  ) {
    const { logger, network } = options;
    const { runner, connectionTests } = constructSaving({
      ...{ ...opened, executor, logger, network, revisionSecrets: revisionDefaults },
      onTestEnded: metrics?.onTestEnded,
      tracer,
    });
    const { registry, processes } = constructRegistry('WORKER', { ...opened, logger, network }, runner);
    this.#tracer = tracer;
    this.#options = options;
    this.#executor = executor;
    this.#opened = opened;
    this.#runner = runner;
    this.#registry = registry;
    this.#metrics = metrics && new MetricsServer({ metrics, logger });
    metrics?.readFrom(sourcesOf(connectionTests, processes, executor, opened));
  }

  /** @throws SettingError for a database that a worker cannot share */
  static requirePostgres(databaseUrl: string): void {
    if (parseDatabaseUrl(databaseUrl).kind === 'sqlite')
      throw new SettingError({ variable: 'DATABASE_URL', value: shownDatabaseUrl(databaseUrl) }, NEEDS_POSTGRES, null);
  }

  /**
   * Makes a worker that takes nothing yet.
   * @throws SettingError when the keys or the database cannot be used, naming the variable that says where they are
   */
  static async open(options: WorkerOptions): Promise<Worker> {
    const { databaseUrl } = options;
    Worker.requirePostgres(databaseUrl);
    const executor = createExecutor(options);
    const onPeer = await forbidDatabase(executor, databaseUrl);
    const metrics = options.metricsPort === undefined ? undefined : new (await import('./metrics.ts')).Metrics();
    const onStatement =
      metrics && ((_sql: string, _parameters: readonly unknown[], ms: number) => metrics.onStatement(ms));
    const opened = await openDatabase({
      ...options,
      bootstrap: false,
      // an empty one is none that gateways have
      mustExist: true,
      onPeer,
      ...(onStatement ? { onStatement } : {}),
    });
    try {
      const { traces, logger } = options;
      const { clock } = opened.database;
      const tracer = traces && (await import('./tracing.ts')).createTracer(traces, executor, clock, logger);
      return new Worker(options, executor, opened, metrics, tracer);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Takes tests from now on. */
  async listen(): Promise<void> {
    this.#executor.confine(await findConfinement());
    await listenForMetrics(this.#metrics, this.#executor, this.#options);
    await this.#registry.start();
    this.#runner.start();
  }

  /** Lets the tests that run end, hands on those that take long, and closes everything, within 20 s. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#runner.drain(this.#options.drainMs ?? DRAIN_MS);
    await this.#runner.stop();
    await this.#registry.stop();
    await this.#metrics?.close();
    await this.#executor.close();
    await this.#opened.close();
    await this.#tracer?.close();
  }
}

function sourcesOf(
  connectionTests: ConnectionTestService,
  processes: ProcessService,
  executor: Executor,
  { database }: OpenedDatabase,
) {
  return {
    processes: () => processes.counts(),
    queue: () => connectionTests.queue(),
    executor: () => executor.stats(),
    pool: () => database.connections(),
  };
}
