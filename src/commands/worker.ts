import type { Env } from '../env.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import { RemoteWorker } from '../remote-worker.ts';
import { Worker } from '../worker.ts';
import { options, UsageError } from './command.ts';
import { GATEWAY, type GivenGateway, readGateway } from './gateway.ts';
import { readNetwork } from './network.ts';
import { requireKeyFile, runUntilSignal, warnOfRoot } from './run-until-signal.ts';
import { settings } from './settings.ts';

/** Only HTTPS keeps the token from who listens on the way, but for a gateway on this machine. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export async function work(args: readonly string[]): Promise<void> {
  const given = options(args, { network: { type: 'string' }, token: { type: 'string' }, ...GATEWAY });
  const { env, logger } = settings('serve', 'info');
  const network = readNetwork(given.network) ?? env.network;
  if (given.gateway === undefined && given.token !== undefined)
    throw new UsageError('--token goes with --gateway: a worker without it uses DATABASE_URL.');
  if (given.gateway === undefined) await workOnDatabase(env, network, logger);
  else await workForGateway(given, env, network, logger);
  logger.info({ network: network ?? null }, 'taking connection tests');
}

async function workOnDatabase(env: Env, network: string | undefined, logger: Logger): Promise<void> {
  Worker.requirePostgres(env.databaseUrl);
  requireKeyFile(env);
  warnOfRoot(logger);
  await runUntilSignal(await Worker.open({ ...env, network, logger }), logger);
}

async function workForGateway(
  given: GivenGateway,
  env: Env,
  network: string | undefined,
  logger: Logger,
): Promise<void> {
  const gateway = readGateway(given);
  if (!gateway) throw new UsageError('--gateway takes the URL of a gateway.');
  if (gateway.url.protocol === 'http:' && !LOOPBACK.test(gateway.url.hostname))
    logger.warn(
      { gateway: gateway.url.origin },
      'the token goes to the gateway over http:// in clear text: use https://',
    );
  warnOfRoot(logger);
  const worker: RemoteWorker = await RemoteWorker.open({
    ...env,
    gateway,
    network,
    logger,
    onRefused: (error) => {
      logger.fatal({ err: error }, 'the gateway refuses the token: this worker ends');
      void worker.close().finally(() => process.exit(1));
    },
  });
  await runUntilSignal(worker, logger);
}
