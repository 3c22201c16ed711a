import { randomUUID } from 'node:crypto';
import type { TraceSettings } from './env.ts';
import type { Executor } from './executor/executor.ts';
import type { DatabaseClock } from './platform/database/clock.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import { OtlpExporter } from './platform/telemetry/otlp-exporter.ts';
import { Tracer } from './platform/telemetry/tracer.ts';

const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/** Has spans collected as the settings say; no test may look where they are sent. */
export function createTracer(
  { url, headers, resource, ratio, gatherMs }: TraceSettings,
  executor: Executor,
  clock: Pick<DatabaseClock, 'now'>,
  logger: Logger,
): Tracer {
  const { hostname, port, protocol } = new URL(url);
  const usual = protocol === 'https:' ? HTTPS_PORT : HTTP_PORT;
  executor.forbid({ host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usual : Number(port) });
  // one of several replicas
  const described = { 'service.instance.id': randomUUID(), ...resource };
  return new Tracer({
    exporter: new OtlpExporter({ url, headers, resource: described, logger, gatherMs }),
    ratio,
    clock,
  });
}
