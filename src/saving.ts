import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { ANY_OF_THIS_MACHINE } from './connectors/kit/network/addresses.ts';
import type { LimitSettings } from './errors/limits.ts';
import { Executor, type ExecutorOptions } from './executor/executor.ts';
import { CatalogWriter } from './modules/catalogs/writer.ts';
import { DatabaseQueue, type DatabaseQueueOptions, ownTypes } from './modules/connection-tests/database-queue.ts';
import { GatewayTests } from './modules/connection-tests/gateway-tests.ts';
import { type RunnerOptions, TestRunner } from './modules/connection-tests/runner.ts';
import { ConnectionTestService } from './modules/connection-tests/service.ts';
import { DataStructureService } from './modules/data-structures/service.ts';
import { DatastoreDeletion } from './modules/datastores/deletion.ts';
import { DraftReader } from './modules/datastores/draft-reader.ts';
import { SavePreparation } from './modules/datastores/preparation.ts';
import { SaveProof, withoutProof } from './modules/datastores/proof.ts';
import { DatastoreSaver } from './modules/datastores/save.ts';
import { DatastoreService } from './modules/datastores/service.ts';
import { EnvironmentService } from './modules/environments/service.ts';
import { Idempotency } from './modules/idempotency/service.ts';
import { RecordFit } from './modules/managed-data/fit.ts';
import { StoreRemoval } from './modules/managed-data/removal.ts';
import { ManagedStorage } from './modules/managed-data/storage.ts';
import { ManagedStores } from './modules/managed-data/stores.ts';
import { ManifestService } from './modules/manifests/service.ts';
import type { ProcessKind } from './modules/processes/process.ts';
import { ProcessRegistry } from './modules/processes/registry.ts';
import { ProcessService } from './modules/processes/service.ts';
import { RevisionHistory, type RevisionLimits } from './modules/revisions/history.ts';
import { UsageService } from './modules/usages/service.ts';
import type { OpenedDatabase } from './open-database.ts';
import { type DatabasePlace, databasePlace } from './platform/database/database.ts';
import { Sealer } from './platform/keys/sealer.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import { readVersion } from './version.ts';

export interface SavingOptions extends Pick<OpenedDatabase, 'database' | 'doorbell' | 'keyring'> {
  readonly executor: Executor;
  readonly logger: Logger;
  readonly revisionSecrets: RevisionLimits;
  readonly limits?: LimitSettings | undefined;
  /** How long connectionTestProgress waits for a test that does not exist yet, in milliseconds. */
  readonly unbornWaitMs?: number | undefined;
  /** Which tests this process takes. Left out: those of no network. */
  readonly network?: string | undefined;
  readonly takesTests?: RunnerOptions['takesTests'];
  /** Told of each test that this process has ended. Left out: nobody is. */
  readonly onTestEnded?: RunnerOptions['onEnded'];
  readonly tracer?: RunnerOptions['tracer'];
}

/** Constructs what proves and stores datastores: the gateway and the commands that store any have it in common. */
export function constructSaving({ database, doorbell, keyring, executor, logger, ...options }: SavingOptions) {
  const { limits, unbornWaitMs, network, takesTests, onTestEnded: onEnded, tracer } = options;
  const sealer = new Sealer(database, keyring);
  const idempotency = new Idempotency(database, keyring);
  const environments = new EnvironmentService(database, keyring, sealer, idempotency);
  const catalogs = new CatalogWriter(database, keyring);
  const dataStructures = new DataStructureService(database, keyring, environments, new RecordFit());
  const storeRemoval = new StoreRemoval(database);
  const managedStores = new ManagedStores(dataStructures, storeRemoval);
  const gatewayTests = new GatewayTests((job) => new ManagedStorage(database, job), logger);
  const rows: DatabaseQueueOptions = { database, doorbell, sealer, catalogs, onEnded, tracer };
  const queue = new DatabaseQueue(
    rows,
    // what gateways keep themselves they test themselves, for there may be nobody else who could
    takesTests === false
      ? { owner: randomUUID(), network: null, types: { only: ownTypes } }
      : { owner: randomUUID(), network: network ?? null },
  );
  const runner = new TestRunner({ queue, executor, gatewayTests, logger, takesTests, onEnded, tracer });
  const connectionTests = new ConnectionTestService({
    ...{ database, doorbell, keyring, sealer, runner, unbornWaitMs, limits },
  });
  const drafts = new DraftReader(database, sealer, environments, logger);
  const proof = new SaveProof(connectionTests, executor);
  const history = new RevisionHistory({ database, sealer, limits: options.revisionSecrets });
  const saver = new DatastoreSaver({ database, keyring, sealer, connectionTests, history, managedStores });
  const preparation = new SavePreparation({ database, connectionTests, drafts, proof });
  const planning = new SavePreparation({ database, connectionTests, drafts, proof: withoutProof });
  const datastores = new DatastoreService({ database, environments, drafts, preparation, saver, idempotency });
  const usages = new UsageService(database, keyring);
  const deletion = new DatastoreDeletion(database, keyring, environments, usages, managedStores);
  const manifests = new ManifestService({
    ...{ database, keyring, environments, datastores, dataStructures, drafts, preparation, planning, saver, deletion },
  });
  return {
    ...{ sealer, idempotency, environments, runner, connectionTests, drafts, proof, history, saver, preparation },
    ...{ datastores, usages, deletion, dataStructures, manifests, storeRemoval, rows },
  };
}

export type Saving = ReturnType<typeof constructSaving>;

/** By which others see this process, under the id that owns the tests that it runs. */
export function constructRegistry(
  kind: ProcessKind,
  { database, logger, network, limits }: Pick<SavingOptions, 'database' | 'logger' | 'network' | 'limits'>,
  runner: TestRunner,
  beatMs?: number | undefined,
) {
  const { owner: id, capacity } = runner;
  const facts = { id, kind, host: hostname(), version: readVersion(), network: network ?? null, capacity };
  return {
    registry: new ProcessRegistry({ database, logger, facts, running: () => runner.runningCount, beatMs }),
    processes: new ProcessService(database, limits),
  };
}

/** As the environment variables give them. */
export interface ExecutorSettings {
  readonly egressAllow: readonly string[];
  readonly egressProxy?: string | undefined;
  readonly executorIsolation?: ExecutorOptions['isolation'];
  readonly logger: Logger;
  /** For the project's own tests alone. */
  readonly testing?: ExecutorOptions['testing'];
}

export function createExecutor(settings: ExecutorSettings): Executor {
  const { egressAllow, egressProxy, executorIsolation, logger, testing } = settings;
  const policy = { allow: egressAllow, forbidden: [], ...(egressProxy ? { proxy: egressProxy } : {}) };
  return new Executor({ policy, isolation: executorIsolation, logger, ...(testing ? { testing } : {}) });
}

/**
 * Keeps tests from the gateway's own database: at the place that its URL names and at each that its driver reaches,
 * which the result is to be told, and at the same port of every address of this machine, from which it may be forwarded
 * there.
 */
export async function forbidDatabase(executor: Executor, databaseUrl: string): Promise<(peer: DatabasePlace) => void> {
  const forbid = ({ host, port }: DatabasePlace) => {
    if (!host.startsWith('/')) executor.forbid({ host, port });
    executor.forbid({ host: ANY_OF_THIS_MACHINE, port });
  };
  const named = await databasePlace(databaseUrl);
  if (named) forbid(named);
  return forbid;
}
