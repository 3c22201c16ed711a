import { describe, expect, test } from 'vitest';
import type { StatefulPeer } from '../support/peers/http-peer.ts';
import { athenaStand } from '../support/stands/athena.ts';
import { bigqueryStand } from '../support/stands/bigquery.ts';
import { clickhouseStand } from '../support/stands/clickhouse.ts';
import { databricksStand } from '../support/stands/databricks.ts';
import { snowflakeStand, WAYS } from '../support/stands/snowflake.ts';
import type { Changes, Stand } from '../support/stands/stand.ts';
import { trinoStand } from '../support/stands/trino.ts';
import type { TestConnectionOptions } from '../support/test-connection.ts';
import { useStand } from '../support/use-stand.ts';

/* What a test has begun at the other side ends with it, however it ends, and what it waits for is named. */

interface Scene {
  readonly stand: Stand<object, StatefulPeer>;
  /** What makes the peer take the statement and never end it, with each answer at once. */
  readonly stuck: object;
  readonly changes?: Changes;
  readonly how?: TestConnectionOptions;
  /** How many statements and sessions there are while the test waits. */
  readonly begun: number;
  /** The answer comes with the end of the statement: nothing is asked again. */
  readonly asksOnce?: true;
  /** What the failure of a late timeout names. */
  readonly names: { readonly configPath: string | null; readonly hint: RegExp };
}

const FOR_EVER = { slowBy: 1_000_000 };
const QUERY = { methods: ['query/execute'] };
const scenes: Record<string, Scene> = {
  'Snowflake, a session': {
    stand: snowflakeStand,
    stuck: FOR_EVER,
    begun: 2,
    names: { configPath: 'warehouse', hint: /warehouse is starting/ },
  },
  'Snowflake, its SQL API': {
    stand: snowflakeStand,
    stuck: FOR_EVER,
    changes: { authentication: WAYS.keyPair },
    begun: 1,
    names: { configPath: 'warehouse', hint: /warehouse is starting/ },
  },
  'Trino, in the queue': {
    stand: trinoStand,
    stuck: { stuckAs: 'QUEUED' },
    begun: 1,
    names: { configPath: null, hint: /in a queue/ },
  },
  'Trino, running': {
    stand: trinoStand,
    stuck: { stuckAs: 'RUNNING' },
    begun: 1,
    names: { configPath: null, hint: /still at the query/ },
  },
  Databricks: {
    stand: databricksStand,
    stuck: FOR_EVER,
    begun: 1,
    names: { configPath: 'httpPath', hint: /it is starting, or full/ },
  },
  'Athena, in the queue': {
    stand: athenaStand,
    stuck: { ...FOR_EVER, stuckAs: 'QUEUED' },
    how: QUERY,
    begun: 1,
    names: { configPath: 'workgroup', hint: /in a queue/ },
  },
  'Athena, running': {
    stand: athenaStand,
    stuck: FOR_EVER,
    how: QUERY,
    begun: 1,
    names: { configPath: 'workgroup', hint: /still at the query/ },
  },
  BigQuery: {
    stand: bigqueryStand,
    stuck: FOR_EVER,
    how: { catalog: true },
    begun: 1,
    names: { configPath: null, hint: /still at it/ },
  },
  ClickHouse: {
    stand: clickhouseStand,
    stuck: { isStuck: true },
    begun: 1,
    asksOnce: true,
    names: { configPath: null, hint: /starting, asleep or busy/ },
  },
};
/** On a busy machine a clean-up may take longer than the second that it has. */
const PATIENT = { cleanUpMs: 20_000, deadline: 60_000 };

describe.each(Object.entries(scenes))('%s', (_title, { stand, stuck, changes, how, begun, asksOnce, names }) => {
  const { start, tryAt } = useStand(stand);

  /** Runs the test until its statement has begun. */
  const begin = async (ending: Partial<TestConnectionOptions>) => {
    const peer = await start(stuck);
    const outcome = tryAt(peer, changes, { ...PATIENT, ...how, ...ending });
    await expect.poll(() => peer.left()).toHaveLength(begun);
    return { peer, outcome };
  };

  test('nothing is left when the test is cancelled', async () => {
    const abort = new AbortController();
    const { peer, outcome } = await begin({ cancel: abort.signal });
    abort.abort();
    expect((await outcome).status).toBe('CANCELLED');
    expect(peer.left()).toEqual([]);
  });

  test('nothing is left when the time is over, and what was waited for is named', async () => {
    const expire = new AbortController();
    const { peer, outcome } = await begin({ expire: expire.signal });
    const before = peer.requests.length;
    // the state of the statement has been heard of by then
    if (!asksOnce) await expect.poll(() => peer.requests.length).toBeGreaterThan(before + 2);
    expire.abort();
    const { failure, log } = await outcome;
    expect(failure).toMatchObject({
      code: 'TIMEOUT',
      configPath: names.configPath,
      hint: expect.stringMatching(names.hint),
    });
    expect(failure?.hint).not.toMatch(/firewall/);
    expect(peer.left()).toEqual([]);
    expect(log).toEqual([]);
  });

  test('nothing is left when all goes well', async () => {
    const peer = await start();
    const { status } = await tryAt(peer, changes, { ...PATIENT, ...how });
    expect(status).toBe('PASSED');
    expect(peer.left()).toEqual([]);
    expect(peer.requests.filter(({ path, body }) => /cancel|abort|kill query/.test(`${path} ${body}`))).toEqual([]);
  });
});

const polling = Object.entries(scenes).filter(([, { asksOnce }]) => !asksOnce);

describe.each(polling)('%s', (_title, { stand, stuck, changes, how }) => {
  const { start, tryAt } = useStand(stand);

  test('a peer that answers at once is not asked at once again', async () => {
    const peer = await start(stuck);
    const { failure } = await tryAt(peer, changes, { ...how, deadline: 800 });
    expect(failure?.code).toBe('TIMEOUT');
    expect(peer.requests.length).toBeLessThan(40);
  });
});
