import { describe, expect, test } from 'vitest';
import { checkName } from '../../src/connectors/kit/contract/connector.ts';
import { connectors } from '../../src/connectors/registry.ts';
import type { FakeElastic } from '../support/peers/fake-elastic.ts';
import type { FakeMysql } from '../support/peers/fake-mysql.ts';
import type { HttpPeerOptions, PeerRequest } from '../support/peers/http-peer.ts';
import { ownCockroachdbStand } from '../support/stands/cockroachdb.ts';
import { elasticsearchStand } from '../support/stands/elasticsearch.ts';
import { googleCloudStorageStand } from '../support/stands/google-cloud-storage.ts';
import { mongodbStand } from '../support/stands/mongodb.ts';
import { mssqlStand } from '../support/stands/mssql.ts';
import { mysqlStand } from '../support/stands/mysql.ts';
import { opensearchStand } from '../support/stands/opensearch.ts';
import { fakePostgresStand } from '../support/stands/postgres.ts';
import { ownRedshiftStand } from '../support/stands/redshift.ts';
import { s3Stand } from '../support/stands/s3.ts';
import { singlestoreStand } from '../support/stands/singlestore.ts';
import type { Stand, StandPeer } from '../support/stands/stand.ts';
import { useStand } from '../support/use-stand.ts';

/* What a check writes and a test that ends in between cannot delete any more goes with the end of the test. */

type Step = 'write' | 'remove';

/** Tells of each step that a peer has taken whether its answer is kept back. */
type Stalls = (step: Step) => boolean;

interface Scene<Options extends object, Peer extends StandPeer> {
  readonly stand: Stand<Options, Peer>;
  readonly method: string;
  readonly options: (stalls: Stalls) => Options;
  /** The names of what the check has written that are there now. */
  readonly left: (peer: Peer) => readonly string[];
}

const isTest = (name: string) => /^(dsg_test_|datastore-gateway-test-)/.test(name);
const ofRequest = (stalls: Stalls): HttpPeerOptions => ({
  stalls: ({ method, path }: PeerRequest) =>
    (method === 'DELETE' && stalls('remove')) ||
    (['PUT', 'POST'].includes(method) && /-test-[\da-f-]+$|\/upload\//.test(path) && stalls('write')),
});
const ofStatement = (stalls: Stalls) => {
  let isMade = false;
  return {
    stalls(sql: string) {
      const isWrite = sql.startsWith('create schema');
      isMade ||= isWrite;
      // MySQL's check begins with a drop
      return isWrite ? stalls('write') : isMade && sql.startsWith('drop schema') && stalls('remove');
    },
  };
};
const elastic = (stand: Stand<object, FakeElastic>) =>
  scene({ stand, method: 'document/index', options: ofRequest, left: (peer) => peer.indices().filter(isTest) });
const mysql = (stand: Stand<object, FakeMysql>) =>
  scene({ stand, method: 'schema/create', options: ofStatement, left: (peer) => peer.schemas() });

const scenes = [
  scene({
    stand: s3Stand,
    method: 'object/put',
    options: ofRequest,
    left: (peer) => peer.keys('my-data').filter(isTest),
  }),
  scene({
    stand: googleCloudStorageStand,
    method: 'object/put',
    options: ofRequest,
    left: (peer) => peer.objects('my-data').filter(isTest),
  }),
  elastic(elasticsearchStand),
  elastic(opensearchStand),
  mysql(mysqlStand),
  mysql(singlestoreStand),
  scene({
    stand: ownCockroachdbStand,
    method: 'schema/create',
    options: ofStatement,
    left({ statements }) {
      const named = (start: string) => statements.filter((each) => each.startsWith(start)).length;
      return named('create schema') > 0 && named('drop schema') === 0 ? ['a schema'] : [];
    },
  }),
  scene({
    stand: mongodbStand,
    method: 'document/insert',
    options: (stalls) => ({
      stalls: (command) => (command === 'insert' && stalls('write')) || (command === 'drop' && stalls('remove')),
    }),
    left: (peer) => peer.collections('shop').filter(isTest),
  }),
];

/** Forgets the types of a scene, which belong to one another. */
function scene<Options extends object, Peer extends StandPeer>({ stand, method, options, left }: Scene<Options, Peer>) {
  return {
    name: checkName(stand.connector, { name: method }),
    method,
    use() {
      const { start, tryAt } = useStand(stand);
      return {
        async begin(stalls: Stalls) {
          const peer = await start(options(stalls));
          return {
            left: () => left(peer),
            run: (how: Parameters<typeof tryAt>[2]) => tryAt(peer, {}, { ...how, methods: [method] }),
          };
        },
      };
    },
  };
}

/** On a busy machine a clean-up may take longer than the second that it has. */
const PATIENT = { cleanUpMs: 20_000, deadline: 60_000 };

describe.each(scenes)('$name', ({ use }) => {
  const { begin } = use();

  /** Runs the check until an answer of the peer's is kept back: the first one alone, or all from then on. */
  const runUntil = async (
    step: Step,
    isForEver: boolean,
    how: { readonly cancel?: AbortSignal; expire?: AbortSignal },
  ) => {
    const stalled = Promise.withResolvers<void>();
    let times = 0;
    const { left, run } = await begin((taken) => {
      if (times === 0 && taken !== step) return false;
      times += 1;
      stalled.resolve();
      return isForEver || times === 1;
    });
    const outcome = run({ ...PATIENT, ...(isForEver ? { cleanUpMs: 400 } : {}), ...how });
    await stalled.promise;
    return { left, outcome };
  };

  test.each([
    ['cancelled', 'write', 'cancel'],
    ['too slow', 'remove', 'expire'],
  ] as const)('nothing is left when the test is %s at the %s', async (_title, step, how) => {
    const end = new AbortController();
    const { left, outcome } = await runUntil(step, false, { [how]: end.signal });
    end.abort();
    expect(await outcome).toMatchObject({ failure: { code: how === 'cancel' ? 'CANCELLED' : 'TIMEOUT' }, log: [] });
    expect(left()).toEqual([]);
  });

  test('what may be left is told by its name', async () => {
    const end = new AbortController();
    const { outcome } = await runUntil('remove', true, { cancel: end.signal });
    end.abort();
    const { log } = await outcome;
    expect(log.join('\n')).toMatch(
      /(object|index|schema|collection) [`"]?(dsg_test_|datastore-gateway-test-)[\da-f-]{32,}/,
    );
  });
});

/* What is written in a transaction goes with the connection: those servers roll back by themselves. */

const answer = () => [{ one: 1 }];
const rolledBack = [
  { stand: fakePostgresStand, options: { answer }, changes: {} },
  { stand: ownRedshiftStand, options: {}, changes: {} },
  { stand: mssqlStand, options: {}, changes: { username: 'builder' } },
].map(({ stand, ...rest }) => ({
  name: checkName(stand.connector, { name: 'schema/create' }),
  used: useStand<object, StandPeer & { readonly statements: readonly string[] }>(stand),
  ...rest,
}));

test.each(rolledBack)('$name writes in a transaction that it never commits', async ({ used, options, changes }) => {
  const peer = await used.start(options);
  const { failure } = await used.tryAt(peer, changes, { methods: ['schema/create'] });
  expect(failure).toBeNull();
  const [begin = -1, create = -1] = [/^begin/, /^create schema/].map((start) =>
    peer.statements.findIndex((each) => start.test(each)),
  );
  expect(begin).toBeGreaterThanOrEqual(0);
  expect(create).toBeGreaterThan(begin);
  expect(peer.statements.filter((each) => /^commit/.test(each))).toEqual([]);
});

test('every check that writes is tried', () => {
  // what the gateway keeps itself is at no other side: managed-data.test.ts has the check of that
  const connecting = connectors.filter(({ runsInGateway }) => !runsInGateway);
  const writing = connecting.flatMap((connector) =>
    connector.checks.filter(({ writes }) => writes).map((check) => checkName(connector, check)),
  );
  // clean-up.test.ts has Athena's query, whose result stays as its description says
  const tried = [...[...scenes, ...rolledBack].map(({ name }) => name), 'athena/query/execute'];
  expect(writing.toSorted()).toEqual(tried.toSorted());
});
