import type { Scope } from './access.ts';

/** What a field asks of the caller's token. */
export interface Right {
  /** Null: a token is enough. */
  readonly scope: Scope | null;
  /** What some inputs ask besides, by which ones they are; the services check it, for only they can tell. */
  readonly more?: Readonly<Record<string, Scope>>;
  /** True where the token has to be for all environments. */
  readonly everywhere?: true;
}

const ANYONE: Right = { scope: null };
const READ = { scope: 'DATASTORES_READ' } as const satisfies Right;
const WRITE: Right = { scope: 'DATASTORES_WRITE' };
const SAVE = {
  scope: 'DATASTORES_WRITE',
  more: { 'with `test` or `refreshCatalog`': 'DATASTORES_TEST' },
} as const satisfies Right;
const TEST: Right = { scope: 'DATASTORES_TEST' };
const ENVIRONMENTS: Right = { scope: 'ENVIRONMENTS_WRITE' };
const TOKENS: Right = { scope: 'TOKENS_ADMIN' };
const AUDIT: Right = { scope: 'AUDIT_READ' };
const PROCESSES: Right = { scope: 'PROCESSES_READ', everywhere: true };
const RUN: Right = { scope: 'TESTS_RUN' };
const RECORDS: Right = { scope: 'RECORDS_READ' };
const WRITE_RECORDS: Right = { scope: 'RECORDS_WRITE' };
const USAGES: Right = { scope: 'USAGES_WRITE' };

/**
 * What each operation asks of the caller's token, and each field of another type that asks for anything. The schema's
 * checks are made of it before any input is judged, docs/tokens-and-scopes.md is printed from it, and
 * test/tables/access.test.ts tries every cell. An operation that has no line here keeps the gateway from starting.
 */
export const rights = {
  'Query.viewer': ANYONE,
  'Query.environments': ANYONE,
  'Query.environment': ANYONE,
  'Query.connectors': ANYONE,
  'Query.connectorsVersion': ANYONE,
  'Query.connector': ANYONE,
  'Query.parseConnection': ANYONE,
  'Query.datastore': READ,
  'Query.datastoreByName': READ,
  'Query.datastores': READ,
  'Query.connectionTest': READ,
  'Query.dataStructures': READ,
  'Query.dataStructure': READ,
  'Query.exportManifest': READ,
  'Query.planManifest': { scope: 'DATASTORES_READ', more: { 'with a secret': 'DATASTORES_WRITE' } },
  'Query.webhooks': WRITE,
  'Query.webhookDeliveries': WRITE,
  'Query.node': ANYONE,
  'Query.nodes': ANYONE,
  'Query.apiTokens': TOKENS,
  'Query.auditLog': AUDIT,
  'Query.processes': PROCESSES,
  'Mutation.createDatastore': SAVE,
  'Mutation.updateDatastore': SAVE,
  'Mutation.upsertDatastore': SAVE,
  'Mutation.createDatastores': SAVE,
  'Mutation.updateDatastores': SAVE,
  'Mutation.deleteDatastores': WRITE,
  'Mutation.revertDatastore': WRITE,
  'Mutation.purgeRevisionSecrets': WRITE,
  'Mutation.startConnectionTest': {
    scope: 'DATASTORES_TEST',
    more: { 'with a check that writes': 'DATASTORES_WRITE' },
  },
  'Mutation.cancelConnectionTest': TEST,
  'Mutation.refreshCatalog': TEST,
  'Mutation.registerUsage': USAGES,
  'Mutation.unregisterUsage': USAGES,
  'Mutation.createDataStructure': WRITE,
  'Mutation.updateDataStructure': WRITE,
  'Mutation.cloneDataStructure': WRITE,
  'Mutation.deleteDataStructure': WRITE,
  'Mutation.applyManifest': WRITE,
  'Mutation.cloneEnvironment': WRITE,
  'Mutation.putRecord': WRITE_RECORDS,
  'Mutation.putRecords': WRITE_RECORDS,
  'Mutation.deleteRecords': WRITE_RECORDS,
  'Mutation.createWebhook': WRITE,
  'Mutation.updateWebhook': WRITE,
  'Mutation.deleteWebhook': WRITE,
  'Mutation.rotateWebhookSecret': WRITE,
  'Mutation.sendTestWebhook': WRITE,
  'Mutation.redeliverWebhookMessages': WRITE,
  'Mutation.tendWorker': RUN,
  'Mutation.leaseTests': RUN,
  'Mutation.recordTestEvents': RUN,
  'Mutation.recordCatalog': RUN,
  'Mutation.createEnvironment': { ...ENVIRONMENTS, everywhere: true },
  'Mutation.updateEnvironment': ENVIRONMENTS,
  'Mutation.deleteEnvironment': ENVIRONMENTS,
  'Mutation.createSessionToken': ANYONE,
  'Mutation.createApiToken': TOKENS,
  'Mutation.revokeApiToken': TOKENS,
  'Subscription.connectionTestProgress': READ,
  'Subscription.datastoreEvents': READ,
  'Subscription.recordEvents': RECORDS,
  'Subscription.workerSignals': RUN,
  'ConflictError.current': READ,
  'ConflictError.currentRecord': RECORDS,
  'InUseError.datastores': READ,
  'ConfirmationRequiredError.usages': READ,
  'ApplyManifestSuccess.plan': READ,
  'CloneEnvironmentSuccess.plan': READ,
  'DatastoreUsage.datastore': READ,
  'RecordsMisfitError.misfits': RECORDS,
  'Process.tests': READ,
  'ManagedDatastore.dataStructure': READ,
  'ManagedDatastore.record': RECORDS,
  'ManagedDatastore.records': RECORDS,
} as const satisfies Readonly<Record<string, Right>>;

/** The name of a line: an operation's or a field's coordinate. */
export type Guarded = keyof typeof rights;
