import { sql } from 'kysely';
import ts from 'typescript';
import { beforeAll, expect, test } from 'vitest';
import { Database } from '../../src/platform/database/database.ts';
import { migrateToLatest } from '../../src/platform/database/migrate.ts';
import { LocalDoorbell } from '../../src/platform/streams/doorbell.ts';
import { collect, functionAround, parseSource, readSources, textOf } from './sources.ts';

/**
 * Lists the statements over an environment's tables that do not ask what their caller may see, with the reason.
 * Whatever else reads, changes or deletes rows of these tables goes through whereVisible().
 */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  'An id is unique over all environments, whoever may see them.': [
    'platform/ids.ts isUsedId',
    'platform/ids.ts claimDatastoreId',
  ],
  'It tells only whether there is anything at all, at the first start.': [
    'modules/environments/store.ts hasEnvironments',
    'platform/keys/keyring.ts verifyKeyring',
  ],
  'The service has found the environment for its caller; what follows locks, changes or counts what is in it.': [
    'modules/environments/store.ts lockEnvironment',
    'modules/environments/store.ts changeEnvironment',
    'modules/environments/store.ts deleteEnvironmentRow',
    'modules/environments/store.ts heldDatastoreIds',
    'modules/environments/store.ts holdsWebhookForAll',
    'modules/datastores/store.ts lockNames',
    'modules/datastores/store.ts takenNames',
  ],
  'The service has found or locked the datastore for its caller, and names it by its id.': [
    'modules/datastores/store.ts replacementOf',
    'modules/datastores/store.ts deleteDatastoreRows',
    'modules/datastores/store.ts deleteSecrets',
    'modules/datastores/store.ts replaceTags',
    'modules/datastores/store.ts readSealed',
    'modules/usages/store.ts putUsage',
    'modules/revisions/store.ts eraseUpTo',
    'modules/revisions/store.ts eraseUpToLater',
    'modules/revisions/store.ts erase',
    'modules/usages/store.ts deleteUsage',
    'modules/usages/store.ts usageIdsOf',
    'modules/catalogs/store.ts listEntries',
    'modules/catalogs/store.ts keysIn',
    'modules/catalogs/change-store.ts readChanges',
    'modules/connection-tests/store.ts setLastTest',
    'modules/connection-tests/store.ts keepTested',
    'modules/connection-tests/store.ts networkOf',
    'modules/health/schedule.ts endSchedule',
    'modules/health/store.ts readHealth',
    'modules/health/history-store.ts readHours',
    'modules/managed-data/store.ts lockStores',
    'modules/managed-data/store.ts lockStoresOf',
    'modules/managed-data/store.ts countStore',
    'modules/managed-data/record-store.ts findHeads',
    'modules/managed-data/record-store.ts nextHeads',
    'modules/managed-data/record-store.ts readRecords',
    'modules/managed-data/record-store.ts removeRecords',
  ],
  'The service has found or locked the data structure for its caller, and names it by its id.': [
    'modules/data-structures/store.ts replaceStructure',
    'modules/data-structures/store.ts deleteStructure',
    'modules/data-structures/store.ts usersOf',
  ],
  'The service has found the environment, or locked the webhook or its deliveries, for its caller.': [
    'modules/webhooks/store.ts countLocked',
    'modules/webhooks/store.ts countOfAll',
    'modules/webhooks/store.ts replaceWebhook',
    'modules/webhooks/store.ts replaceSecrets',
    'modules/webhooks/store.ts deleteWebhookRow',
    'modules/webhooks/delivery-store.ts endPending',
    'modules/webhooks/delivery-store.ts requeue',
  ],
  'An event is told to all webhooks of its environment, and to those for all, whoever brings it about.': [
    'modules/webhooks/store.ts lockHearers',
    'modules/webhooks/store.ts readToldDatastore',
  ],
  'The deliverer sends everybody’s messages.': [
    'modules/webhooks/store.ts readForDelivery',
    'modules/webhooks/store.ts setWorking',
    'modules/webhooks/store.ts setFailing',
    'modules/webhooks/store.ts setDisabled',
    'modules/webhooks/delivery-store.ts takeDueDeliveries',
    'modules/webhooks/delivery-store.ts settleAttempt',
  ],
  'A condition on the datastore at hand, of which the statement around it asks what its caller may see.': [
    'modules/datastores/query.ts facetsIn',
    'modules/datastores/query.ts taggedWith',
    'modules/datastores/store.ts sealedTextsBeside',
  ],
  'It says what is read of datastores, and each that goes on from there which of them the caller may see.': [
    'modules/datastores/store.ts selectDatastores',
  ],
  'It finds ids alone; what they lead to is read with what the caller may see.': [
    'modules/datastores/few-store.ts onSqlite',
  ],
  'An operator has what an older version has sealed sealed anew, for everybody.': [
    'modules/datastores/store.ts lockOldForm',
    'modules/datastores/store.ts replaceSealed',
    'modules/connection-tests/store.ts lockOldForm',
    'modules/connection-tests/store.ts replaceSealed',
  ],
  'The service has found the connection test for its caller, and names it by its id.': [
    'modules/connection-tests/event-store.ts readEvents',
    'modules/connection-tests/event-store.ts readFolded',
    'modules/connection-tests/store.ts adoptTest',
    'modules/connection-tests/store.ts readForChange',
    'modules/connection-tests/store.ts requestCancel',
  ],
  'The events of everybody’s tests are folded, unread, into the rows of these tests.': [
    'modules/connection-tests/event-store.ts findUnfolded',
    'modules/connection-tests/event-store.ts storeFolded',
  ],
  'The old tests of everybody are removed, unread.': [
    'modules/connection-tests/removal-store.ts nextDatastores',
    'modules/connection-tests/removal-store.ts findOld',
    'modules/connection-tests/removal-store.ts removeTests',
  ],
  'The operator’s rules name environments: they are what the person may see.': [
    'modules/people/service.ts PeopleService.#environmentIds',
  ],
  'An operator has everybody’s data keys made anew, and what they wrap wrapped anew.': [
    'platform/keys/key-rotation.ts countWrapped',
    'platform/keys/key-rotation.ts needsRotation',
    'platform/keys/key-rotation.ts countFormer',
    'platform/keys/key-rotation.ts makeSome',
    'platform/keys/key-rotation.ts eachRetired',
    'platform/keys/rewrapping.ts forgetDataKey',
    'platform/keys/rewrapping.ts keepDataKey',
    'modules/connection-tests/store.ts findKeyed',
    'modules/datastores/store.ts findKeyed',
    'modules/revisions/store.ts findKeyed',
    'modules/webhooks/store.ts findKeyed',
  ],
  'The scheduler checks the health of everybody’s datastores.': [
    'modules/health/store.ts takeDue',
    'modules/health/store.ts setRunning',
    'modules/health/store.ts setPaused',
    'modules/health/store.ts lockForResult',
    'modules/health/store.ts writeResult',
    'modules/health/history-store.ts recordCheck',
  ],
  'A limit or a measurement counts the tests of everybody, and tells none of them.': [
    'modules/connection-tests/admission.ts requireRoom',
    'modules/connection-tests/store.ts readQueue',
  ],
  'Whether a health check is the first of its day decides on its entry in the audit log alone.': [
    'modules/connection-tests/journal.ts isLaterCheck',
  ],
  'The runner takes, runs and ends tests for everybody.': [
    'modules/connection-tests/store.ts writeEvents',
    'modules/connection-tests/store.ts appendEvents',
    'modules/connection-tests/store.ts findOwned',
    'modules/connection-tests/store.ts claimTests',
    'modules/connection-tests/store.ts renewLeases',
    'modules/connection-tests/store.ts findAbandoned',
    'modules/connection-tests/store.ts moveOn',
    'modules/connection-tests/store.ts findCancelRequests',
    'modules/connection-tests/store.ts readSecretKey',
    'modules/connection-tests/store.ts eraseSecrets',
  ],
  'The runner’s checks look at the datastore that the test is of, in its environment.': [
    'modules/managed-data/storage.ts ManagedStorage.#counts',
    'modules/managed-data/storage.ts ManagedStorage.#fields',
  ],
  'The runner puts in what a test has read, under the test’s own id.': [
    'modules/catalogs/store.ts exchangeCatalog',
    'modules/catalogs/store.ts findInUse',
    'modules/catalogs/change-store.ts differing',
    'modules/catalogs/change-store.ts insertChange',
    'modules/catalogs/store.ts insertEntries',
    'modules/catalogs/store.ts findNeedlessRefreshes',
    'modules/catalogs/store.ts removeEntries',
    'modules/catalogs/store.ts lockDatastore',
    'modules/catalogs/store.ts lockRefresh',
  ],
  'One reading serves all followers of datastore events; each takes from it what isVisible() lets it see.': [
    'modules/datastores/store.ts allJournalEnds',
    'modules/datastores/store.ts seekEvents',
  ],
  'A token’s own row says which environments it may see.': ['modules/access/store.ts allWithEnvironments'],
  'It looks for those environments of a token, too, that its caller may not see.': [
    'modules/access/store.ts whereWithin',
  ],
  'What is kept for a time is removed for everybody once that is over.': [
    'modules/revisions/store.ts eraseSuperseded',
    'modules/managed-data/event-store.ts removeOldEvents',
    'modules/health/history-store.ts removeHours',
    'modules/managed-data/removal-store.ts isAbandoned',
    'modules/managed-data/removal-store.ts lockAbandoned',
    'modules/managed-data/removal-store.ts lockNextAbandoned',
    'modules/managed-data/removal-store.ts removeNext',
    'modules/managed-data/removal-store.ts removeNextRecords',
    'modules/managed-data/removal-store.ts removeNextEvents',
    'modules/webhooks/store.ts eraseOldSecrets',
    'modules/webhooks/delivery-store.ts removeOldDeliveries',
  ],
  'It is asked of an event that its follower may see, whose datastore and environment it names.': [
    'modules/datastores/store.ts wasDeletedSince',
  ],
  'A bound within a statement that asks what its caller may see.': ['modules/audit/store.ts creationOf'],
  'The journal and the keys are kept for the gateway itself, below who may see what.': [
    'platform/journal/journal.ts JournalLink.moveEnd',
    'platform/journal/journal.ts JournalLink.lock',
    'platform/journal/journal.ts JournalLink.findEnd',
    'platform/journal/journal.ts verifyJournal',
    'platform/journal/journal.ts journalChains',
    'platform/journal/journal.ts readJournal',
    'platform/journal/journal.ts holdsLoggedHead',
    'platform/keys/data-keys.ts lockActiveDataKey',
    'platform/keys/data-keys.ts holdActiveDataKey',
    'platform/keys/sealer.ts Sealer.#findDataKey',
    'platform/keys/sealer.ts readAgain',
  ],
};

const QUERY = /^(selectFrom|updateTable|deleteFrom|mergeInto|using|\w+Join\w*)$/;

let sources: readonly ts.SourceFile[];
let tables: ReadonlySet<string>;
let conditions: readonly string[];

beforeAll(async () => {
  sources = await readSources();
  tables = await environmentTables();
  conditions = sources.flatMap(conditionsIn);
});

/** The tables whose rows belong to an environment: by their environment_id, or by a reference to such a row. */
async function environmentTables(): Promise<Set<string>> {
  const database = await Database.open({ url: 'sqlite::memory:', doorbell: new LocalDoorbell() });
  try {
    await migrateToLatest(database);
    const columns = await sql<{ table: string; column: string; target: string | null }>`
      select m.name as "table", c.name as "column", f."table" as target
      from sqlite_master m join pragma_table_info(m.name) c
      left join pragma_foreign_key_list(m.name) f on f."from" = c.name
      where m.type = 'table'`.execute(database.query);
    const owned = new Set(['environments']);
    for (let before = -1; before !== owned.size; ) {
      before = owned.size;
      for (const { table, column, target } of columns.rows)
        if (column === 'environment_id' || (target !== null && owned.has(target))) owned.add(table);
    }
    return owned;
  } finally {
    await database.close();
  }
}

/** `path function` of each statement over an environment's tables that says nothing of what its caller may see. */
function unguarded(source: ts.SourceFile): string[] {
  const guards = new Set(['whereVisible', 'whereVisibleToo', ...conditions, ...conditionsIn(source)]);
  return queriesIn(source)
    .filter((query) => !calls(chainOf(query), guards))
    .map((query) => `${source.fileName} ${functionAround(query)}`);
}

/** The functions that make a condition of what a caller may see. */
function conditionsIn(source: ts.SourceFile): string[] {
  const made = new Set(['whereVisible', 'whereVisibleToo']);
  return collect(source, (node) =>
    ts.isFunctionDeclaration(node) && calls(node, made) && queriesIn(node).length === 0 ? node.name?.text : undefined,
  );
}

function queriesIn(node: ts.Node): ts.Node[] {
  return collect(node, (each) => {
    if (ts.isTaggedTemplateExpression(each)) {
      const words = each.template.getText().split(/[^\w]+/);
      return each.tag.getText().startsWith('sql') && words.some((word) => tables.has(word)) ? each : undefined;
    }
    if (!ts.isCallExpression(each)) return undefined;
    const name = ts.isPropertyAccessExpression(each.expression) ? each.expression.name.text : each.expression.getText();
    const [first] = each.arguments;
    const given = first && ts.isArrayLiteralExpression(first) ? first.elements : [first];
    const names = given.map((one) => textOf(one)?.split(' ')[0] ?? '');
    return QUERY.test(name) && names.some((table) => tables.has(table)) ? each : undefined;
  });
}

/** The whole of `selectFrom(…).where(…).execute()`, from any call in it. */
function chainOf(call: ts.Node): ts.Node {
  let at = call;
  while ((ts.isPropertyAccessExpression(at.parent) || ts.isCallExpression(at.parent)) && at.parent.expression === at)
    at = at.parent;
  return at;
}

function calls(node: ts.Node, names: ReadonlySet<string>): boolean {
  return (
    collect(node, (each) => (ts.isCallExpression(each) && names.has(each.expression.getText())) || undefined).length > 0
  );
}

test('a query of an environment’s table asks what its caller may see, or is listed above', () => {
  const found = new Set(sources.flatMap(unguarded));
  expect([...found].toSorted()).toEqual(Object.values(exceptions).flat().toSorted());
});

test.each([
  [`selectFrom('datastores').selectAll().execute()`, 1],
  [`selectFrom('datastores as d').selectAll().execute()`, 1],
  [`selectFrom('api_tokens').innerJoin('datastores', 'a', 'b').execute()`, 1],
  [`selectFrom(['settings', 'journal']).execute()`, 1],
  [`updateTable('connection_tests').set({}).execute()`, 1],
  [`deleteFrom('catalog_entries').where(({ selectFrom }) => selectFrom('catalogs').select('x')).execute()`, 2],
  [`selectFrom('secret_versions').where(other(access)).execute()`, 1],
  ['sql`select * from test_events`.execute(query)', 1],
  [`selectFrom('datastores').where(whereVisible(access, 'datastores.environment_id')).execute()`, 0],
  [`selectFrom('datastores').where(whereVisibleToo(access, 'datastores.environment_id', null)).execute()`, 0],
  [`selectFrom('datastores').where(matches(access)).execute()`, 0],
  [`selectFrom('settings').selectAll().execute()`, 0],
])('the rule judges %s', (statement, count) => {
  const text = `
    function matches(access) { return and([whereVisible(access, 'datastores.environment_id')]); }
    function other(access) { return 1; }
    export function ask(query, access) { return ${statement.startsWith('sql') ? statement : `query.${statement}`}; }`;
  expect(unguarded(parseSource('made-up.ts', text))).toEqual(Array.from({ length: count }, () => 'made-up.ts ask'));
});
