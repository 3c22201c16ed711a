/**
 * What putting, reading and paging records costs in a store of 1,000,000 records, beside one of 1,000 of the same
 * gateway: the two take turns, over HTTP, and medians are compared. Then what others wait for while it is deleted.
 *
 *   node bench/records.ts sqlite|postgres [--rounds 500] [--records 1000000]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { sql } from 'kysely';
import { App } from '../src/app.ts';
import { preparePostgres, startPostgres } from '../src/demo/postgres-server.ts';
import { scopes } from '../src/modules/access/access.ts';
import type { Database } from '../src/platform/database/database.ts';
import { createLogger } from '../src/platform/telemetry/logger.ts';

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '500' }, records: { type: 'string', default: '1000000' } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const SMALL = 1_000;
const LARGE = Number(values.records);
/** How many turns come before those that count. */
const WARM_UP = 50;
const SETTLE_MS = 2_000;
const FILLED_AT_ONCE = 100_000;
const PAGE_SIZE = 50;
const KEY_LENGTH = 9;
/** Of 350 bytes. */
const TEXT = 'x'.repeat(330);
const DATA = JSON.stringify({ text: TEXT });
const RECORD_BYTES = DATA.length + KEY_LENGTH;

const documents = {
  put: `mutation ($id: ID!, $key: String!) {
    putRecord(input: { datastoreId: $id, key: $key, data: { text: ${JSON.stringify(TEXT)} } }) { ... on UserError { code } } }`,
  get: `query ($id: ID!, $key: String!) { datastore(id: $id) { ... on ManagedDatastore { record(key: $key) { data } } } }`,
  page: `query ($id: ID!, $after: String!) { datastore(id: $id) { ... on ManagedDatastore {
    records(first: ${PAGE_SIZE}, after: $after) { nodes { key data } pageInfo { endCursor } } } } }`,
} as const;
type Work = keyof typeof documents;

const keyAt = (at: number) => String(at).padStart(KEY_LENGTH, '0');

const folder = await mkdtemp(join(tmpdir(), 'gateway-records-'));
const endings: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })];
try {
  const app = await App.open({
    ...{ host: '127.0.0.1', port: 23_000 + (process.pid % SMALL), bootstrap: true, egressAllow: [], graphiql: 'off' },
    databaseUrl: positionals[0] === 'postgres' ? await newPostgres() : `sqlite:${join(folder, 'gateway.db')}`,
    keyFile: join(folder, 'master.key'),
    logger: createLogger({ level: 'silent' }),
  });
  endings.push(() => app.close());
  await app.listen();
  const grant = { name: 'bench', scopes, environmentIds: null, expiresAt: null };
  const token = await app.access.createToken('bench', grant);
  const sizes = [SMALL, LARGE];
  const stores: Store[] = [];
  for (const size of sizes) stores.push({ id: await newDatastore(app.url, token), size });
  for (const store of stores) await fill(app.database, store);
  // SQLite has held the event loop: connections that are too old by now are closed first
  await sleep(SETTLE_MS);
  for (const work of ['put', 'get', 'page'] as const) await compare(app.url, token, stores, work);
  await remove(app, token, stores);
} finally {
  for (const end of endings.reverse()) await end();
}

async function newPostgres(): Promise<string> {
  const files = await preparePostgres();
  endings.push(() => rm(files.folder, { recursive: true, force: true }));
  const server = await startPostgres({}, files);
  endings.push(() => server.stop());
  return server.databaseUrl('postgres');
}

interface Store {
  readonly id: string;
  readonly size: number;
}

async function newDatastore(url: string, token: string): Promise<string> {
  const made = await ask(url, token, {
    query: `mutation { createDatastore(input: { config: { managed: { maxSizeMb: 1000 } } }) {
      ... on CreateDatastoreSuccess { datastore { id } } } }`,
  });
  return (made as { createDatastore: { datastore: { id: string } } }).createDatastore.datastore.id;
}

/** Fills a store with records and the events of their puts. */
async function fill({ kind, query }: Database, { id, size }: Store): Promise<void> {
  for (let from = 1; from <= size; from += FILLED_AT_ONCE) {
    const [first, last] = [from, Math.min(size, from + FILLED_AT_ONCE - 1)].map((each) => sql.lit(each));
    const numbers =
      kind === 'postgres'
        ? sql`select n from generate_series(${first}::int, ${last}) as t(n)`
        : sql`with recursive t(n) as (select ${first} union all select n + 1 from t where n < ${last}) select n from t`;
    const key =
      kind === 'postgres'
        ? sql`lpad(n::text, ${sql.lit(KEY_LENGTH)}, '0')`
        : sql`printf('%0${sql.lit(KEY_LENGTH)}d', n)`;
    const at = sql.lit(new Date().toISOString());
    await sql`insert into managed_records (datastore_id, key, size, version, updated_at, data)
      select ${sql.lit(id)}, ${key}, ${sql.lit(RECORD_BYTES)}, n, ${at}, ${sql.lit(DATA)}
      from (${numbers}) as numbers`.execute(query);
    await sql`insert into record_events (datastore_id, sequence, at, kind, key, actor)
      select ${sql.lit(id)}, n, ${at}, 'PUT', ${key}, 'bench' from (${numbers}) as numbers`.execute(query);
  }
  const counts = { record_count: size, used_bytes: size * RECORD_BYTES, last_event: size };
  await query.updateTable('managed_stores').set(counts).where('datastore_id', '=', id).execute();
  await (kind === 'postgres'
    ? sql`vacuum analyze managed_records, record_events`
    : sql`pragma wal_checkpoint(truncate)`
  ).execute(query);
}

/** Lets two stores take turns, and prints the medians of what each took. */
async function compare(url: string, token: string, stores: readonly Store[], work: Work): Promise<void> {
  const taken: number[][] = stores.map(() => []);
  for (let round = 0; round < WARM_UP + rounds; round += 1)
    for (const [index, { id, size }] of stores.entries()) {
      const key = keyAt(1 + Math.floor(Math.random() * (size - PAGE_SIZE)));
      const after = Buffer.from(JSON.stringify(['KEY', key])).toString('base64url');
      const started = performance.now();
      await ask(url, token, { query: documents[work], variables: work === 'page' ? { id, after } : { id, key } });
      if (round >= WARM_UP) taken[index]?.push(performance.now() - started);
    }
  const [small = 0, large = 0] = taken.map(median);
  const [one, other, ratio] = [small, large, large / small].map((each) => each.toFixed(2));
  process.stdout.write(`${positionals[0]}, ${work}: ${one} ms of ${SMALL}, ${other} ms of ${LARGE}: × ${ratio}\n`);
}

/** Deletes the large store, and puts records into the small one while the records of the other are removed. */
async function remove(app: App, token: string, [small, large]: readonly Store[]): Promise<void> {
  const started = performance.now();
  await ask(app.url, token, {
    query: `mutation { deleteDatastores(input: { select: { ids: ["${large?.id}"] }, confirmed: true }) {
      ... on UserError { code } } }`,
  });
  const deleted = performance.now();
  let isDone = false;
  const removing = app.chores.run().then(() => {
    isDone = true;
  });
  const taken: number[] = [];
  while (!isDone) {
    const put = performance.now();
    await ask(app.url, token, { query: documents.put, variables: { id: small?.id, key: keyAt(1) } });
    taken.push(performance.now() - put);
  }
  await removing;
  const [at, removed] = [deleted - started, performance.now() - deleted].map((ms) => Math.round(ms));
  const [half, most] = [median(taken), Math.max(...taken)].map((ms) => Math.round(ms));
  process.stdout.write(
    `${positionals[0]}: deleted in ${at} ms, removed in ${removed} ms; puts meanwhile ${half} ms, at most ${most} ms\n`,
  );
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function ask(url: string, token: string, body: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  const { data, errors } = JSON.parse(text) as { data?: unknown; errors?: unknown };
  if (errors !== undefined || text.includes('"code"')) throw new Error(text);
  return data;
}
