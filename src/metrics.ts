import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { TestQueue } from './modules/connection-tests/service.ts';
import type { ConnectionTest } from './modules/connection-tests/test.ts';
import type { ProcessCounts } from './modules/processes/process.ts';
import type { OnOperation, OnResponse } from './server/observers.ts';

/** What is asked when somebody reads the metrics. */
export interface MetricsSources {
  /** Rejects while the database is away. Left out, as the next two, where a process has no database. */
  readonly queue?: () => Promise<TestQueue>;
  /** The processes that live. Rejects while the database is away. */
  readonly processes?: () => Promise<ProcessCounts>;
  readonly executor: () => { readonly children: number; readonly running: number };
  /** Left out where nobody connects to the process. */
  readonly open?: () => { readonly connections: number; readonly subscriptions: number };
  /** The connections of the database's pool; undefined for SQLite, which has one. */
  readonly pool?: () => { readonly total: number; readonly idle: number; readonly waiting: number } | undefined;
}

/** In seconds: from an answer out of memory to the longest that a request may take. */
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** In seconds: a test may take 120. */
const TEST_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 60, 120];
const PREFIX = 'datastore_gateway_';

/**
 * What this process tells Prometheus of itself, in the text format 0.0.4. Each label has few values, all of which the
 * code knows: no text of a user, no host, no id. Names and units are by Prometheus' own rules
 * (https://prometheus.io/docs/practices/naming/).
 */
export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #responses = this.#counter('http_responses_total', 'Answers over HTTP', ['path', 'status']);
  readonly #operations = this.#histogram(
    'operation_duration_seconds',
    'Operations of GraphQL and transfers of records: how long they ran, and how they ended; of a subscription, how long it took to begin',
    ['kind', 'operation', 'result'],
    REQUEST_BUCKETS,
  );
  readonly #tests = this.#histogram(
    'test_duration_seconds',
    'Connection tests that ended here, from their start',
    ['type', 'purpose', 'status', 'cause'],
    TEST_BUCKETS,
  );
  readonly #waits = this.#histogram('test_wait_seconds', 'How long tests waited to be taken', [], TEST_BUCKETS);
  readonly #statements = this.#histogram('database_statement_seconds', 'Statements', [], REQUEST_BUCKETS);

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
  }

  /** From now on these are asked whenever somebody reads. */
  readFrom(sources: MetricsSources): void {
    this.#gauge('executor_children', 'Processes that run tests', () => sources.executor().children);
    this.#gauge('tests_running', 'Tests that run in this process', () => sources.executor().running);
    const { open } = sources;
    if (open) {
      this.#gauge('open_connections', 'Open WebSockets', () => open().connections);
      this.#gauge('open_subscriptions', 'Running subscriptions', () => open().subscriptions);
    }
    this.#readPool(sources);
    this.#readProcesses(sources);
    this.#readQueue(sources);
  }

  readonly onResponse: OnResponse = (path, status) => this.#responses.inc({ path, status });

  readonly onOperation: OnOperation = ({ kind, operation, result, ms }) =>
    this.#operations.observe({ kind, operation, result }, ms / 1e3);

  readonly onStatement = (ms: number): void => this.#statements.observe(ms / 1e3);

  readonly onTestEnded = (test: ConnectionTest): void => {
    const { type, purpose, status, failure } = test;
    this.#tests.observe({ type, purpose, status, cause: failure?.cause ?? 'NONE' }, (test.durationMs ?? 0) / 1e3);
    if (test.startedAt === null) return;
    this.#waits.observe(Math.max(0, Date.parse(test.startedAt) - Date.parse(test.createdAt)) / 1e3);
  };

  /** Everything as Prometheus reads it. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #readPool({ pool }: MetricsSources): void {
    if (pool?.() === undefined) return;
    this.#gauge('database_connections', 'Connections of the pool', () => pool()?.total ?? 0);
    this.#gauge('database_connections_idle', 'Connections that nobody uses', () => pool()?.idle ?? 0);
    this.#gauge('database_waiting', 'Statements that wait for a connection', () => pool()?.waiting ?? 0);
  }

  #readProcesses({ processes }: MetricsSources): void {
    if (!processes) return;
    new Gauge({
      name: `${PREFIX}processes`,
      help: 'Processes that serve or take tests, and live',
      labelNames: ['kind'],
      registers: [this.#registry],
      async collect() {
        const counts = await processes().catch(() => undefined);
        // what is not known is not told
        for (const [kind, count] of Object.entries(counts ?? {})) this.set({ kind }, count);
      },
    });
  }

  /** One reading gives three gauges: the first one that is asked reads for all. */
  #readQueue({ queue }: MetricsSources): void {
    if (!queue) return;
    const registers = [this.#registry];
    const depth = new Gauge({
      name: `${PREFIX}tests_queued`,
      help: 'Tests of all replicas that wait to be taken; 10,000 where there are more',
      registers,
    });
    const age = new Gauge({
      name: `${PREFIX}tests_queued_oldest_seconds`,
      help: 'How long the oldest of them has waited',
      registers,
    });
    new Gauge({
      name: `${PREFIX}database_up`,
      help: '1 when the database answers',
      registers,
      async collect() {
        const read = await queue().catch(() => undefined);
        this.set(read ? 1 : 0);
        // what is not known is not told
        if (!read) return;
        depth.set(read.depth);
        age.set(read.oldestMs / 1e3);
      },
    });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.#registry] });
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: Label[], buckets: number[]) {
    return new Histogram({ name: PREFIX + name, help, labelNames, buckets, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: PREFIX + name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}
