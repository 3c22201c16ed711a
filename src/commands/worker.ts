import { Worker } from '../worker.ts';
import { options } from './command.ts';
import { readNetwork } from './network.ts';
import { requireKeyFile, runUntilSignal, warnOfRoot } from './run-until-signal.ts';
import { settings } from './settings.ts';

export async function work(args: readonly string[]): Promise<void> {
  const given = options(args, { network: { type: 'string' } });
  const { env, logger } = settings('serve', 'info');
  const network = readNetwork(given.network) ?? env.network;
  Worker.requirePostgres(env.databaseUrl);
  requireKeyFile(env);
  warnOfRoot(logger);
  const worker = await Worker.open({ ...env, network, logger });
  await runUntilSignal(worker, logger);
  logger.info({ network: network ?? null }, 'taking connection tests');
}
