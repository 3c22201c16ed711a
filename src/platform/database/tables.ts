import type { Generated, GeneratedAlways } from 'kysely';

/*
 * The tables are the same on SQLite and Postgres and hold text and numbers alone. A timestamp is ISO 8601 text in UTC
 * with milliseconds, JSON is text, a boolean is 0 or 1, an id is a UUID as text.
 */

/** A boolean in the database. */
export type Flag = number;

export interface Tables {
  environments: EnvironmentsTable;
  journal_heads: JournalHeadsTable;
  data_keys: DataKeysTable;
  api_tokens: ApiTokensTable;
  api_token_environments: ApiTokenEnvironmentsTable;
  datastores: DatastoresTable;
  datastore_counts: DatastoreCountsTable;
  datastore_facets: DatastoreFacetsTable;
  datastore_tags: DatastoreTagsTable;
  datastore_usages: DatastoreUsagesTable;
  data_structures: DataStructuresTable;
  datastore_revisions: DatastoreRevisionsTable;
  revision_keys: RevisionKeysTable;
  managed_stores: ManagedStoresTable;
  managed_records: ManagedRecordsTable;
  record_events: RecordEventsTable;
  secret_keys: SecretKeysTable;
  secret_versions: SecretVersionsTable;
  connection_tests: ConnectionTestsTable;
  test_events: TestEventsTable;
  catalogs: CatalogsTable;
  catalog_refreshes: CatalogRefreshesTable;
  catalog_entries: CatalogEntriesTable;
  catalog_changes: CatalogChangesTable;
  journal: JournalTable;
  idempotency_keys: IdempotencyKeysTable;
  settings: SettingsTable;
  retired_ids: RetiredIdsTable;
  datastore_health: DatastoreHealthTable;
  health_hours: HealthHoursTable;
  webhooks: WebhooksTable;
  webhook_deliveries: WebhookDeliveriesTable;
  processes: ProcessesTable;
}

export interface EnvironmentsTable {
  id: string;
  name: string;
  /** From where its datastores are reached: the tests of workers of that name; null for any process without one. */
  network: string | null;
  created_at: string;
  updated_at: string;
  created_by: string;
}

/** The end of each journal chain. The chain '' is the gateway's own, for entries without an environment. */
export interface JournalHeadsTable {
  environment_id: string;
  sequence: number;
  mac: string;
}

/**
 * The keys that wrap the keys of an environment's secrets, each wrapped by the key-encryption key `key_id`. One of an
 * environment's is active; a retired one goes as soon as nothing is under it.
 */
export interface DataKeysTable {
  id: string;
  environment_id: string;
  wrapped: string;
  key_id: string;
  active: Flag;
  created_at: string;
}

export interface ApiTokensTable {
  id: string;
  /** A session token goes by its parent's name, and has its own id here. */
  name: string;
  /** The token's first characters, by which its owner recognises it. */
  prefix: string;
  hash: string;
  /** JSON: Scope[]. */
  scopes: string;
  all_environments: Flag;
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  revoked_at: string | null;
  created_by: string;
  /** The token that made this one for a browser, and with which it ends; null for a lasting token. */
  parent_id: string | null;
  /** For whom a session token acts. */
  on_behalf_of: string | null;
}

export interface ApiTokenEnvironmentsTable {
  token_id: string;
  environment_id: string;
}

export interface DatastoresTable {
  id: string;
  environment_id: string;
  type: string;
  name: string;
  label: string;
  /** The label in lower case, for search and order without case. */
  label_folded: string;
  /** JSON, without secrets. */
  config: string;
  /** JSON: {path, id, updatedAt}[]; id names a row of secret_versions. */
  secrets: string;
  version: number;
  /** 1, or more where a deleted datastore had this id before: no version of one is a version of the other. */
  first_version: Generated<number>;
  created_at: string;
  updated_at: string;
  created_by: string;
  updated_by: string;
  last_test_id: string | null;
  /** JSON. */
  tenancy: string | null;
  description: string | null;
  owner_name: string | null;
  /** How often its health is checked; null when it is not. */
  check_every_minutes: number | null;
  /** JSON: {key, value}[]; null for none. */
  tags: string | null;
  created_on_behalf_of: string | null;
  updated_on_behalf_of: string | null;
}

/** How many datastores there are, kept by the database itself. */
export interface DatastoreCountsTable {
  environment_id: string;
  type: string;
  count: number;
}

/** What datastores are found by that stands in other tables, kept by the database itself. */
export interface DatastoreFacetsTable {
  /** On SQLite alone: by it datastore_search knows the datastore. */
  number: number;
  datastore_id: string;
  environment_id: string;
  last_test_status: string | null;
  health: string;
  usage_count: number;
  in_use: Flag;
}

/** The tags of datastores once more, to find datastores by them. */
export interface DatastoreTagsTable {
  datastore_id: string;
  key: string;
  value: string;
  /** The database itself sets it where an older version does not. */
  environment_id: string;
}

/** What depends on a datastore: at most one of each kind and name. */
export interface DatastoreUsagesTable {
  id: string;
  datastore_id: string;
  kind: string;
  name: string;
  url: string | null;
  registered_at: string;
}

/** What records look like: the names are unique within an environment. */
export interface DataStructuresTable {
  id: string;
  environment_id: string;
  name: string;
  strict: Flag;
  /** JSON: StructureField[]. */
  fields: string;
}

/** A version of a datastore, the present one too. */
export interface DatastoreRevisionsTable {
  datastore_id: string;
  version: number;
  at: string;
  actor: string;
  on_behalf_of: string | null;
  name: string;
  label: string;
  description: string | null;
  owner_name: string | null;
  /** JSON: {key, value}[]; null for none. */
  tags: string | null;
  /** JSON. */
  tenancy: string | null;
  /** JSON, without secrets. */
  config: string;
  /** JSON: the config paths at which it had secrets. */
  secret_paths: string;
  /** JSON: {path, isSecret, before, after}[]; never a secret. */
  changes: string;
  /** The secrets of an older version, as long as they are kept, under its key in revision_keys. */
  sealed: string | null;
}

/** The keys that seal the secrets of older versions, each wrapped by a data key of the environment. */
export interface RevisionKeysTable {
  id: string;
  datastore_id: string;
  version: number;
  wrapped: string;
  /** The data key that wraps it, as `wrapped` says. */
  data_key_id: GeneratedAlways<string>;
  /** JSON: the config paths of the destinations that the secrets are sealed for. */
  bound_to: string;
  /** When another version took the place of this one, by the database's clock. */
  superseded_at: string;
}

/** What a datastore of the type MANAGED holds. Whoever writes a record locks its row first. */
export interface ManagedStoresTable {
  datastore_id: string;
  data_structure_id: string | null;
  max_bytes: number;
  used_bytes: number;
  record_count: number;
  /** The sequence of the newest of its record_events; 0 where there was none. */
  last_event: number;
  /** 1 from the deletion of its datastore on, by the database's own doing, until its records are removed. */
  abandoned: Generated<number>;
}

export interface ManagedRecordsTable {
  datastore_id: string;
  key: string;
  /** Of key and data together, in bytes of UTF-8. */
  size: number;
  /** The sequence of the event that tells of its last put. */
  version: number;
  updated_at: string;
  /** JSON: an object. */
  data: string;
}

/** What has happened to the records of a store, for a week. */
export interface RecordEventsTable {
  datastore_id: string;
  sequence: number;
  at: string;
  kind: 'PUT' | 'DELETED';
  key: string;
  actor: string;
}

/**
 * The keys that seal the secrets of one datastore, or of one test that has not ended, each wrapped by a data key of the
 * environment. They die with their secrets. Of a row nothing changes but what wraps it: a change of secrets brings a
 * new key.
 */
export interface SecretKeysTable {
  id: string;
  datastore_id: string | null;
  test_id: string | null;
  wrapped: string;
  /** The data key that wraps it, as `wrapped` says. */
  data_key_id: GeneratedAlways<string>;
  /** JSON: the config paths of the destinations that a datastore's secrets are sealed for; null for a test's. */
  bound_to: string | null;
  created_at: string;
}

/** A sealed secret: under its datastore's secret key, or, where there is none, as an older version has sealed it. */
export interface SecretVersionsTable {
  id: string;
  datastore_id: string;
  path: string;
  sealed: string;
  created_at: string;
}

export interface ConnectionTestsTable {
  id: string;
  /** Null for a draft, and after the datastore was deleted. */
  datastore_id: string | null;
  /** The version of the datastore that it is of; null for a draft or a change, and for tests of older gateways. */
  datastore_version: number | null;
  environment_id: string;
  type: string;
  purpose: string;
  status: string;
  /** 1 when the test is of what is stored, 0 when it is of a draft or a change. */
  is_stored: Flag;
  requested_by: string;
  token_id: string;
  /** JSON: the check results so far. */
  checks: string;
  /** JSON: the first failed check's failure. */
  failure: string | null;
  /** JSON: the names of the checks to run, in order. */
  plan: string;
  draft_config: string | null;
  /** Sealed, and erased when the test ends. */
  draft_secrets: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  deadline_at: string;
  duration_ms: number | null;
  /** The id of the process that runs it; null while nobody does. */
  owner: string | null;
  lease_expires_at: string | null;
  /** How often a process has taken it. */
  attempt: Generated<number>;
  /** How often it was begun anew, whether its process died, stopped, or lost the executor that ran it. */
  restarts: Generated<number>;
  /** The sequence of its last event. */
  sequence: Generated<number>;
  cancel_requested: Generated<Flag>;
  /** JSON. */
  draft_tenancy: string | null;
  /** The server that it is about, `host:port`; null for tests of older gateways, and where there is none. */
  target: string | null;
  requested_on_behalf_of: string | null;
  /** JSON: its events, as foldEvents() writes them once it has ended; null while they are rows of test_events. */
  event_log: string | null;
  /** The network whose processes take it, as its environment had it at the start; null: those without one. */
  network: string | null;
  /** The process in which a save waits for it, which need not be its owner; null for any other test. */
  caller: string | null;
  /** The span that has started it, as W3C Trace Context writes it; null where nobody collects traces. */
  traceparent: string | null;
}

/** How a datastore is, as its health checks see it; there is no row while it was never to be checked. */
export interface DatastoreHealthTable {
  datastore_id: string;
  status: string;
  since: string | null;
  /** A result that differs from the status, once. */
  differing: string | null;
  failures: number;
  /** When somebody is to look after it; null when nothing is to be done. */
  next_check_at: string | null;
  running_test_id: string | null;
  paused_reason: string | null;
  /** When the certificate ends that was seen last; null where none was. */
  certificate_expires_at: string | null;
  /** JSON: the fingerprints of the certificates of which webhooks were told, the newest last; null for none. */
  told_certificates: string | null;
}

/** What the health checks of a datastore found that ended in one hour; there is no row for an hour without one. */
export interface HealthHoursTable {
  datastore_id: string;
  /** The instant at which it begins. */
  hour: string;
  checks: number;
  passed: number;
  /** For how long the results stood, but for the last one: each until the next. */
  up_ms: number;
  down_ms: number;
  first_at: string;
  last_at: string;
  /** Until when the last result stands where no other comes. */
  last_until: string;
  last_passed: Flag;
  /** JSON: Durations. */
  durations: string;
}

/** Which read of a datastore's catalog is in use. */
export interface CatalogsTable {
  datastore_id: string;
  /** The id of the connection test that read it. */
  refresh_id: string;
  refreshed_at: string;
  entry_count: number;
}

/** A reading of a catalog that has entries: of the one in use, of one that goes on, or of one that nobody needs. */
export interface CatalogRefreshesTable {
  /** The id of the connection test that reads. */
  id: string;
  /** Whose catalog in use this is: null while it is read, and once another is in use or the datastore is deleted. */
  datastore_id: string | null;
  entry_count: number;
  /** The size of its entries in bytes, as far as this attempt of the test has put them in. */
  size: number;
}

/** A table, collection or the like. */
export interface CatalogEntriesTable {
  refresh_id: string;
  /** Namespace, name and kind: they are unique in a catalog and give its order. */
  sort_key: string;
  /** The size of the entry's texts, in bytes. */
  size: number;
  namespace: string | null;
  name: string;
  kind: string;
  /** Null where the server does not say, and for what was read before the gateway asked. */
  readable: Flag | null;
  /** Namespace and name in lower case. */
  search: string;
  /** JSON: {name, dataType, nullable}[]. */
  columns: string;
}

/** What was otherwise in a catalog than in the reading before it: the last few of each datastore. */
export interface CatalogChangesTable {
  datastore_id: string;
  at: string;
  /** When the reading before it was stored. */
  since: string;
  /** JSON: ChangeCounts. */
  counts: string;
  /** JSON: ChangeDetails. */
  details: string;
}

/** The log and outbox of a test, with one snapshot in each row, until it is folded into the test's event_log. */
export interface TestEventsTable {
  test_id: string;
  sequence: number;
  at: string;
  /** The check that the event is about; null when it is about the test itself. */
  check_name: string | null;
  /** JSON: the whole test as it was at that moment. */
  snapshot: string;
}

/**
 * Each environment has one chain, in which an entry's mac covers the one before it. The chain outlives its environment.
 */
export interface JournalTable {
  environment_id: string;
  sequence: number;
  id: string;
  at: string;
  /** The kind of a datastore event; '' when the entry is none. */
  kind: string;
  action: string;
  actor: string;
  subject_type: string;
  subject_id: string;
  /** JSON. */
  detail: string;
  mac: string;
  on_behalf_of: string | null;
  /** SUCCEEDED, REFUSED or FAILED. */
  outcome: Generated<string>;
}

/** What calls with an idempotency key have come to. Neither key nor input can be read or guessed from it. */
export interface IdempotencyKeysTable {
  /** Covers the token, the environment and the key. */
  key_mac: string;
  /** Covers the operation and its whole input, secrets included. */
  input_mac: string;
  /** JSON: {id, firstVersion?, outcome?}. */
  result: string;
  created_at: string;
}

export interface SettingsTable {
  key: string;
  value: string;
}

/** The ids of what was deleted. They are given out again to datastores alone, where a datastore had them. */
export interface RetiredIdsTable {
  id: string;
  at: string;
  /** The environment of a deleted datastore, in which a new one may have its id; null for all else. */
  environment_id: string | null;
  /** The version that a deleted datastore had at last: those of a new one come after it. Null for all else. */
  last_version: number | null;
}

/** Who is told of an environment's events. */
export interface WebhooksTable {
  id: string;
  /** Whose data key seals its secret, and in whose chain its changes are. */
  environment_id: string;
  /** 1 for one that hears of all environments. */
  all_environments: Generated<Flag>;
  url: string;
  description: string | null;
  /** JSON: WebhookEvent[]. */
  events: string;
  /** JSON: string[]; null for all datastores. */
  datastore_ids: string | null;
  /** JSON: {key, value}[]; null for none. */
  tags: string | null;
  /** The key of its secrets, wrapped by a data key of the environment. */
  key_id: string;
  wrapped: string;
  /** The data key that wraps it, as `wrapped` says. */
  data_key_id: GeneratedAlways<string>;
  sealed: string;
  /** Sealed JSON: {secret, until}[], the secrets of before, which sign as well until then. */
  previous_sealed: string | null;
  /** When the last of them ends. */
  previous_until: string | null;
  /** Since when nothing has been delivered although it was tried; null after a delivery. */
  failing_since: string | null;
  disabled_at: string | null;
  disabled_reason: string | null;
  created_at: string;
  created_by: string;
  updated_at: string;
  updated_by: string;
}

/** What a webhook is told: the queue, and for some time what became of it. */
export interface WebhookDeliveriesTable {
  /** The webhook-id of each attempt. */
  id: string;
  webhook_id: string;
  type: string;
  /** The JSON that is sent and signed, letter for letter. */
  body: string;
  created_at: string;
  state: string;
  /** How often somebody has taken it to send it. By it a result is known to be of the present attempt. */
  attempts: number;
  /** When it is to be sent, or, while a process sends it, when another one may; null once it is over. */
  due_at: string | null;
  last_attempt_at: string | null;
  response_status: number | null;
  last_error: string | null;
  ended_at: string | null;
}

/** A process that serves or takes tests, until an hour after it was seen last. */
export interface ProcessesTable {
  /** Also the owner of the tests that it runs. */
  id: string;
  kind: string;
  host: string;
  version: string;
  network: string | null;
  /** How many tests it runs at once. */
  capacity: number;
  running: number;
  started_at: string;
  last_seen_at: string;
  /** Of a worker that asks a gateway, by which token; null for who reaches the database. */
  token_id: string | null;
  /** Its X25519 key in base64url, to which the secrets of its tests are sealed; null for who opens them itself. */
  public_key: string | null;
}
