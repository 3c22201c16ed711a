import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { keyOwners } from '../../src/key-owners.ts';
import { WebhookSecrets } from '../../src/modules/webhooks/secrets.ts';
import type { Database } from '../../src/platform/database/database.ts';
import { insertDataKey } from '../../src/platform/keys/data-keys.ts';
import { rotate } from '../../src/platform/keys/key-rotation.ts';
import { Keyring } from '../../src/platform/keys/keyring.ts';
import { Sealer } from '../../src/platform/keys/sealer.ts';
import { type Api, apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import type { TestGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import {
  CreateDataStructure,
  CreateSessionToken,
  DatastoreEvents,
  DeleteDataStructure,
  DeleteDatastores,
  DeleteRecords,
  ListApiTokens,
  ListProcesses,
  ListRecords,
  Progress,
  PutRecord,
  PutRecords,
  ReadAuditLog,
  ReadRecord,
  ReadUsages,
  RecordEvents,
  RegisterUsage,
  UnregisterUsage,
} from '../support/operations.ts';
import { startTarpit } from '../support/peers/tarpit.ts';
import { type Explainer, openExplainer, type Statement } from '../support/plans.ts';
import { expectType } from '../support/results.ts';

/** The tables that grow with use. */
const tables = [
  'journal',
  'test_events',
  'connection_tests',
  'datastores',
  'datastore_facets',
  'datastore_tags',
  'datastore_usages',
  'catalog_refreshes',
  'catalog_changes',
  'api_tokens',
  'idempotency_keys',
  'datastore_revisions',
  'revision_keys',
  'secret_keys',
  'data_keys',
  'webhooks',
  'webhook_deliveries',
  'datastore_health',
  'health_hours',
  'managed_stores',
  'managed_records',
  'record_events',
] as const;
/** So many rows are in each of them; they are explained as if there were a million. */
const ROWS = 5_000;
const ENVIRONMENTS = 5;
const IN_ONE_STATEMENT = 1_000;
/** How many records one call puts. */
const MOST_ITEMS = 500;
/** How many records an export reads at once. */
const EXPORTED_AT_ONCE = 500;

/**
 * The indexes by which the events of one datastore are found, however long its environment's chain is: which of them,
 * the planner says by how many entries the datastore has.
 */
const BY_SUBJECT = ['journal_subject_id_environment_id_sequence_idx', 'journal_subject_id_at_id_idx'];

const uuid = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
/** In the far future: nothing of it is due. */
const FAR = '2999-01-01T00:00:00.000Z';
const minute = (number: number) => new Date(Date.UTC(2026, 0, 1, 0, number)).toISOString();

describeEachGateway(
  'with a million rows, the statements of subscriptions, of the runner and of what a datastore has',
  (open, kind) => {
    const seen = new Map<string, Statement>();
    let gateway: TestGateway;
    let api: Api;
    let explainer: Explainer;
    let environmentIds: string[];
    let storeId: string;

    beforeAll(async () => {
      const onStatement = (text: string, parameters: readonly unknown[]) => seen.set(text, { sql: text, parameters });
      gateway = await open({
        metricsPort: 0,
        testing: { onStatement, unbornWaitMs: 500, healthTickMs: 50, webhookTickMs: 50 },
      });
      api = apiOf(gateway);
      const { database } = gateway.app;
      environmentIds = await fill(database, [await api.newEnvironment(), await api.newEnvironment()]);
      storeId = await fillStore(api, database, environmentIds[0] ?? '');
      explainer = await openExplainer(database, gateway.databaseUrl, tables);
    });

    afterAll(() => explainer.close());

    test.each([
      ['a scan', sql`select * from journal where detail = ${'x'}`],
      ['a scan along an index', sql`select id from connection_tests where plan <> ${''} order by environment_id`],
      ['a scan for a change', sql`update datastores set label = ${'x'} where label = ${'y'}`],
      [
        'a condition over several chains',
        sql`select * from journal where (environment_id = ${'a'} and sequence > ${9}) or environment_id not in (${'a'})`,
      ],
    ])('are judged: %s is seen', async (_name, statement) => {
      const { sql: text, parameters } = statement.compile(gateway.app.database.query);
      expect(await explainer.faults({ sql: text, parameters })).not.toEqual([]);
    });

    test('scan none of the tables that grow', async () => {
      seen.clear();
      await useEverything(gateway, api, environmentIds);
      await useRecords(gateway, storeId);
      const statements = [...seen.values()].filter(({ sql: text }) =>
        /^(select|insert|update|delete|with (written|found))\b/i.test(text),
      );
      const faults = [];
      for (const statement of statements) {
        const found = await explainer.faults(statement);
        if (found.length > 0) faults.push({ sql: statement.sql, found });
      }
      expect(faults).toEqual([]);
      const ofKeys = statements.filter(({ sql: text }) => ACTIVE_KEY.test(text));
      expect(ofKeys).not.toEqual([]);
      for (const statement of ofKeys) expect(await explainer.indexes(statement)).toEqual(['data_keys_active']);
      const ofOne = statements.filter(({ sql: text }) => EVENTS_OF_ONE.test(text));
      for (const statement of ofOne)
        for (const used of await explainer.indexes(statement)) expect(BY_SUBJECT).toContain(used);
      for (const statement of ofOne) expect(await explainer.indexes(statement)).toHaveLength(1);
      for (const [order, index] of AUDIT_SEEKS) {
        const sought = statements.filter(({ sql: text }) => text.includes('from "journal"') && text.includes(order));
        expect(sought.length).toBeGreaterThan(0);
        // Postgres knows how rare a value is, and may do with less; what it looks at is counted above
        if (kind === 'sqlite')
          for (const statement of sought) expect(await explainer.indexes(statement)).toEqual([index]);
      }
      for (const [list, index] of LISTS) {
        const listed = statements.filter(
          ({ sql: text }) => text.includes('from "datastores" where') && list.test(text),
        );
        expect(listed.length).toBeGreaterThan(0);
        for (const statement of listed) {
          const used = await explainer.indexes(statement);
          expect(used.filter((name) => !BY_ID.includes(name))).toEqual([index]);
        }
      }
      const unseen = landmarks.filter((part) => !statements.some((statement) => part.test(statement.sql)));
      expect(unseen).toEqual([]);
    });

    test('have one plan for a page of any environment', async () => {
      seen.clear();
      await pageThrough(gateway, environmentIds[0] ?? '');
      const pages = [...seen.values()].filter(({ sql: text }) => text.includes('from "datastores"'));
      expect(pages.length).toBeGreaterThanOrEqual(ORDERS.length * 4);
      for (const page of pages) {
        expect(await explainer.faults(page)).toEqual([]);
        if (kind === 'postgres')
          expect(await explainer.indexesForAll(page)).toContainEqual(expect.stringMatching(PAGE_INDEX));
        // an index of another order that has all that is asked for would be read to its end, and sorted
        expect((await explainer.stepsForAll(page)).filter((step) => /Only|Sort/.test(step))).toEqual([]);
        expect(await explainer.isPlannedOnce(page)).toBe(true);
      }
    });

    test('look at no more than some hundreds to list what a filter leaves', async () => {
      seen.clear();
      await listNarrowed(gateway, environmentIds);
      const statements = [...seen.values()].filter(({ sql: text }) => /^select\b/i.test(text));
      for (const statement of statements)
        expect(
          [statement.sql, ...(await explainer.faults(statement, NARROWED))].filter((fault) => !WALK.test(fault)),
        ).toEqual([statement.sql]);
      const sought = statements.filter(({ sql: text }) => text.includes('search_terms(environment_id, text) @@'));
      if (kind === 'postgres')
        for (const statement of sought)
          expect(await explainer.indexes(statement)).toEqual(['datastore_search_terms_idx']);
      expect(sought).toHaveLength(kind === 'postgres' ? 1 : 0);
      // Postgres has its statistics, and what it looks at is counted
      if (kind === 'sqlite')
        for (const [find, index] of FINDS) {
          const found = statements.filter(({ sql: text }) => find.test(text));
          expect([find, found.length]).not.toEqual([find, 0]);
          for (const statement of found) expect([find, (await explainer.indexes(statement))[0]]).toEqual([find, index]);
        }
    });

    test('count what most have along a list, and otherwise by the index of the filter', async () => {
      const query = `query ($filter: DatastoreFilter) { datastores(filter: $filter, first: 1) { totalCount } }`;
      const used = async (filter: object) => {
        seen.clear();
        expect((await gateway.send({ query, variables: { filter } })).json.errors).toBeUndefined();
        return [...seen.values()].filter(({ sql: text }) => /^select\b/.test(text));
      };
      const common = await used({ search: 'd' });
      expect(common.some(({ sql: text }) => text.includes('count('))).toBe(true);
      const sought = common.filter(({ sql: text }) => text.includes('datastore_search'));
      // on SQLite the list asks for a few
      expect(sought).toHaveLength(kind === 'postgres' ? 0 : 1);
      for (const { parameters } of sought)
        expect(Math.max(...parameters.map(Number).filter(Boolean))).toBeLessThan(500);
      const tagged = (await used({ tags: [{ key: 'team', value: 'common' }] })).filter(({ sql: text }) =>
        text.includes('count('),
      );
      expect(tagged).toHaveLength(1);
      for (const statement of tagged)
        expect(await explainer.indexes(statement)).toEqual([
          'datastore_tags_key_value_environment_id_datastore_id_idx',
        ]);
    });

    test('wrap keys anew by pages of those that are under a retired data key', async () => {
      const { database } = gateway.app;
      const environmentId = environmentIds[1] ?? '';
      const { id } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
      await api.updated({ id, configSecret: 'another' });
      const keyring = await Keyring.load(join(gateway.folder, 'master.key'));
      const secrets = new WebhookSecrets(database, new Sealer(database, keyring));
      await database.change(async (change) => {
        const hook = { id: randomUUID(), environmentId };
        const { sealed } = await secrets.make(change, hook);
        const stamps = { created_at: FAR, created_by: '', updated_at: FAR, updated_by: '' };
        await change.query
          .insertInto('webhooks')
          .values({ id: hook.id, environment_id: environmentId, url: '', events: '[]', ...sealed, ...stamps })
          .execute();
        const retired = change.query.updateTable('data_keys').set({ active: 0 });
        await retired.where('environment_id', '=', environmentId).execute();
        await insertDataKey(change, keyring, environmentId);
      });
      seen.clear();
      expect(await rotate({ database, keyring, owners: keyOwners, readersMs: 0 })).toEqual([]);
      const statements = [...seen.values()].filter(({ sql: text }) => /(secret|revision)_keys|webhooks/.test(text));
      expect(statements.filter(({ sql: text }) => text.startsWith('update'))).toHaveLength(3);
      for (const statement of statements)
        expect([statement.sql, await explainer.faults(statement)]).toEqual([statement.sql, []]);
      await api.removed(id);
    });

    test('put, read and page records by the same statements in a large store as in a small one', async () => {
      const config = { managed: { maxSizeMb: 1 } };
      const { id: small } = await api.created({ environmentId: environmentIds[0] ?? '', config });
      const used = [];
      for (const id of [small, storeId]) {
        seen.clear();
        await putReadAndPage(gateway, id);
        used.push([...seen.keys()].filter((text) => text.includes('managed_records')));
      }
      expect(used[1]).toEqual(used[0]);
      expect(used[0]?.length).toBeGreaterThan(4);
    });
  },
);

const ACTIVE_KEY = /from "data_keys" where "environment_id"/;

const EVENTS_OF_ONE = /from "journal" where .+\("subject_id", "environment_id", "sequence"\) > /;

const AUDIT_LOG = /from "journal" .+ order by .*"at" desc, "id" desc/;

/** By what the audit log is sought: without an index of its own, all that an environment has would be looked at. */
const AUDIT_SEEKS = [
  ['subject_id'],
  ['environment_id'],
  ...['actor', 'action', 'outcome'].flatMap((column) => [[column], ['environment_id', column]]),
  [],
].map((columns) => {
  const order = [...columns, 'at', 'id'].map((column) => `"${column}" desc`).join(', ');
  return [`order by ${order} limit`, ['journal', ...columns, 'at_id_idx'].join('_')] as const;
});

/** By what the datastores of a page are read, once it is known which they are. */
const BY_ID = ['datastores_pkey', 'sqlite_autoindex_datastores_1'];

/** By what a page of one environment is read. */
const PAGE_INDEX = /^datastores_environment_id_\w+_id_/;
const ORDERS = ['LABEL', 'NAME', 'TYPE', 'CREATED_AT', 'UPDATED_AT'];

/** By what datastores are listed: each part of a list has its order from an index. */
const LISTS: readonly (readonly [RegExp, string])[] = [
  [
    /"environment_id" in \S+ and "datastores"."type" = .+ order by "datastores"."label_folded"/,
    'datastores_environment_id_type_label_folded_id_name_idx',
  ],
  [
    /where \(true and "datastores"."type" = .+ order by "datastores"."label_folded"/,
    'datastores_type_label_folded_id_name_idx',
  ],
  [
    / union all .+"environment_id" in \S+ order by "datastores"."label_folded"/,
    'datastores_environment_id_label_folded_id_name_idx',
  ],
];

/** By what the datastores are found that a filter leaves, and read. */
const FINDS: readonly (readonly [RegExp, string])[] = [
  [/where "datastore_facets"."health" in /, 'datastore_facets_health_environment_id_datastore_id_idx'],
  [
    /where "datastore_facets"."last_test_status" in /,
    'datastore_facets_last_test_status_environment_id_datastore_id_idx',
  ],
  [/where "datastore_facets"."in_use" = /, 'datastore_facets_in_use_environment_id_datastore_id_idx'],
  [
    /select "datastore_id" as "id" from "datastore_tags" .+ and "value" = /,
    'datastore_tags_key_value_environment_id_datastore_id_idx',
  ],
  [
    /select "datastore_id" as "id" from "datastore_tags" where "key" = \S+ and "datastore_tags"."environment_id" in /,
    'datastore_tags_key_environment_id_datastore_id_idx',
  ],
  [/select "id" from "datastores" where "datastores"."type" in \S+ and true /, 'datastores_type_id_idx'],
  [/"datastores"."id" in \(select value from json_each/, 'sqlite_autoindex_datastores_1'],
  [/select "created_at" as "at", "id" from "datastores" where true /, 'datastores_created_at_id_idx'],
];
/** A list is walked along in its order, as far as it looks at rows. */
const WALK =
  /^(SCAN datastores USING (COVERING )?INDEX datastores_created_at_id_idx|Index (Only )?Scan of datastores)$/;
/** How many rows a list looks at in one step where a filter leaves few: as many as it sorts. */
const NARROWED = 2_100;

/** What is special in each statement of a round: a test that never came to one of them would show nothing of it. */
const landmarks = [
  AUDIT_LOG,
  /from "journal_heads" where .+ and /,
  EVENTS_OF_ONE,
  /from "journal" .+ union all /,
  /from "connection_tests" left join "test_events" .+ order by "test_events"."sequence" limit /,
  /from "connection_tests" where "event_log" is null and "finished_at" < .+ order by "finished_at" limit /,
  /from "test_events" where "test_events"."test_id" in /,
  /update "connection_tests" set "event_log" = /,
  /count\(\*\) as "count", min\("created_at"\) as "oldest" from /,
  /delete from "test_events" where "test_id" = /,
  /select "id" from "connection_tests" where "datastore_id" is null and "created_at" < /,
  /select "datastores"."id", .+ as "kept_since" from "datastores" where /,
  /select "id" from "connection_tests" where "datastore_id" = .+ and not exists .+ order by "datastore_id", "created_at" limit /,
  /delete from "connection_tests" where /,
  /"status" = .+ and "deadline_at" > .+ order by "network", "created_at"/,
  /"attempt" = "attempt" \+ /,
  /set "lease_expires_at" = .+ where .*"owner" = /,
  /"lease_expires_at" < .+ or /,
  /select "id" .+ "cancel_requested" = /,
  /"status" = .+"connection_tests"."owner" in .+ order by "created_at"/,
  /update "connection_tests" set .+ where .+"sequence" = /,
  /update "connection_tests" set .+ where .+"owner" = .+"attempt" = /,
  /from "connection_tests" where "connection_tests"."id" in /,
  /delete from "datastores"/,
  /from "datastore_usages" .+\("kind", "datastore_usages"."name"\) > .+ order by "kind"/,
  /count\(\*\) .+ from "datastore_usages"/,
  /select "id" from "datastore_usages" where "datastore_usages"."datastore_id" in /,
  /from "catalog_refreshes" where "datastore_id" is null/,
  /from "api_tokens" where "parent_id" is not null and "expires_at" < /,
  /from "api_tokens" .+ where "api_tokens"."parent_id" is null .+ order by "api_tokens"."parent_id" desc/,
  /from "managed_records" .+"managed_records"."key" > .+ order by "managed_records"."key" asc limit /,
  /from "managed_records" .+"managed_records"."key" < .+ order by "managed_records"."key" desc limit /,
  /from "managed_records" .+"managed_records"."key" >= .+"managed_records"."key" <= /,
  /from "managed_records" where "datastore_id" = .+ and "managed_records"."key" in /,
  /from "managed_records" where "datastore_id" = .+ and "key" > .+ order by "key" limit /,
  /"managed_records"."key", "managed_records"."size" from .+ "managed_records"."key" > \S+ order by "managed_records"."key" limit /,
  /"managed_records"."key", "managed_records"."data" from .+"managed_records"."key" > .+"managed_records"."key" <= .+ limit /,
  /insert into "managed_records" .+ on conflict /,
  /delete from "managed_records" where "datastore_id" = .+ and "managed_records"."key" in /,
  /update "managed_stores" set /,
  /from "managed_stores" where "abandoned" = .+ order by "datastore_id" limit /,
  /delete from "managed_stores" where "datastore_id" = /,
  /select "key" from "managed_records" where "datastore_id" = .+ and "key" > .+ order by "key" limit /,
  /delete from "managed_records" where "datastore_id" = .+ and "key" > .+ and "key" <= /,
  /select "sequence" from "record_events" where "datastore_id" = .+ and "sequence" > .+ order by "sequence" limit /,
  /delete from "record_events" where "datastore_id" = .+ and "sequence" > .+ and "sequence" <= /,
  /from "managed_stores" where "data_structure_id" = /,
  /from "record_events" .+"sequence" > .+ order by "record_events"."sequence" limit /,
  /delete from "record_events" where /,
  /from "api_tokens" left join "api_tokens" as "parent" .+ where "api_tokens"."hash" = /,
  /from "connection_tests" where .+"purpose" = .+"datastore_version" = .+ order by "created_at"/,
  /from "datastore_health" where "next_check_at" <= /,
  /from "health_hours" where "datastore_id" = .+ and "hour" = /,
  /from "health_hours" where .+ in .+ and "hour" >= .+ order by "datastore_id", "hour"/,
  /delete from "health_hours" where .+ order by "old"."hour" limit /,
  /from "catalog_changes" where "catalog_changes"."datastore_id" in .+ order by "datastore_id", "at" desc/,
  /from "webhooks" where .+"disabled_at" is null order by "created_at", "id" limit /,
  /from "webhooks" where "all_environments" = .+ and "disabled_at" is null order by "created_at", "id" limit /,
  /from "webhooks" where .+\("created_at", "id"\) > .+ order by "created_at" asc, "id" asc limit /,
  /update "webhooks" set "failing_since" = .+ where "id" = .+ and "failing_since" is null/,
  /update "webhooks" set "failing_since" = .+ where "id" = .+ and "failing_since" is not null/,
  /from "webhooks" where "previous_until" <= /,
  /from "webhook_deliveries" where "due_at" <= .+ order by "due_at" limit /,
  /from "webhook_deliveries" .+"webhook_id" = .+ order by "webhook_deliveries"."created_at" desc/,
  /from "webhook_deliveries" .+"state" = .+\("webhook_deliveries"."created_at", "webhook_deliveries"."id"\) < /,
  /update "webhook_deliveries" set "state" = .+ where "webhook_id" = .+ and "state" = /,
  /from "webhook_deliveries" where "ended_at" <= .+ and "state" = .+ limit /,
  /delete from "webhook_deliveries" where /,
  /from "idempotency_keys" where "key_mac" = /,
  /from "idempotency_keys" where "created_at" <= /,
  /insert into "idempotency_keys" /,
  /from "datastore_revisions" .+"datastore_revisions"."version" < .+ order by /,
  /from "datastore_revisions" .+ left join "revision_keys" /,
  /from "revision_keys" where "superseded_at" <= /,
  /from "revision_keys" where "datastore_id" = .+"version" <= /,
  /update "datastore_revisions" set "sealed" = /,
];

/** Follows and runs tests in every way that there is, and has the runner do each thing of its round. */
async function useEverything(gateway: TestGateway, api: Api, environmentIds: readonly string[]): Promise<void> {
  const tarpit = await startTarpit();
  onTestFinished(() => tarpit.close());
  const [environmentId = '', other = ''] = environmentIds;
  const { id: datastoreId } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
  const draft = { environmentId, config: { postgres: postgresConfig({ port: tarpit.port }) } };
  const hanging = await api.testStarted({ target: { draft }, options: { timeoutMs: 60_000 } });
  await eventually(() => tarpit.open() === 1);
  await gateway.run(ListProcesses, {});
  const { apiTokens } = await gateway.run(ListApiTokens, { first: 2 });
  await gateway.run(ListApiTokens, { first: 2, after: apiTokens.pageInfo.endCursor });

  await followChanges(gateway, api, datastoreId, [environmentId, other]);
  expect(await (await fetch(gateway.app.metricsUrl ?? '')).text()).toContain('datastore_gateway_database_up 1');

  const testId = randomUUID();
  const progress = gateway.follow(Progress, { id: testId });
  await api.testStarted({ target: { datastoreId }, options: { testId } });
  await progress;
  await gateway.follow(Progress, { id: testId, after: 1 });
  // an hour after its end its events are folded
  const { query } = gateway.app.database;
  await query
    .updateTable('connection_tests')
    .set({ finished_at: minute(0) })
    .where('id', '=', testId)
    .execute();
  // a datastore has more old ones than are kept, and it is an hour since these were removed
  const old = Array.from({ length: 25 }, (_, at) => ({
    ...testRow(randomUUID(), environmentId, at),
    datastore_id: datastoreId,
  }));
  await query.insertInto('connection_tests').values(old).execute();
  await query.deleteFrom('settings').where('key', '=', 'connection_tests_removed_at').execute();
  await gateway.app.chores.run();
  await gateway.follow(Progress, { id: testId, after: 1 });
  await gateway.follow(Progress, { id: randomUUID() });

  const abandoned = await abandon(gateway.app.database, environmentId);
  const isOver = async (id: string) => (await api.readTest(id))?.status === 'FAILED';
  await eventually(async () => (await Promise.all(abandoned.map(isOver))).every(Boolean));
  await gateway.run(CreateSessionToken, { input: { scopes: ['DATASTORES_READ'], environmentIds: [environmentId] } });
  await api.cancel(hanging.id);
  await useUsages(gateway, datastoreId);
  await useHistory(gateway, api, environmentId);
  await checkHealth(gateway, api, environmentId);
  await useWebhooks(gateway, api, other);
  await readAuditLog(gateway, environmentIds, datastoreId);
  await listSome(gateway, [environmentId, other]);
  await api.removed(datastoreId);
}

/** Lists those of a type that is rare, and all that a token of two environments sees. */
async function listSome(gateway: TestGateway, environmentIds: readonly string[]): Promise<void> {
  const token = await gateway.createToken(`lists ${randomUUID()}`, ['DATASTORES_READ'], environmentIds);
  const query = `query ($filter: DatastoreFilter, $environmentId: ID, $last: Int) {
    datastores(filter: $filter, environmentId: $environmentId, last: $last) { nodes { id } } }`;
  const ask = async (filter: object, caller: string, environmentId: string | null = null) => {
    for (const last of [null, 3]) {
      const { json } = await gateway.send({ query, variables: { filter, environmentId, last } }, caller);
      expect(json.errors).toBeUndefined();
    }
  };
  for (const types of [['S3'], ['S3', 'CSV']]) {
    for (const caller of [gateway.token, token]) await ask({ types }, caller);
    await ask({ types }, token, environmentIds[0]);
  }
  await ask({}, token);
}

/** Reads pages of an environment in each order: the first, the next and the one before that, and so from the end. */
async function pageThrough(gateway: TestGateway, environmentId: string): Promise<void> {
  const query = `query ($environmentId: ID!, $orderBy: DatastoreOrder, $first: Int, $last: Int, $after: String, $before: String) {
    datastores(
      environmentId: $environmentId, orderBy: $orderBy, first: $first, last: $last, after: $after, before: $before
    ) { pageInfo { startCursor endCursor } nodes { id } } }`;
  for (const field of ORDERS)
    for (const direction of ['ASC', 'DESC']) {
      const list = async (page: object) => {
        const variables = { environmentId, orderBy: { field, direction }, ...page };
        const { data, errors } = (await gateway.send({ query, variables })).json;
        expect(errors).toBeUndefined();
        return (data as { datastores: { pageInfo: { startCursor: string; endCursor: string }; nodes: object[] } })
          .datastores;
      };
      const first = await list({ first: 2 });
      const next = await list({ first: 2, after: first.pageInfo.endCursor });
      expect((await list({ last: 2, before: next.pageInfo.startCursor })).nodes).toEqual(first.nodes);
      const last = await list({ last: 2 });
      const before = await list({ last: 2, before: last.pageInfo.startCursor });
      expect((await list({ first: 2, after: before.pageInfo.endCursor })).nodes).toEqual(last.nodes);
    }
}

/** Lists by each filter what there is none or little of, in an order that has no index of its own for it. */
async function listNarrowed(gateway: TestGateway, [one = '', other = '']: readonly string[]): Promise<void> {
  const token = await gateway.createToken(`narrows ${randomUUID()}`, ['DATASTORES_READ'], [one, other]);
  const query = `query ($filter: DatastoreFilter, $environmentId: ID, $orderBy: DatastoreOrder) {
    datastores(filter: $filter, environmentId: $environmentId, orderBy: $orderBy) { nodes { id label } } }`;
  const filters = [
    { search: 'none such' },
    { search: 'qz' },
    { tags: [{ key: 'none', value: 'such' }] },
    { tags: [{ key: 'none' }] },
    { tags: [{ key: 'team', value: 'common' }] },
    { health: ['UNHEALTHY'] },
    { lastTestStatus: ['CANCELLED'] },
    { inUse: false },
    { types: ['S3'] },
    { names: ['none-such'] },
    { updatedSince: FAR },
  ];
  for (const filter of filters)
    for (const caller of [token, gateway.token]) {
      const variables = { filter, orderBy: { field: 'CREATED_AT' } };
      expect((await gateway.send({ query, variables }, caller)).json.errors).toBeUndefined();
    }
}

/** Creates with a key, changes, reads the versions, goes back, and erases what is due and what is not. */
async function useHistory(gateway: TestGateway, api: Api, environmentId: string): Promise<void> {
  const given = { environmentId, config: { postgres: postgresConfig() }, idempotencyKey: randomUUID() };
  const { id } = await api.created(given);
  await api.created(given);
  await api.updated({ id, configSecret: 'another' });
  await api.updated({ id, configSecret: 'a third' });
  const ask = (query: string, variables: object) => gateway.send({ query, variables: { id, ...variables } });
  const versions = `query ($id: ID!, $after: String) { datastore(id: $id) {
    revisions(first: 1, after: $after) { nodes { version } pageInfo { endCursor } } } }`;
  const { json } = await ask(versions, {});
  const { datastore } = json.data as { datastore: { revisions: { pageInfo: { endCursor: string } } } };
  await ask(versions, { after: datastore.revisions.pageInfo.endCursor });
  const revert = 'mutation ($id: ID!) { revertDatastore(input: { id: $id, toVersion: 1 }) { __typename } }';
  expect((await ask(revert, {})).json.data).toEqual({ revertDatastore: { __typename: 'RevertDatastoreSuccess' } });
  await ask('mutation ($id: ID!) { purgeRevisionSecrets(datastoreId: $id) { __typename } }', {});
  // what is due of the other rows is removed by the way: the statements are what counts
  await gateway.app.chores.run();
  await api.removed(id);
}

/** Has a health check made, the second of its day. */
async function checkHealth(gateway: TestGateway, api: Api, environmentId: string): Promise<void> {
  const config = { postgres: postgresConfig() };
  const { id } = await api.created({ environmentId, config, checkEveryMinutes: 5 });
  const { query } = gateway.app.database;
  for (const count of [1, 2]) {
    // its turn comes now
    await query
      .updateTable('datastore_health')
      .set({ next_check_at: minute(0) })
      .where('datastore_id', '=', id)
      .execute();
    await eventually(async () => {
      const tests = await query
        .selectFrom('connection_tests')
        .select('status')
        .where('datastore_id', '=', id)
        .where('purpose', '=', 'HEALTH')
        .execute();
      // what the check found is taken into the health after its end
      const health = query.selectFrom('datastore_health').select('running_test_id').where('datastore_id', '=', id);
      const isOver = (await health.executeTakeFirst())?.running_test_id === null;
      return isOver && tests.length >= count && tests.every(({ status }) => status === 'FAILED');
    });
  }
  for (const asked of ['health { history(window: MONTH) { checkCount } }', 'catalog { changes { at } }']) {
    const query = `query ($ids: [ID!]) { datastores(filter: { ids: $ids }) { nodes { ${asked} } } }`;
    expect((await gateway.send({ query, variables: { ids: [id, uuid(1), uuid(2)] } })).json.errors).toBeUndefined();
  }
  await api.removed(id);
}

/** Has an event told, in vain and then to a receiver that is gone, and looks at what became of it. */
async function useWebhooks(gateway: TestGateway, api: Api, environmentId: string): Promise<void> {
  let status = 500;
  const receiver = createServer((_request, response) => response.writeHead(status).end());
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void receiver.close());
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const { id: datastoreId } = await api.created({ environmentId, config: { postgres: postgresConfig() } });
  const ask = async <Result>(query: string, variables: object) => {
    const { json } = await gateway.send({ query, variables });
    expect(json.errors).toBeUndefined();
    return json.data as Result;
  };
  const input = { environmentId, url, events: ['DELETED'] };
  const made = await ask<{ createWebhook: { webhook: { id: string } } }>(
    `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) {
      ... on CreateWebhookSuccess { webhook { id } } } }`,
    { input },
  );
  const { id } = made.createWebhook.webhook;
  await ask('mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { __typename } }', {
    input: { id, description: 'told' },
  });
  await ask('mutation ($id: ID!) { rotateWebhookSecret(id: $id) { __typename } }', { id });
  await api.removed(datastoreId);
  const page = 'nodes { id state lastError } pageInfo { endCursor }';
  type Page = { nodes: { id: string; state: string; lastError: string | null }[]; pageInfo: { endCursor: string } };
  const told = async (variables: object) => {
    const query = `query ($id: ID!, $state: WebhookDeliveryState, $after: String) {
      webhookDeliveries(webhookId: $id, state: $state, after: $after) { ${page} } }`;
    return (await ask<{ webhookDeliveries: Page }>(query, { id, ...variables })).webhookDeliveries;
  };
  const became = (wanted: (delivery: Page['nodes'][number]) => boolean) =>
    eventually(async () => (await told({})).nodes.some(wanted));
  await became(({ lastError }) => lastError !== null);
  const ended = { previous_until: minute(0) };
  await gateway.app.database.query.updateTable('webhooks').set(ended).where('id', '=', id).execute();
  const { nodes, pageInfo } = await told({});
  for (const state of [null, 'PENDING']) await told({ state, after: pageInfo.endCursor });
  const due = (columns: { due_at: string } | { ended_at: string }) =>
    gateway.app.database.query
      .updateTable('webhook_deliveries')
      .set(columns)
      .where('id', '=', nodes[0]?.id ?? '')
      .execute();
  // 410 disables it, and what waits for it is dead
  status = 410;
  await due({ due_at: minute(0) });
  await became(({ state }) => state === 'DEAD');
  await ask('mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { __typename } }', {
    input: { id, enabled: true },
  });
  status = 204;
  const again = 'mutation ($ids: [ID!]!) { redeliverWebhookMessages(ids: $ids) { __typename } }';
  await ask(again, { ids: [nodes[0]?.id] });
  await became(({ state }) => state === 'DELIVERED');
  await due({ ended_at: minute(0) });
  const list =
    'query ($id: ID!, $after: String) { webhooks(environmentId: $id, after: $after) { pageInfo { endCursor } } }';
  const { webhooks } = await ask<{ webhooks: { pageInfo: { endCursor: string } } }>(list, { id: environmentId });
  await ask(list, { id: environmentId, after: webhooks.pageInfo.endCursor });
  await gateway.app.chores.run();
  expect((await told({})).nodes).toEqual([]);
  await ask('mutation ($id: ID!) { deleteWebhook(id: $id) { __typename } }', { id });
}

async function useUsages(gateway: TestGateway, datastoreId: string): Promise<void> {
  const input = { datastoreId, kind: 'dashboard', name: 'Sales' };
  const { registerUsage } = await gateway.run(RegisterUsage, { input });
  await gateway.run(RegisterUsage, { input });
  const { datastore } = await gateway.run(ReadUsages, { id: datastoreId, first: 1 });
  await gateway.run(ReadUsages, { id: datastoreId, after: datastore?.usages.pageInfo.endCursor ?? '' });
  await gateway.run(UnregisterUsage, { id: expectType(registerUsage, 'RegisterUsageSuccess').usage.id });
}

/** The ways to reach records that a page, a record or a put takes. */
async function putReadAndPage(gateway: TestGateway, id: string): Promise<void> {
  const { putRecord } = await gateway.run(PutRecord, { input: { datastoreId: id, key: 'one', data: {}, merge: true } });
  expectType(putRecord, 'PutRecordSuccess');
  await gateway.run(PutRecord, { input: { datastoreId: id, key: 'one', data: {}, merge: true } });
  await gateway.run(ReadRecord, { id, key: 'one' });
  // of each statement the last parameters are explained: those of a page without a filter, which looks at fewer rows
  for (const filter of [[{ path: ['a'], equals: 1 }], null])
    for (const page of [{ first: 20 }, { last: 20 }]) {
      const { datastore } = await gateway.run(ListRecords, { id, filter, ...page });
      const { pageInfo } = (datastore as { records: { pageInfo: { startCursor: string; endCursor: string } } }).records;
      await gateway.run(ListRecords, {
        ...{ id, filter, ...page },
        ...('first' in page ? { after: pageInfo.endCursor } : { before: pageInfo.startCursor }),
      });
    }
}

async function useRecords(gateway: TestGateway, id: string): Promise<void> {
  await putReadAndPage(gateway, id);
  await exportTwoPages(gateway, id);
  const cursor = Buffer.from(JSON.stringify({ at: new Date().toISOString(), datastoreId: id, sequence: ROWS }));
  const enough = (results: readonly unknown[]) => results.length > 0;
  await gateway.follow(RecordEvents, { datastoreId: id, after: cursor.toString('base64url') }, { enough });
  const input = { environmentId: uuid(0), name: 'plans', fields: [] };
  const { createDataStructure } = await gateway.run(CreateDataStructure, { input });
  const { dataStructure } = expectType(createDataStructure, 'CreateDataStructureSuccess');
  await gateway.run(DeleteDataStructure, { id: dataStructure.id });
  for (const select of [{ keys: ['one', 'none'] }, { all: { exceptKeys: ['000000'] } }]) {
    const { deleteRecords } = await gateway.run(DeleteRecords, { input: { datastoreId: id, select, confirmed: true } });
    expectType(deleteRecords, 'DeleteRecordsSuccess');
  }
  await removeStore(gateway);
  await gateway.app.chores.run();
}

/** Deletes a datastore with more records than one step removes. */
async function removeStore(gateway: TestGateway): Promise<void> {
  const own = apiOf(gateway);
  const { id: datastoreId } = await own.created({ environmentId: uuid(0), config: { managed: { maxSizeMb: 1 } } });
  for (let from = 0; from < 2; from += 1) {
    const items = Array.from({ length: MOST_ITEMS }, (_, at) => ({ key: `${from} ${at}`, data: {} }));
    const { putRecords } = await gateway.run(PutRecords, { input: { datastoreId, items } });
    expectType(putRecords, 'PutRecordsSuccess');
  }
  const input = { select: { ids: [datastoreId] }, confirmed: true };
  const { deleteDatastores } = await gateway.run(DeleteDatastores, { input });
  expectType(deleteDatastores, 'DeleteDatastoresSuccess');
}

/** Reads an export on behind its first page, whose plan is that of the statement for any other. */
async function exportTwoPages({ url, token }: TestGateway, id: string): Promise<void> {
  const ending = new AbortController();
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/datastores/${id}/records`, { headers, signal: ending.signal });
  let lines = 0;
  for await (const chunk of response.body ?? []) {
    lines += Buffer.from(chunk).toString().split('\n').length - 1;
    if (lines > EXPORTED_AT_ONCE) break;
  }
  ending.abort();
  expect(lines).toBeGreaterThan(EXPORTED_AT_ONCE);
}

/** A managed datastore with many records, and as many events. */
async function fillStore(api: Api, { query }: Database, environmentId: string): Promise<string> {
  const { id } = await api.created({ environmentId, config: { managed: { maxSizeMb: 10 } } });
  for (let from = 0; from < ROWS; from += IN_ONE_STATEMENT) {
    const keys = Array.from({ length: IN_ONE_STATEMENT }, (_, at) => String(from + at).padStart(6, '0'));
    const records = keys.map((key, at) => ({
      key,
      version: from + at + 1,
      size: 8,
      data: '{}',
      updated_at: minute(0),
    }));
    await query
      .insertInto('managed_records')
      .values(records.map((record) => ({ datastore_id: id, ...record })))
      .execute();
    const events = keys.map((key, at) => ({ key, sequence: from + at + 1, at: new Date().toISOString() }));
    await query
      .insertInto('record_events')
      .values(events.map((event) => ({ datastore_id: id, kind: 'PUT' as const, actor: 'test', ...event })))
      .execute();
  }
  const counts = { record_count: ROWS, used_bytes: ROWS * 8, last_event: ROWS };
  await query.updateTable('managed_stores').set(counts).where('datastore_id', '=', id).execute();
  return id;
}

/** Reads the audit log by each of its filters, with a token of all environments and of two, from a cursor on too. */
async function readAuditLog(gateway: TestGateway, environmentIds: readonly string[], id: string): Promise<void> {
  const [environmentId = '', other = ''] = environmentIds;
  const token = await gateway.createToken(`reads ${randomUUID()}`, ['AUDIT_READ'], [environmentId, other]);
  const some = [
    { environmentId },
    { datastoreId: id },
    { subjectId: id },
    { actor: 'nobody' },
    { action: 'usage.register' },
    { environmentId, actor: 'nobody' },
    { environmentId, action: 'usage.register' },
    { environmentId, datastoreId: id },
    { environmentId, outcome: 'REFUSED' as const },
  ];
  for (const filter of [{}, ...some, { outcome: 'REFUSED' as const }, { from: minute(1), until: minute(2) }]) {
    for (const caller of [gateway.token, token]) {
      const { auditLog } = await gateway.run(ReadAuditLog, { ...filter, first: 1 }, caller);
      const after = auditLog.pageInfo.endCursor;
      if (after) await gateway.run(ReadAuditLog, { ...filter, after }, caller);
    }
  }
}

/** Follows with and without each filter, from a cursor and from now on, with a token of all environments and of two. */
async function followChanges(
  gateway: TestGateway,
  api: Api,
  datastoreId: string,
  [environmentId, other]: readonly [string, string],
): Promise<void> {
  const token = await gateway.createToken(`plans ${randomUUID()}`, ['DATASTORES_READ'], [environmentId, other]);
  const cursor = Buffer.from(JSON.stringify({ at: new Date().toISOString(), positions: {} })).toString('base64url');
  const enough = (results: readonly { readonly data?: unknown }[]) => results.length > 0;
  const following = [{}, { environmentId }, { datastoreId }, { environmentId, datastoreId }].flatMap((filter) =>
    [null, cursor].flatMap((after) =>
      [gateway.token, token].map((caller) =>
        gateway.follow(DatastoreEvents, { ...filter, after }, { token: caller, enough }),
      ),
    ),
  );
  let over = false;
  const all = Promise.all(following).finally(() => {
    over = true;
  });
  for (let at = 0; !over; at += 1) await api.updated({ id: datastoreId, label: `label ${at}` });
  await all;
}

/** Leaves a test behind that a dead process ran, and one that nobody took in time. */
async function abandon(database: Database, environmentId: string): Promise<string[]> {
  const [running, queued] = [randomUUID(), randomUUID()];
  const started = { finished_at: null, sequence: 0 };
  const dead = { owner: randomUUID(), lease_expires_at: minute(0), attempt: 1 };
  await database.query
    .insertInto('connection_tests')
    .values([{ ...testRow(running, environmentId, 1), ...started, ...dead, status: 'RUNNING' }])
    .execute();
  await database.query
    .insertInto('connection_tests')
    .values([{ ...testRow(queued, environmentId, 2), ...started, status: 'QUEUED' }])
    .execute();
  return [running, queued];
}

/** @returns the ids of all environments, those that were given first */
async function fill({ query }: Database, environmentIds: readonly string[]): Promise<string[]> {
  const more = Array.from({ length: ENVIRONMENTS - environmentIds.length }, (_, at) => uuid(at));
  const all = [...environmentIds, ...more];
  const stamps = { created_at: minute(0), updated_at: minute(0), created_by: 'test' };
  await query
    .insertInto('environments')
    .values(more.map((id) => ({ id, name: id, ...stamps })))
    .execute();
  await query
    .insertInto('journal_heads')
    .values(all.map((id) => ({ environment_id: id, sequence: ROWS / ENVIRONMENTS, mac: '' })))
    .execute();
  const { id: parentId } = await query.selectFrom('api_tokens').select('id').executeTakeFirstOrThrow();
  const { id: dataKeyId } = await query
    .selectFrom('data_keys')
    .select('id')
    .where('environment_id', '=', environmentIds[0] ?? '')
    .executeTakeFirstOrThrow();
  for (let from = 0; from < ROWS; from += IN_ONE_STATEMENT) {
    const some = Array.from({ length: IN_ONE_STATEMENT }, (_, at) => ({
      id: uuid(from + at),
      number: from + at,
      environmentId: all[(from + at) % ENVIRONMENTS] ?? '',
    }));
    const datastores = some.map(({ id, number, environmentId }) => datastoreRow(id, environmentId, number));
    await query.insertInto('datastores').values(datastores).execute();
    const tests = some.map(({ id, number, environmentId }) => ({
      ...testRow(id, environmentId, number),
      datastore_id: id,
    }));
    await query.insertInto('connection_tests').values(tests).execute();
    const events = some.map(({ id, number }) => ({ test_id: id, sequence: 1, at: minute(number), snapshot: '{}' }));
    await query.insertInto('test_events').values(events).execute();
    const tags = some.map(({ id, number, environmentId }) => {
      // the first environments have none of these
      const value = number % ENVIRONMENTS < 2 ? 'others' : 'common';
      return { datastore_id: id, environment_id: environmentId, key: 'team', value };
    });
    await query.insertInto('datastore_tags').values(tags).execute();
    const usages = some.map(({ id, number }) => usageRow(id, number));
    await query.insertInto('datastore_usages').values(usages).execute();
    const revisions = some.map(({ id, number }) => revisionRow(id, number));
    await query.insertInto('datastore_revisions').values(revisions).execute();
    const keys = some.map(({ id, number }) => ({ id, datastore_id: id, wrapped: `v1.${dataKeyId}.${number}` }));
    const older = { version: 1, bound_to: '[]', superseded_at: FAR };
    await query
      .insertInto('revision_keys')
      .values(keys.map((key) => ({ ...key, ...older })))
      .execute();
    const hook = { environment_id: environmentIds[0] ?? '', url: '', events: '[]', sealed: '', ...stamps };
    await query
      .insertInto('webhooks')
      .values(keys.map(({ id, wrapped }) => ({ id, key_id: id, wrapped, ...hook, updated_by: 'test' })))
      .execute();
    await query
      .insertInto('secret_keys')
      .values(keys.map((key) => ({ ...key, created_at: FAR })))
      .execute();
    const calls = some.map(({ id }) => ({ key_mac: id, input_mac: id, result: '{}', created_at: FAR }));
    await query.insertInto('idempotency_keys').values(calls).execute();
    const healths = some.map(({ id }) => ({ datastore_id: id, status: 'UNKNOWN', failures: 0, next_check_at: FAR }));
    await query.insertInto('datastore_health').values(healths).execute();
    const hours = some.map(({ id, number }) => hourRow(id, number));
    await query.insertInto('health_hours').values(hours).execute();
    const refreshes = some.map(({ id }) => ({ id, datastore_id: id, entry_count: 0, size: 0 }));
    await query.insertInto('catalog_refreshes').values(refreshes).execute();
    const deliveries = some.map(({ id, number }) => deliveryRow(id, number));
    await query.insertInto('webhook_deliveries').values(deliveries).execute();
    const changes = some.map(({ id, number }) => ({ datastore_id: id, at: minute(number), since: '', counts: '{}' }));
    await query
      .insertInto('catalog_changes')
      .values(changes.map((change) => ({ ...change, details: '{}' })))
      .execute();
    const catalogs = some.map(({ id, number }) => ({ datastore_id: id, refresh_id: id, refreshed_at: minute(number) }));
    await query
      .insertInto('catalogs')
      .values(catalogs.map((catalog) => ({ ...catalog, entry_count: 0 })))
      .execute();
    const sessions = some.map(({ id, number }) => tokenRow(id, number % 2 === 0 ? parentId : null, number));
    await query.insertInto('api_tokens').values(sessions).execute();
    const entries = some.map(({ id, number, environmentId }) => journalRow(id, environmentId, number));
    await query.insertInto('journal').values(entries).execute();
  }
  return all;
}

function datastoreRow(id: string, environmentId: string, number: number) {
  return {
    id,
    environment_id: environmentId,
    type: 'POSTGRES',
    name: `d${number}`,
    label: `D ${number}`,
    label_folded: `d ${number}`,
    config: '{}',
    secrets: '[]',
    version: 1,
    created_at: minute(number),
    updated_at: minute(number),
    created_by: 'test',
    updated_by: 'test',
  };
}

/** A message that was delivered just now. */
function deliveryRow(id: string, number: number) {
  const over = { state: 'DELIVERED', attempts: 1, due_at: null, ended_at: FAR };
  return { ...over, id, webhook_id: id, type: 'webhook.test', body: '{}', created_at: minute(number) };
}

function hourRow(id: string, number: number) {
  const at = new Date(Date.now() - (number % 48) * 3_600_000).toISOString();
  return {
    ...{ datastore_id: id, hour: at, checks: 1, passed: 1, up_ms: 0, down_ms: 0, first_at: at, last_at: at },
    ...{ last_until: at, last_passed: 1, durations: '{"test":{},"checks":{}}' },
  };
}

function usageRow(id: string, number: number) {
  return { id, datastore_id: id, kind: 'dashboard', name: `d${number}`, registered_at: minute(number) };
}

function revisionRow(id: string, number: number) {
  const { name, label, config, updated_at: at, updated_by: actor } = datastoreRow(id, '', number);
  return { datastore_id: id, version: 1, at, actor, name, label, config, secret_paths: '[]', changes: '[]' };
}

/** A token that expires in the far future, a session token where it has a parent. */
function tokenRow(id: string, parentId: string | null, number: number) {
  const stamps = {
    created_at: minute(number),
    expires_at: new Date(Date.UTC(2999, 0, 1, 0, number)).toISOString(),
    created_by: 'test',
  };
  return { id, name: id, prefix: 'dsg_', hash: id, scopes: '[]', all_environments: 1, parent_id: parentId, ...stamps };
}

/** A test that has ended, just now. */
function testRow(id: string, environmentId: string, number: number) {
  return {
    id,
    environment_id: environmentId,
    type: 'POSTGRES',
    purpose: 'REQUESTED',
    status: 'PASSED',
    is_stored: 0,
    requested_by: 'test',
    token_id: 'test',
    checks: '[]',
    plan: '[]',
    created_at: minute(number),
    finished_at: FAR,
    deadline_at: minute(number),
  };
}

function journalRow(id: string, environmentId: string, number: number) {
  return {
    environment_id: environmentId,
    sequence: Math.floor(number / ENVIRONMENTS) + 1,
    id,
    at: minute(number),
    kind: 'UPDATED',
    action: 'datastore.updated',
    actor: 'test',
    subject_type: 'datastore',
    subject_id: id,
    detail: '{}',
    mac: '',
  };
}
