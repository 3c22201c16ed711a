import { isNamedByOperator } from './connectors/kit/network/addresses.ts';
import type { Executor } from './executor/executor.ts';
import type { Context } from './graphql/context.ts';
import { lazyLoaders } from './graphql/lazy-loaders.ts';
import type { Access } from './modules/access/access.ts';
import { AccessService, requireScope } from './modules/access/service.ts';
import { ApiTokenService } from './modules/api-tokens/service.ts';
import { RefusalLog } from './modules/audit/refusals.ts';
import { AuditService } from './modules/audit/service.ts';
import { catalogChangesLoader, catalogLoader } from './modules/catalogs/loader.ts';
import { CatalogService } from './modules/catalogs/service.ts';
import { TestHistory, type TestRetention } from './modules/connection-tests/history.ts';
import { connectionTestLoader, runningTestsLoader } from './modules/connection-tests/loader.ts';
import { dataStructureLoader } from './modules/data-structures/loader.ts';
import { DatastoreBatches } from './modules/datastores/batches.ts';
import { DatastoreEvents } from './modules/datastores/events.ts';
import { askedDatastoreLoader, datastoreLoader } from './modules/datastores/loader.ts';
import { environmentLoader } from './modules/environments/loader.ts';
import { healthHistoryLoader, healthLoader } from './modules/health/loader.ts';
import { HealthScheduler } from './modules/health/scheduler.ts';
import { RecordEvents } from './modules/managed-data/events.ts';
import { managedStoreLoader } from './modules/managed-data/loader.ts';
import { RecordService } from './modules/managed-data/service.ts';
import { RecordTransfers } from './modules/managed-data/transfers.ts';
import { RequestedTestService } from './modules/requested-tests/service.ts';
import { RevisionService } from './modules/revisions/service.ts';
import { SessionTokenService } from './modules/session-tokens/service.ts';
import { usageLoader } from './modules/usages/loader.ts';
import { WebhookDeliverer } from './modules/webhooks/deliverer.ts';
import { WebhookSecrets } from './modules/webhooks/secrets.ts';
import { WebhookSender } from './modules/webhooks/sender.ts';
import { WebhookService } from './modules/webhooks/service.ts';
import { WorkerService } from './modules/workers/service.ts';
import type { OpenedDatabase } from './open-database.ts';
import { Chores } from './platform/chores.ts';
import type { Logger } from './platform/telemetry/logger.ts';
import { constructRegistry, type Saving, type SavingOptions } from './saving.ts';

export interface ServingOptions
  extends Pick<OpenedDatabase, 'database' | 'doorbell' | 'keyring'>,
    Pick<SavingOptions, 'network' | 'limits'> {
  readonly executor: Executor;
  readonly logger: Logger;
  /** As parseEgressAllow gives it. */
  readonly egressAllow: readonly string[];
  readonly testRetention: TestRetention;
  /** How often it looks for health checks, and for messages to webhooks, that are due, in milliseconds. */
  readonly healthTickMs?: number | undefined;
  readonly webhookTickMs?: number | undefined;
  /** How often the process tells that it lives, in milliseconds. */
  readonly beatMs?: number | undefined;
}

/** Constructs what a gateway has beside what stores datastores: the API's services, and what runs by itself. */
export function constructServing(saving: Saving, options: ServingOptions) {
  const { database, doorbell, keyring, logger, network, limits } = options;
  const { idempotency, environments, runner, connectionTests, drafts, proof, history, saver, preparation } = saving;
  const { datastores, usages, dataStructures, manifests } = saving;
  const access = new AccessService(database, keyring, logger);
  const refusals = new RefusalLog({ database, keyring, logger });
  const { registry, processes } = constructRegistry(
    'GATEWAY',
    { database, logger, network, limits },
    runner,
    options.beatMs,
  );
  const records = new RecordService(database, keyring, dataStructures);
  const recordEvents = new RecordEvents(database, doorbell);
  const health = new HealthScheduler({
    ...{ database, keyring, connectionTests, drafts, logger, tickMs: options.healthTickMs },
  });
  const webhookSecrets = new WebhookSecrets(database, saving.sealer);
  const webhookSender = new WebhookSender(options.executor, (host, port) =>
    isNamedByOperator(host, port, { allow: options.egressAllow }),
  );
  const deliverer = new WebhookDeliverer({
    ...{ database, keyring, secrets: webhookSecrets, sender: webhookSender, logger, tickMs: options.webhookTickMs },
  });
  const services = {
    access,
    environments,
    connectionTests,
    datastores,
    datastoreBatches: new DatastoreBatches({ datastores, preparation, saver, idempotency }),
    datastoreDeletion: saving.deletion,
    datastoreEvents: new DatastoreEvents(database, doorbell),
    apiTokens: new ApiTokenService(access, environments),
    sessionTokens: new SessionTokenService(access, environments),
    requestedTests: new RequestedTestService(drafts, connectionTests),
    usages,
    audit: new AuditService(database),
    processes,
    workers: new WorkerService({ ...saving.rows, processes, logger }),
    dataStructures,
    manifests,
    records,
    recordEvents,
    revisions: new RevisionService({
      ...{ database, keyring, history, datastores, drafts, proof, saver, idempotency, logger },
    }),
    catalogs: new CatalogService(database, drafts, connectionTests),
    webhooks: new WebhookService({
      ...{ database, keyring, environments, idempotency, secrets: webhookSecrets, sender: webhookSender },
    }),
  } satisfies Context['services'];
  const transfers = new RecordTransfers({ database, keyring, records });
  const testHistory = new TestHistory(database, options.testRetention);
  const chores = new Chores(
    [
      { title: 'idempotency keys that have expired', step: () => idempotency.removeExpired() },
      { title: 'secrets of older versions', step: () => history.eraseExpired() },
      { title: 'old events of records', step: () => recordEvents.removeExpired() },
      { title: 'records of deleted datastores', step: () => saving.storeRemoval.step() },
      { title: 'events of connection tests that have ended', step: () => testHistory.foldEnded() },
      { title: 'old connection tests of no datastore', step: () => testHistory.removeOldOfNone() },
      { title: 'old connection tests of datastores', step: () => testHistory.removeOld() },
      { title: 'old hours of health checks', step: () => health.removeOld() },
      { title: 'processes that are gone', step: () => processes.removeGone() },
      { title: 'old deliveries and secrets of webhooks', step: () => deliverer.removeOld() },
    ],
    logger,
  );
  return { services, refusals, registry, health, deliverer, transfers, chores };
}

export type Serving = ReturnType<typeof constructServing>;

/** Makes what makes a request's context, for the one who asks. */
export function contextMaker({ services, refusals }: Serving, database: OpenedDatabase['database']) {
  const loadersOf = lazyLoaders<Access>({
    environment: (access) => environmentLoader(services.environments, access),
    connectionTest: (access) => connectionTestLoader(services.connectionTests, access),
    runningTests: (access) => runningTestsLoader(services.connectionTests, access),
    datastore: (access) => datastoreLoader(services.datastores, access),
    askedDatastore: (access) => askedDatastoreLoader(services.datastores, access),
    catalog: (access) => catalogLoader(services.catalogs, access),
    catalogChanges: () => catalogChangesLoader(database),
    usage: (access) => usageLoader(services.usages, access),
    health: () => healthLoader(database),
    healthHistory: () => healthHistoryLoader(database),
    managedStore: (access) => managedStoreLoader(services.records, access),
    dataStructure: (access) => dataStructureLoader(services.dataStructures, access),
  });
  return (access: Access): Context => ({
    access,
    services,
    requireScope: (scope) => requireScope(access, scope),
    refused: (coordinate, fault) => refusals.operation(access, coordinate, fault.message),
    loaders: loadersOf(access),
  });
}
