import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '../../src/platform/database/database.ts';
import { apiOf } from '../support/api.ts';
import { describeEachGateway } from '../support/each-gateway.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateDatastore, ListDatastores, Progress } from '../support/operations.ts';
import { type Gate, startGate } from '../support/peers/gate.ts';
import { closedPort } from '../support/peers/tarpit.ts';

/** More than fit into what is free within the pages of an empty database. */
const MOST = 100;
const REFUSED = 5;
/** What the gateway goes on writing by itself, in place. */
const TICKING = ['settings'];
/** What SQLite takes for "no limit". */
const NO_LIMIT = 4_294_967_294;

/**
 * Leaves the database no room: SQLite's file may get no page more; Postgres answers each insert as it does when it
 * cannot extend a file. @returns what makes room again
 */
async function fill(database: Database): Promise<() => Promise<void>> {
  const { query } = database;
  if (database.kind === 'sqlite') {
    const limit = async (pages: number) => void (await sql`pragma max_page_count = ${sql.lit(pages)}`.execute(query));
    // a smaller limit than what the file has is taken for that
    await limit(1);
    return () => limit(NO_LIMIT);
  }
  await sql`create function no_room() returns trigger language plpgsql as $$
    begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`.execute(
    query,
  );
  const tables = (await query.introspection.getTables()).filter(({ name }) => !TICKING.includes(name));
  for (const { name } of tables)
    await sql`create trigger no_room before insert on ${sql.table(name)} for each row execute function no_room()`.execute(
      query,
    );
  // it locks one table after the other, as the gateway's own changes do: of a deadlock one of them is made again
  return async () =>
    void (await database.change((change) => sql`drop function no_room() cascade`.execute(change.query)));
}

/** How many rows each table has. */
async function countsOf({ query }: Database): Promise<Record<string, number>> {
  const tables = (await query.introspection.getTables())
    .map(({ name }) => name)
    .filter((name) => !TICKING.includes(name));
  const counts: Record<string, number> = {};
  for (const name of tables) {
    const { rows } = await sql<{ count: number }>`select count(*) as count from ${sql.table(name)}`.execute(query);
    counts[name] = rows[0]?.count ?? 0;
  }
  return counts;
}

describeEachGateway('a database without room', (open) => {
  let gate: Gate;

  beforeAll(async () => {
    gate = await startGate(await closedPort());
  });
  afterAll(() => gate.close());

  test('refuses what it cannot store with UNAVAILABLE and leaves nothing of it, reads, and goes on when there is room', async () => {
    const gateway = await open();
    const { database } = gateway.app;
    const api = apiOf(gateway);
    const environmentId = await api.newEnvironment();
    const config = { postgres: postgresConfig() };
    const draft = { environmentId, config: { postgres: postgresConfig({ port: gate.port }) } };
    const running = (await api.testStarted({ target: { draft }, options: { timeoutMs: 300_000 } })).id;
    await eventually(() => gate.waiting() === 1);
    const makeRoom = await fill(database);

    const create = (name: string) => gateway.execute(CreateDatastore, { input: { environmentId, name, config } });
    const stored = new Set<string>();
    let [refused, full] = [0, {}];
    for (let at = 0; refused < REFUSED; at += 1) {
      expect(at).toBeLessThan(MOST);
      const { data, errors } = await create(`n${at}`);
      if (data?.createDatastore.__typename === 'CreateDatastoreSuccess') stored.add(data.createDatastore.datastore.id);
      else {
        expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['UNAVAILABLE']);
        refused += 1;
        if (refused === 1) full = await countsOf(database);
      }
      // what is small may still fit where what is larger did not
      if (refused > 0 && data) refused = 0;
    }
    expect(await countsOf(database)).toEqual(full);
    const ids = async () => {
      const { datastores } = await gateway.run(ListDatastores, { environmentId, first: MOST });
      return datastores.edges.map(({ node }) => node.id);
    };
    expect(new Set(await ids())).toEqual(stored);
    // the test fails now, and its end has nowhere to go yet
    await gate.close();

    await makeRoom();
    const roomAt = performance.now();
    await eventually(async () => {
      const { data } = await create('after');
      if (data?.createDatastore.__typename !== 'CreateDatastoreSuccess') return false;
      stored.add(data.createDatastore.datastore.id);
      return true;
    });
    const events = (await gateway.follow(Progress, { id: running, after: 0 })).flatMap(({ data }) =>
      data ? [data.connectionTestProgress] : [],
    );
    const recoveryMs = performance.now() - roomAt;
    const ends = events.flatMap(({ test }) => (test.finishedAt ? [test.id] : []));
    const [data, tests] = [comparedWith(stored, await ids()), comparedWith([running], ends)];
    const found = { lost: data.lost + tests.lost, doubled: data.doubled + tests.doubled };
    recordFault({ fault: `${database.kind}: no room on the disk`, times: 1, ...found, recoveryMs });
    expect(found).toEqual({ lost: 0, doubled: 0 });
    expect(ends).toHaveLength(1);
    expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, at) => at + 1));
    expect(new Set(await ids())).toEqual(stored);
  });
});
