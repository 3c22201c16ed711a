/**
 * What queries cost with 1,000,000 datastores in 1,000 environments, beside 10,000 in ten of the same shape: two
 * gateways of this process take turns, over HTTP; the median of the turns' ratios is what counts.
 *
 *   node bench/growth.ts sqlite|postgres [--rounds 30] [--rows 1000000] [--only search] [--explain]
 *     [--folder PLACE] [--url postgres://…]
 *
 * With --folder SQLite's files stay there, and with --url as well the databases on that server, whose key files are in
 * the folder: they are filled the first time.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { CompiledQuery, sql } from 'kysely';
import pg from 'pg';
import { App } from '../src/app.ts';
import { preparePostgres, startPostgres } from '../src/demo/postgres-server.ts';
import { scopes } from '../src/modules/access/access.ts';
import type { Database } from '../src/platform/database/database.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';
import { send } from './load.ts';
import { median } from './median.ts';

const SMALL = 10_000;
/** The most that a query may take of what it takes in the small one. */
const GOAL = 1.3;
const IN_ONE_ENVIRONMENT = 1_000;
/** One of so many datastores is in the first environment. */
const IN_THE_FIRST = 5;
const WARM_UP = 5;
/** As many requests make a turn: what is measured is what a gateway in use takes, not what it takes to wake it. */
const IN_A_TURN = 4;
const SETTLE_MS = 2_000;
const MICROS_PER_MS = 1_000;
const NANOS_PER_MS = 1_000_000;
const FILLED_AT_ONCE = { sqlite: 50_000, postgres: 2_000 } as const;
/** Of the machine's memory, one of so many parts is Postgres' for what it has read. */
const MEMORY_PARTS = 4;
const KIB = 1_024;
const PORTS = 24_000;
const PORT_RANGE = 1_000;

type Kind = Database['kind'];

/** A filled gateway that listens. */
interface Filled {
  readonly app: App;
  readonly rows: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of two environments. */
  readonly tenant: Readonly<Record<string, string>>;
  readonly statements: Map<string, readonly unknown[]>;
}

/** A query, and with which variables it is sent to a gateway of so many datastores. */
interface Asked {
  readonly name: string;
  readonly document: string;
  readonly variables?: (rows: number) => object;
  readonly asTenant?: boolean;
}

export interface GrowthOptions {
  /** How many datastores the larger one has. */
  readonly rows: number;
  readonly rounds: number;
  /** What the names of the queries have to contain. */
  readonly only?: string;
  readonly explains?: boolean;
  /** The folder in which SQLite's files and all key files stay. */
  readonly kept?: string | undefined;
  /** A superuser's, of a server on which the databases stay beside their key files. */
  readonly postgresUrl?: string | undefined;
}

export interface GrowthRow {
  readonly name: string;
  readonly smallMs: number;
  readonly largeMs: number;
  readonly ratio: number;
}

const NODE =
  'id name label ... on PostgresDatastore { config { host port username database schema } } environment { id name } lastTest { id status }';
const LIST = `query Listed($environmentId: ID, $filter: DatastoreFilter, $orderBy: DatastoreOrder, $first: Int, $after: String, $last: Int, $before: String, $offset: Int) {
  datastores(environmentId: $environmentId, filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before, offset: $offset) {
    nodes { ${NODE} } pageInfo { hasNextPage endCursor } } }`;
const COUNT = `query Counted($environmentId: ID, $filter: DatastoreFilter) {
  datastores(environmentId: $environmentId, filter: $filter, first: 1) { totalCount nodes { id } } }`;
const FIRST = { environmentId: environmentOf(0) };
const listed = (name: string, variables: object, asTenant = false): Asked => {
  return { name: `list ${name}`, document: LIST, variables: () => variables, asTenant };
};
const counted = (name: string, variables: object): Asked => {
  return { name: `count ${name}`, document: COUNT, variables: () => variables };
};
const orders = ['LABEL', 'NAME', 'TYPE', 'CREATED_AT', 'UPDATED_AT'];
/** Each filter, with values that are rare and that are not. */
const filters: Readonly<Record<string, object>> = {
  'search without a hit': { search: 'no such shop' },
  'search for one': { search: 'shop 0004711 ' },
  'search for all': { search: 'Shop' },
  'search for two letters': { search: 'op' },
  'search for two letters without a hit': { search: 'qz' },
  'of most types': { types: ['POSTGRES'] },
  'of a rare type': { types: ['S3'] },
  'of two types': { types: ['S3', 'POSTGRES'] },
  'last test failed': { lastTestStatus: ['FAILED'] },
  'last test passed': { lastTestStatus: ['PASSED'] },
  'last test cancelled, none is': { lastTestStatus: ['CANCELLED'] },
  unhealthy: { health: ['UNHEALTHY'] },
  'of unknown health': { health: ['UNKNOWN'] },
  'with a common tag': { tags: [{ key: 'team', value: 'team-3' }] },
  'with a rare tag': { tags: [{ key: 'tier', value: 'gold' }] },
  'with a tag that none has': { tags: [{ key: 'tier', value: 'lead' }] },
  'in use': { inUse: true },
  'not in use': { inUse: false },
  'changed lately': { updatedSince: '2026-03-01T00:00:00.000Z' },
  'of a name': { names: ['shop-4711'] },
};
const DATASTORE = '$id: ID!';
const ofOne = (name: string, fields: string): Asked => ({
  name,
  document: `query One(${DATASTORE}) { datastore(id: $id) { id ${fields} } }`,
  variables: (rows) => ({ id: idOf(Math.floor(Math.random() * rows)) }),
});

/** The queries that pages of the documentation show, each list with every filter and order that it takes. */
const asked: readonly Asked[] = [
  ofOne('one datastore', NODE),
  ofOne('its health', 'health { status since }'),
  ofOne('its health history', 'health { history(window: MONTH) { checkCount } }'),
  ofOne('its versions', 'revisions(first: 20) { nodes { version at actor changes { path } } }'),
  ofOne('its tests', 'connectionTests(first: 20) { nodes { id status } }'),
  ofOne('its usages', 'usages(first: 20) { nodes { id } totalCount }'),
  ofOne(
    'its health and its last checks',
    `health { status since checkEveryMinutes nextCheckAt pausedReason }
    connectionTests(purpose: HEALTH, first: 10) { nodes { status finishedAt durationMs failure { code message hint } } }`,
  ),
  {
    name: 'health history of twenty',
    document: `query History($ids: [ID!]) { datastores(filter: { ids: $ids }) { nodes { health {
      history(window: WEEK) { uptime checkCount passedCount medianDurationMs checks { title medianDurationMs } } } } } }`,
    variables: (rows) => ({ ids: Array.from({ length: 20 }, () => idOf(Math.floor(Math.random() * rows))) }),
  },
  {
    name: 'by name',
    document:
      'query Named($environmentId: ID, $name: String!) { datastoreByName(environmentId: $environmentId, name: $name) { id } }',
    variables: () => ({ ...FIRST, name: 'shop-5' }),
  },
  {
    name: 'of an environment',
    document: LIST,
    variables: (rows) => ({
      environmentId: environmentOf(1 + Math.floor(Math.random() * (rows / IN_ONE_ENVIRONMENT - 1))),
    }),
  },
  ...orders.flatMap((field) => {
    const orderBy = { field, direction: 'DESC' };
    return [listed(`by ${field}`, { orderBy }), listed(`by ${field} of the first environment`, { ...FIRST, orderBy })];
  }),
  listed('the last page', { last: 20 }),
  listed('behind an offset of 5,000', { offset: 5_000 }),
  listed('of two environments', {}, true),
  listed('of two environments by name', { orderBy: { field: 'NAME', direction: 'ASC' } }, true),
  ...Object.entries(filters).flatMap(([name, filter]) => [
    listed(name, { filter }),
    listed(`${name}, of the first environment`, { ...FIRST, filter }),
    listed(`${name}, by the time of creation`, { filter, orderBy: { field: 'CREATED_AT', direction: 'DESC' } }),
    listed(`${name}, of two environments`, { filter }, true),
  ]),
  counted('all', {}),
  counted('of the first environment', FIRST),
  ...Object.entries(filters).map(([name, filter]) => counted(name, { filter })),
  { name: 'environments', document: '{ environments(first: 20) { nodes { id name } } }' },
  { name: 'environments, searched', document: '{ environments(search: "nowhere") { nodes { id name } } }' },
  { name: 'tokens', document: '{ apiTokens(first: 20) { nodes { id name lastUsedAt } } }' },
  { name: 'audit log', document: '{ auditLog(first: 20) { nodes { id at action } } }' },
  {
    name: 'audit log of an environment',
    document:
      'query Log($environmentId: ID) { auditLog(environmentId: $environmentId, first: 20) { nodes { id at } } }',
    variables: () => FIRST,
  },
  {
    name: 'audit log of a datastore',
    document: `query Log(${DATASTORE}) { auditLog(datastoreId: $id, action: "connection_test.start") { nodes { id } } }`,
    variables: (rows) => ({ id: idOf(Math.floor(Math.random() * rows)) }),
  },
  {
    name: 'processes',
    document: `{ processes { nodes { kind host version network capacity running startedAt lastSeenAt isAlive
      tests { id type status } } } }`,
  },
  { name: 'data structures', document: '{ dataStructures(first: 20) { nodes { id name } } }' },
  {
    name: 'data structures of two environments',
    document: '{ dataStructures(first: 20) { nodes { id name } } }',
    asTenant: true,
  },
  {
    name: 'webhooks',
    document: 'query Hooks($environmentId: ID!) { webhooks(environmentId: $environmentId) { nodes { id } } }',
    variables: () => FIRST,
  },
  ...[null, 'DEAD'].map((state) => ({
    name: `deliveries${state === null ? '' : ' that are dead'}`,
    document:
      'query Told($webhookId: ID!, $state: WebhookDeliveryState) { webhookDeliveries(webhookId: $webhookId, state: $state) { nodes { id state } } }',
    variables: () => ({ webhookId: idOf(0), state }),
  })),
];

/** Compares the queries whose names contain `only`, and gives what each took in both; `onRow` gets each as a line. */
export async function compareGrowth(
  kind: Kind,
  { rows, rounds, only = '', explains = false, kept, postgresUrl }: GrowthOptions,
  onRow: (line: string) => unknown = () => undefined,
): Promise<readonly GrowthRow[]> {
  if (postgresUrl !== undefined && kept === undefined) throw new Error('--url needs a --folder for the key files');
  const endings: (() => Promise<unknown>)[] = [];
  try {
    const folder = kept ?? (await mkdtemp(join(tmpdir(), 'gateway-growth-')));
    if (kept === undefined) endings.push(() => rm(folder, { recursive: true, force: true }));
    const urlOf =
      kind === 'postgres'
        ? await newPostgres(postgresUrl, endings)
        : (name: string) => `sqlite:${join(folder, `${name}.db`)}`;
    const sizes: Filled[] = [];
    for (const [at, size] of [SMALL, rows].entries()) {
      const name = at === 0 ? 'small' : 'large';
      sizes.push(
        await fill(await urlOf(name), { keyFile: join(folder, `${name}.key`), port: PORTS + at }, size, endings),
      );
    }
    // SQLite has held the event loop: connections that are too old by now are closed first
    await sleep(SETTLE_MS);
    // the hourly round through all datastores would be measured with what is asked meanwhile
    for (const { app } of sizes) await app.chores.run();
    const found: GrowthRow[] = [];
    for (const each of asked.filter(({ name }) => name.includes(only))) {
      for (const { statements } of sizes) statements.clear();
      const row = await measure(sizes, each, rounds);
      found.push(row);
      onRow(lineOf(kind, row));
      if (explains) for (const size of sizes.slice(1)) await explain(size);
    }
    return found;
  } finally {
    for (const end of endings.reverse()) await end();
  }
}

/** The queries that take more than they may, as a table, and the goal that there are none. */
export function judgeGrowth(kind: Kind, found: readonly GrowthRow[]) {
  const over = found.filter(({ ratio }) => ratio > GOAL);
  const name = `${kind}: queries over ${GOAL} times as long with more rows, of ${found.length}`;
  const goal = { name, measured: over.length, goal: 0, met: over.length === 0 };
  return { lines: over.map((row) => lineOf(kind, row)).join(''), goal };
}

/** Makes databases on a server of its own, or on one that was started before. */
async function newPostgres(
  given: string | undefined,
  endings: (() => Promise<unknown>)[],
): Promise<(name: string) => Promise<string>> {
  const serverUrl = given ?? (await startServer(endings));
  return async (name) => {
    const client = new pg.Client({ connectionString: serverUrl });
    await client.connect();
    const { rows } = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (rows.length === 0) await client.query(`create database ${name}`);
    await client.end();
    return Object.assign(new URL(serverUrl), { pathname: name }).href;
  };
}

async function startServer(endings: (() => Promise<unknown>)[]): Promise<string> {
  const files = await preparePostgres();
  endings.push(() => rm(files.folder, { recursive: true, force: true }));
  // what Postgres' manual says a server of its own should have
  const shared_buffers = `${Math.floor(totalmem() / MEMORY_PARTS / KIB)}kB`;
  const server = await startPostgres({ settings: { shared_buffers, max_wal_size: '8GB' } }, files);
  endings.push(() => server.stop());
  return server.databaseUrl('postgres');
}

function settings(databaseUrl: string, place: { keyFile: string; port: number }) {
  const logger = createLogger({ level: 'silent' });
  return {
    ...place,
    databaseUrl,
    host: '127.0.0.1',
    bootstrap: true,
    egressAllow: [],
    graphiql: 'off',
    logger,
  } as const;
}

async function fill(
  databaseUrl: string,
  place: { keyFile: string; port: number },
  rows: number,
  endings: (() => Promise<unknown>)[],
): Promise<Filled> {
  const statements = new Map<string, readonly unknown[]>();
  const port = place.port + (process.pid % PORT_RANGE);
  const onStatement = (text: string, parameters: readonly unknown[]) => void statements.set(text, parameters);
  const app = await App.open({ ...settings(databaseUrl, { ...place, port }), testing: { onStatement } });
  endings.push(() => app.close());
  const { database } = app;
  const started = performance.now();
  const isFilled = await database.query.selectFrom('datastores').select('id').limit(1).executeTakeFirst();
  if (database.kind === 'postgres') await onPostgres(databaseUrl, rows, isFilled === undefined);
  else {
    const run = (text: string) => sql.raw(text).execute(database.query);
    if (!isFilled) await insertAll(database.kind, rows, run);
    await run('pragma wal_checkpoint(truncate)');
  }
  process.stderr.write(`${rows} filled in ${Math.round((performance.now() - started) / 1_000)} s\n`);
  await app.listen();
  const headersOf = async (name: string, environmentIds: readonly string[] | null) => {
    const token = await app.access.createToken('bench', {
      name: `${name} ${randomUUID()}`,
      scopes,
      environmentIds,
      expiresAt: null,
    });
    return { authorization: `Bearer ${token}` };
  };
  const headers = await headersOf('all', null);
  return { app, rows, headers, tenant: await headersOf('two', [environmentOf(0), environmentOf(1)]), statements };
}

type Run = (text: string) => Promise<unknown>;

/** Fills it, and makes its indexes afterwards, by a connection of its own: the gateway's are never silent so long. */
async function onPostgres(databaseUrl: string, rows: number, isEmpty: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const run: Run = (text) => client.query(text);
  if (isEmpty) {
    await run("set maintenance_work_mem = '256MB'");
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(`
      select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
      where not indisunique and indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)`);
    for (const { name } of indexes) await run(`drop index ${name}`);
    await insertAll('postgres', rows, run);
    // each statement has left it 2,000 versions of a row, where a gateway's changes use the place of the last one again
    await run('vacuum full datastore_counts');
    for (const { definition } of indexes) await run(definition);
  }
  await run('vacuum analyze');
  await readAll(run);
  await client.end();
}

/** Has Postgres read all of it, as one that has been in use for long, and write what it has changed. */
async function readAll(run: Run): Promise<void> {
  await run('create extension if not exists pg_prewarm');
  await run(`select pg_prewarm(oid::regclass) from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')`);
  await run('checkpoint');
}

async function insertAll(kind: Kind, rows: number, run: Run): Promise<void> {
  const step = FILLED_AT_ONCE[kind];
  for (const [table, select] of Object.entries(contents(kind, rows))) {
    const rowsOf = table === 'environments' || table === 'journal_heads' ? rows / IN_ONE_ENVIRONMENT : rows;
    for (let from = 0; from < rowsOf; from += step) {
      const last = Math.min(rowsOf, from + step) - 1;
      const numbers =
        kind === 'postgres'
          ? `(select n::bigint as n from generate_series(${from}, ${last}) as t(n)) as numbers`
          : `(with recursive t(n) as (select ${from} union all select n + 1 from t where n < ${last}) select n from t) as numbers`;
      await run(`insert into ${table} ${select.replaceAll('NUMBERS', numbers)}`);
    }
  }
  // the tests came after the datastores whose last ones they are
  await run(`update datastore_facets set last_test_status =
    (select status from connection_tests where connection_tests.id = datastore_facets.datastore_id)`);
}

function idOf(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

function environmentOf(n: number): string {
  return `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`;
}

/** Each table's columns, and a select of so many rows by their numbers. */
function contents(kind: Kind, rows: number): Readonly<Record<string, string>> {
  const padded = (number: string, length: number) =>
    kind === 'postgres' ? `lpad((${number})::text, ${length}, '0')` : `printf('%0${length}d', ${number})`;
  const id = (number: string) => `'00000000-0000-4000-8000-' || ${padded(number, 12)}`;
  const environment = (number: string) => `'00000000-0000-4000-9000-' || ${padded(number, 12)}`;
  const environments = rows / IN_ONE_ENVIRONMENT;
  const rare = (share: number) => Math.ceil(rows / share);
  const place = environment(
    `case when n % ${IN_THE_FIRST} = 0 then 0 else 1 + (n / ${IN_THE_FIRST}) % ${environments - 1} end`,
  );
  // the order of the labels is another one than that of the ids
  const shuffled = `(n * 7919) % ${rows}`;
  const label = `'Shop ' || ${padded(shuffled, 7)} || ' of the north'`;
  const at = `'2026-02-' || ${padded(`1 + ${shuffled} * 28 / ${rows}`, 2)} || 'T00:00:00.000Z'`;
  const type = `case when n % ${rare(4)} = 7 then 'S3' when n % 10 = 3 then 'MYSQL' else 'POSTGRES' end`;
  const config = `'{"host":"db.example.com","port":5432,"username":"app","database":"shop","schema":"public","tls":{"mode":"VERIFY_FULL"}}'`;
  const now = `'2026-02-01T00:00:00.000Z'`;
  const isRare = (remainder: number) => `n % ${rare(4)} = ${remainder}`;
  return {
    environments: `(id, name, created_at, updated_at, created_by) select ${environment('n')}, 'e' || n, ${now}, ${now}, 'bench' from NUMBERS`,
    journal_heads: `(environment_id, sequence, mac) select ${environment('n')}, ${rows}, '' from NUMBERS`,
    datastores: `(id, environment_id, type, name, label, label_folded, config, secrets, version, created_at, updated_at, created_by, updated_by, last_test_id)
      select ${id('n')}, ${place}, ${type}, 'shop-' || n, ${label}, lower(${label}), ${config}, '[]', 1, ${at}, ${at}, 'bench', 'bench', ${id('n')} from NUMBERS`,
    connection_tests: `(id, datastore_id, datastore_version, environment_id, type, purpose, status, is_stored, requested_by, token_id, checks, plan, created_at, finished_at, deadline_at, event_log)
      select ${id('n')}, ${id('n')}, 1, ${place}, ${type}, 'REQUESTED', case when ${isRare(11)} then 'FAILED' else 'PASSED' end, 1, 'bench', 'bench', '[]', '[]', ${at}, '2999-01-01T00:00:00.000Z', ${at}, '[]' from NUMBERS`,
    datastore_tags: `(datastore_id, key, value) select ${id('n')}, 'team', 'team-' || (n % 10) from NUMBERS
      union all select ${id('n')}, 'tier', 'gold' from NUMBERS where ${isRare(13)}`,
    datastore_usages: `(id, datastore_id, kind, name, registered_at) select ${id('n')}, ${id('n')}, 'dashboard', 'd' || n, ${now} from NUMBERS where ${isRare(17)}`,
    datastore_health: `(datastore_id, status, failures, next_check_at) select ${id('n')}, case when ${isRare(19)} then 'UNHEALTHY' else 'HEALTHY' end, 0, '2999-01-01T00:00:00.000Z' from NUMBERS where n % 3 = 1 or ${isRare(19)}`,
    datastore_revisions: `(datastore_id, version, at, actor, name, label, config, secret_paths, changes) select ${id('n')}, 1, ${at}, 'bench', 'shop-' || n, ${label}, '{}', '[]', '[]' from NUMBERS`,
    journal: `(environment_id, sequence, id, at, kind, action, actor, subject_type, subject_id, detail, mac)
      select ${place}, n + 1, ${id('n')}, ${at}, 'CREATED', 'datastore.create', 'bench', 'datastore', ${id('n')}, '{}', '' from NUMBERS`,
    data_structures: `(id, environment_id, name, strict, fields) select ${id('n')}, ${place}, 's' || n, 0, '[]' from NUMBERS where n % 100 < 5`,
    api_tokens: `(id, name, prefix, hash, scopes, all_environments, created_at, created_by) select ${id('n')}, 't' || n, 'dsg_', 'h' || n, '[]', 1, ${at}, 'bench' from NUMBERS where n % 10 = 0`,
    webhooks: `(id, environment_id, url, events, key_id, wrapped, sealed, created_at, created_by, updated_at, updated_by) select ${id('n')}, ${place}, '', '[]', 'k' || n, 'v1.' || (select id from data_keys limit 1) || '.', '', ${at}, 'bench', ${at}, 'bench' from NUMBERS where n % 1000 = 0`,
    webhook_deliveries: `(id, webhook_id, type, body, created_at, state, attempts, ended_at) select ${id('n')}, ${id('0')}, 'webhook.test', '{}', ${at}, case when ${isRare(23)} then 'DEAD' else 'DELIVERED' end, 1, '2999-01-01T00:00:00.000Z' from NUMBERS where n % 10 = 3 or ${isRare(23)}`,
  };
}

async function measure(
  sizes: readonly Filled[],
  { name, document, variables, asTenant }: Asked,
  rounds: number,
): Promise<GrowthRow> {
  const taken: number[][] = sizes.map(() => []);
  let clocks: readonly (() => number)[] = [];
  for (let round = 0; round < WARM_UP + rounds; round += 1) {
    // by now those that work for it have been started
    if (round === WARM_UP) clocks = await Promise.all(sizes.map(({ app }) => clockOf(app.database)));
    const turns = [...sizes.entries()];
    // the second of two takes over what the first has left to do
    for (const [at, { app, rows, headers, tenant }] of round % 2 === 0 ? turns : turns.toReversed()) {
      const target = { port: Number(new URL(app.url).port), headers: asTenant ? tenant : headers };
      const now = clocks[at] ?? (() => 0);
      const before = now();
      for (let sent = 0; sent < IN_A_TURN; sent += 1) {
        const answer = await send(target, JSON.stringify({ query: document, variables: variables?.(rows) ?? {} }));
        if (answer.includes('"errors"')) throw new Error(`${name}: ${answer}`);
      }
      if (round >= WARM_UP) taken[at]?.push((now() - before) / IN_A_TURN);
    }
  }
  const [small = [], large = []] = taken;
  const ratios = small.map((ms, round) => (large[round] ?? Number.NaN) / ms);
  return { name, smallMs: median(small), largeMs: median(large), ratio: median(ratios) };
}

/**
 * Tells CPU time, which no other program on the machine changes: of this process, in which SQLite works, and of those
 * of Postgres that work for the gateway, where they can be seen; elapsed time otherwise.
 */
async function clockOf({ kind, query }: Database): Promise<() => number> {
  const own = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / MICROS_PER_MS;
  };
  if (kind === 'sqlite') return own;
  const { rows } = await sql<{ pid: number }>`select pid from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend'`.execute(query);
  const files = rows.map(({ pid }) => `/proc/${pid}/schedstat`);
  if (!files.every(existsSync)) return () => performance.now();
  const taken = new Map<string, number>();
  return () => {
    // one that has ended stays with what it took
    for (const file of files.filter(existsSync)) taken.set(file, Number.parseInt(readFileSync(file, 'utf8'), 10));
    return own() + [...taken.values()].reduce((sum, nanos) => sum + nanos, 0) / NANOS_PER_MS;
  };
}

/** Prints how the last statements are answered. */
async function explain({ app: { database }, statements }: Filled): Promise<void> {
  for (const [text, parameters] of statements) {
    if (!/^select\b/.test(text) || !text.includes('datastores')) continue;
    const plan = CompiledQuery.raw(`explain ${database.kind === 'sqlite' ? 'query plan' : ''} ${text}`, [
      ...parameters,
    ]);
    const { rows } = await database.query.executeQuery<Record<string, unknown>>(plan);
    const lines = rows.map((row) => `    ${row.detail ?? row['QUERY PLAN']}\n`);
    process.stdout.write(`  ${text}\n${lines.join('')}`);
  }
}

function lineOf(kind: Kind, { name, smallMs, largeMs, ratio }: GrowthRow): string {
  return `| ${kind} | ${name} | ${smallMs.toFixed(1)} | ${largeMs.toFixed(1)} | ${ratio.toFixed(2)} | ${ratio <= GOAL ? 'met' : 'not met'} |\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    options: {
      rounds: { type: 'string', default: '30' },
      rows: { type: 'string', default: '1000000' },
      only: { type: 'string', default: '' },
      explain: { type: 'boolean', default: false },
      folder: { type: 'string' },
      url: { type: 'string' },
    },
    allowPositionals: true,
  });
  const options = {
    rows: Number(values.rows),
    rounds: Number(values.rounds),
    only: values.only,
    explains: values.explain,
    kept: values.folder,
    postgresUrl: values.url,
  };
  const kinds = positionals.length > 0 ? positionals : ['sqlite', 'postgres'];
  for (const kind of kinds)
    await compareGrowth(kind === 'postgres' ? 'postgres' : 'sqlite', options, (line) => process.stdout.write(line));
}
