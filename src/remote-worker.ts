import { hostname } from 'node:os';
import type { TraceSettings } from './env.ts';
import { type Executor, findConfinement } from './executor/executor.ts';
import { listenForMetrics, type MetricsPlace } from './listen-for-metrics.ts';
import type { Metrics } from './metrics.ts';
import { MOST_AT_ONCE, TestRunner } from './modules/connection-tests/runner.ts';
import { GatewayClient, type TokenRefusedError } from './modules/workers/gateway-client.ts';
import { GatewayQueue } from './modules/workers/gateway-queue.ts';
import type { Gateway } from './platform/ask-gateway.ts';
import type { Tracer } from './platform/telemetry/tracer.ts';
import { createExecutor, type ExecutorSettings } from './saving.ts';
import { MetricsServer } from './server/metrics-server.ts';
import { readVersion } from './version.ts';
import { DRAIN_MS } from './worker.ts';

/** What a worker without the database is made of. main.ts reads it from the command line and the environment. */
export interface RemoteWorkerOptions extends MetricsPlace, ExecutorSettings {
  readonly gateway: Gateway;
  /** Left out: nobody collects traces. */
  readonly traces?: TraceSettings | undefined;
  /** Left out: it takes the tests of environments without a network. */
  readonly network?: string | undefined;
  /** Called once when the gateway refuses the token for good: there is nothing left to do. */
  readonly onRefused: (error: TokenRefusedError) => void;
}

type TracerMaker = (executor: Executor, clock: GatewayQueue['clock']) => Tracer | undefined;

/** Takes connection tests from a gateway and runs them where it stands. It has neither the database nor its keys. */
export class RemoteWorker {
  readonly #options: RemoteWorkerOptions;
  readonly #executor: Executor;
  readonly #queue: GatewayQueue;
  readonly #runner: TestRunner;
  readonly #metrics: MetricsServer | undefined;
  readonly #tracer: Tracer | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: RemoteWorkerOptions, metrics: Metrics | undefined, tracerOf: TracerMaker) {
    const { gateway, network = null, logger, onRefused } = options;
    const executor = createExecutor(options);
    const { hostname: host, port, protocol } = gateway.url;
    // with a test's own network rules nobody gets at the gateway's inner side
    executor.forbid({ host: host.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) });
    this.#options = options;
    this.#executor = executor;
    this.#queue = new GatewayQueue({
      client: new GatewayClient(gateway, logger),
      facts: { host: hostname(), version: readVersion(), network, capacity: MOST_AT_ONCE },
      onRefused,
    });
    this.#tracer = tracerOf(executor, this.#queue.clock);
    const [queue, tracer, onEnded] = [this.#queue, this.#tracer, metrics?.onTestEnded];
    this.#runner = new TestRunner({ queue, executor, logger, onEnded, tracer });
    this.#metrics = metrics && new MetricsServer({ metrics, logger });
    metrics?.readFrom({ executor: () => executor.stats() });
  }

  static async open(options: RemoteWorkerOptions): Promise<RemoteWorker> {
    const metrics = options.metricsPort === undefined ? undefined : new (await import('./metrics.ts')).Metrics();
    const { traces, logger } = options;
    const create = traces && (await import('./tracing.ts')).createTracer;
    return new RemoteWorker(options, metrics, (executor, clock) => traces && create?.(traces, executor, clock, logger));
  }

  /** Takes tests from now on. Rejects when the gateway cannot be asked, or refuses. */
  async listen(): Promise<void> {
    await this.#queue.register();
    this.#executor.confine(await findConfinement());
    await listenForMetrics(this.#metrics, this.#executor, this.#options);
    this.#runner.start();
  }

  /** Lets the tests that run end, hands on those that take long, and closes everything, within 20 s. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#runner.drain(DRAIN_MS);
    await this.#runner.stop();
    await this.#queue.leave();
    await this.#metrics?.close();
    await this.#executor.close();
    await this.#tracer?.close();
  }
}
