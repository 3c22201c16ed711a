import type { Migration } from 'kysely/migration';
import * as initial from './001-initial.ts';
import * as catalogsAndTenancy from './002-catalogs-tenancy.ts';
import * as journalSeeks from './003-journal-seeks.ts';
import * as catalogBounds from './004-catalog-bounds.ts';
import * as secretKeys from './005-secret-keys.ts';
import * as datastoreDetails from './006-datastore-details.ts';
import * as sessionTokens from './007-session-tokens.ts';
import * as readableEntries from './008-readable-entries.ts';
import * as usages from './009-usages.ts';
import * as testTargets from './010-test-targets.ts';
import * as tokenLists from './011-token-lists.ts';
import * as idempotencyKeys from './012-idempotency-keys.ts';
import * as health from './013-health.ts';
import * as dataStructures from './014-data-structures.ts';
import * as testAttempts from './015-test-attempts.ts';
import * as revisions from './016-revisions.ts';
import * as auditLog from './017-audit-log.ts';
import * as dataKeySeeks from './018-data-key-seeks.ts';
import * as reusedIds from './019-reused-ids.ts';
import * as auditSeeks from './020-audit-seeks.ts';
import * as managedStores from './021-managed-stores.ts';
import * as eventLogs from './022-event-logs.ts';
import * as webhooks from './023-webhooks.ts';
import * as keysByDataKey from './024-keys-by-data-key.ts';
import * as typeLists from './025-type-lists.ts';
import * as healthHours from './026-health-hours.ts';
import * as certificates from './027-certificates.ts';
import * as catalogChanges from './028-catalog-changes.ts';
import * as abandonedStores from './029-abandoned-stores.ts';
import * as networks from './030-networks.ts';
import * as searchColumns from './031-search-columns.ts';
import * as processes from './032-processes.ts';
import * as datastoreCounts from './034-datastore-counts.ts';
import * as datastoreFacets from './035-datastore-facets.ts';
import * as datastoreSearch from './036-datastore-search.ts';
import * as traceContexts from './037-trace-contexts.ts';
import * as webhooksForAll from './038-webhooks-for-all.ts';
import * as tagEnvironments from './039-tag-environments.ts';
import * as searchRows from './040-search-rows.ts';
import * as searchBacklog from './041-search-backlog.ts';
import * as searchPending from './043-search-pending.ts';

/** Every migration, in order. A published one is never changed: what is new goes into the next. */
export const migrations: Readonly<Record<string, Migration>> = {
  '001-initial': initial,
  '002-catalogs-tenancy': catalogsAndTenancy,
  '003-journal-seeks': journalSeeks,
  '004-catalog-bounds': catalogBounds,
  '005-secret-keys': secretKeys,
  '006-datastore-details': datastoreDetails,
  '007-session-tokens': sessionTokens,
  '008-readable-entries': readableEntries,
  '009-usages': usages,
  '010-test-targets': testTargets,
  '011-token-lists': tokenLists,
  '012-idempotency-keys': idempotencyKeys,
  '013-health': health,
  '014-data-structures': dataStructures,
  '015-test-attempts': testAttempts,
  '016-revisions': revisions,
  '017-audit-log': auditLog,
  '018-data-key-seeks': dataKeySeeks,
  '019-reused-ids': reusedIds,
  '020-audit-seeks': auditSeeks,
  '021-managed-stores': managedStores,
  '022-event-logs': eventLogs,
  '023-webhooks': webhooks,
  '024-keys-by-data-key': keysByDataKey,
  '025-type-lists': typeLists,
  '026-health-hours': healthHours,
  '027-certificates': certificates,
  '028-catalog-changes': catalogChanges,
  '029-abandoned-stores': abandonedStores,
  '030-networks': networks,
  '031-search-columns': searchColumns,
  '032-processes': processes,
  '034-datastore-counts': datastoreCounts,
  '035-datastore-facets': datastoreFacets,
  '036-datastore-search': datastoreSearch,
  '037-trace-contexts': traceContexts,
  '038-webhooks-for-all': webhooksForAll,
  '039-tag-environments': tagEnvironments,
  '040-search-rows': searchRows,
  '041-search-backlog': searchBacklog,
  '043-search-pending': searchPending,
};
