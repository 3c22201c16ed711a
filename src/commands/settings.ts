import { type Env, type EnvMode, readEnv } from '../env.ts';
import { AccessService } from '../modules/access/service.ts';
import { DataStructureService } from '../modules/data-structures/service.ts';
import { EnvironmentService } from '../modules/environments/service.ts';
import { Idempotency } from '../modules/idempotency/service.ts';
import { RecordFit } from '../modules/managed-data/fit.ts';
import { RecordService } from '../modules/managed-data/service.ts';
import { RecordTransfers } from '../modules/managed-data/transfers.ts';
import { type OpenedDatabase, openDatabase } from '../open-database.ts';
import type { Database } from '../platform/database/database.ts';
import type { Keyring } from '../platform/keys/keyring.ts';
import { Sealer } from '../platform/keys/sealer.ts';
import { createLogger, type Logger } from '../platform/telemetry/logger.ts';
import type { Saving } from '../saving.ts';

/** The settings of a command, and where it logs. */
export function settings(mode: EnvMode, level: 'info' | 'warn'): { env: Env; logger: Logger } {
  const env = readEnv(mode);
  // a gateway in production logs to stdout; with other commands, stdout is for what a person reads
  const destination = level === 'info' ? {} : { destination: process.stderr };
  return { env, logger: createLogger({ level: env.logLevel ?? level, ...destination }) };
}

/**
 * Does something with the database and the keys, and closes them. With `mustExist: false` it makes tables where there
 * are none: whoever only asks would be told of an empty database, which a mistyped DATABASE_URL leads to.
 */
export async function withDatabase(
  work: (opened: OpenedDatabase, logger: Logger) => Promise<void>,
  { mustExist } = { mustExist: true },
): Promise<void> {
  const { env, logger } = settings('serve', 'warn');
  const opened = await openDatabase({ ...env, bootstrap: false, mustExist, logger });
  try {
    await work(opened, logger);
  } finally {
    await opened.close();
  }
}

/** What a command works with: it needs neither the API nor an executor. */
export interface Services {
  readonly access: AccessService;
  readonly environments: EnvironmentService;
}

export function withServices(
  work: (services: Services) => Promise<void>,
  options?: { readonly mustExist: boolean },
): Promise<void> {
  return withDatabase(({ database, keyring }, logger) => {
    const access = new AccessService(database, keyring, logger);
    return work({ access, environments: environmentsOf(database, keyring) });
  }, options);
}

function environmentsOf(database: Database, keyring: Keyring): EnvironmentService {
  const idempotency = new Idempotency(database, keyring);
  return new EnvironmentService(database, keyring, new Sealer(database, keyring), idempotency);
}

/** Does something with the records of managed datastores. */
export function withTransfers(work: (transfers: RecordTransfers) => Promise<void>): Promise<void> {
  return withDatabase(({ database, keyring }) => {
    const environments = environmentsOf(database, keyring);
    const structures = new DataStructureService(database, keyring, environments, new RecordFit());
    const records = new RecordService(database, keyring, structures);
    return work(new RecordTransfers({ database, keyring, records }));
  });
}

/** Does something that may store datastores: what they lead to is judged as the gateway judges it. */
export async function withSaving(work: (saving: Saving) => Promise<void>): Promise<void> {
  const { constructSaving, createExecutor, forbidDatabase } = await import('../saving.ts');
  const { env, logger } = settings('serve', 'warn');
  const executor = createExecutor({ ...env, logger });
  const onPeer = await forbidDatabase(executor, env.databaseUrl);
  const opened = await openDatabase({ ...env, bootstrap: false, mustExist: true, logger, onPeer });
  try {
    await work(constructSaving({ ...opened, executor, logger, revisionSecrets: env.revisionSecrets }));
  } finally {
    await executor.close();
    await opened.close();
  }
}
