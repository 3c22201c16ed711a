import type { Executor } from './executor/executor.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import type { MetricsServer } from './server/metrics-server.ts';
import { withSetting } from './setting-error.ts';

export interface MetricsPlace {
  readonly host: string;
  /** Left out: there are no metrics. */
  readonly metricsPort?: number | undefined;
  readonly logger: Logger;
}

/**
 * Has the metrics answered at their port, where no test may look. @returns where they are; undefined where nobody
 * collects any
 * @throws SettingError when the port cannot be had
 */
export async function listenForMetrics(
  server: MetricsServer | undefined,
  executor: Executor,
  { host, metricsPort, logger }: MetricsPlace,
): Promise<string | undefined> {
  if (server === undefined || metricsPort === undefined) return undefined;
  const { address, port } = await withSetting({ variable: 'METRICS_PORT', value: String(metricsPort) }, () =>
    server.listen(host, metricsPort),
  );
  executor.forbid({ host: address, port });
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`;
  logger.info({ url }, 'metrics');
  return url;
}
