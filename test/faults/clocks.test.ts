import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiOf } from '../support/api.ts';
import { newTestDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { comparedWith, recordFault } from '../support/fault-report.ts';
import { type GatewayClient, startGateway } from '../support/gateway.ts';
import { postgresConfig } from '../support/inputs.ts';
import { CreateSessionToken, Progress } from '../support/operations.ts';
import { startProcess } from '../support/own-gateway.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { expectType } from '../support/results.ts';

const FIVE_MINUTES_MS = 300_000;
const TESTS = 20;
/** Each replica looks once a second at what others leave behind, so that in this time each has looked twice. */
const TWO_LOOKS_MS = 2_500;

let target: PostgresServer;

beforeAll(async () => {
  target = await startPostgres();
});

afterAll(() => target.stop());

/** Stands before the target, counts who comes, and lets nobody through until it is opened. */
async function countingGate(port: number) {
  const held: Socket[] = [];
  let count = 0;
  let isOpen = false;
  const pass = (client: Socket) => {
    const server = connect(port, '127.0.0.1');
    for (const socket of [client, server]) socket.on('error', () => socket.destroy());
    client.pipe(server).pipe(client);
  };
  const gate = createServer((client) => {
    count += 1;
    client.on('error', () => client.destroy());
    if (isOpen) pass(client);
    else held.push(client);
  });
  gate.listen(0, '127.0.0.1');
  await once(gate, 'listening');
  return {
    port: (gate.address() as AddressInfo).port,
    count: () => count,
    open() {
      isOpen = true;
      for (const client of held) pass(client);
    },
    close: () => new Promise((resolve) => gate.close(resolve)),
  };
}

test.each([
  ['ahead', FIVE_MINUTES_MS],
  ['behind', -FIVE_MINUTES_MS],
] as const)(
  'a replica whose clock is five minutes %s takes no test from the other one, and ends none',
  async (which, ms) => {
    const { url, remove } = await newTestDatabase('postgres');
    const folder = await mkdtemp(join(tmpdir(), 'gateway-clocks-'));
    const gate = await countingGate(target.port);
    const endings: (() => void)[] = [];
    const right = await startGateway({ databaseUrl: url, folder });
    try {
      const { client: wrong } = await startProcess(url, folder, (undo) => endings.push(undo as () => void), {
        aheadMs: ms,
      });
      const environmentId = await apiOf(right).newEnvironment();
      const { superuser: username, password } = target;
      const config = { postgres: postgresConfig({ port: gate.port, username, password, database: 'postgres' }) };
      const begin = async (client: GatewayClient) => {
        const { id } = await apiOf(client).testStarted({ target: { draft: { environmentId, config } } });
        return id;
      };
      const ids: string[] = [];
      for (const client of [right, wrong]) for (let at = 0; at < TESTS; at += 1) ids.push(await begin(client));
      await eventually(() => gate.count() === ids.length);
      await sleep(TWO_LOOKS_MS);
      gate.open();

      const owners = new Set<string | null>();
      const ends: string[] = [];
      for (const [at, id] of ids.entries()) {
        // the one replica tells how the other one's test went
        const results = await (at < TESTS ? wrong : right).follow(Progress, { id, after: 0 });
        const events = results.flatMap(({ data }) => (data ? [data.connectionTestProgress] : []));
        const last = events.at(-1)?.test;
        ends.push(...events.flatMap(({ test }) => (test.finishedAt ? [id] : [])));
        expect(last).toMatchObject({ status: 'PASSED', attempt: 1, failure: null });
        const { createdAt, startedAt, finishedAt } = last ?? {};
        expect([createdAt, startedAt, finishedAt]).toEqual([createdAt, startedAt, finishedAt].toSorted());
        expect(events.map((event) => event.at)).toEqual(events.map((event) => event.at).toSorted());
        expect(Math.abs(Date.parse(createdAt ?? '') - Date.now())).toBeLessThan(FIVE_MINUTES_MS / 2);
        const row = right.app.database.query.selectFrom('connection_tests').selectAll().where('id', '=', id);
        const { owner, attempt } = await row.executeTakeFirstOrThrow();
        expect(attempt).toBe(1);
        owners.add(owner);
      }
      const fault = `a replica’s clock five minutes ${which}`;
      recordFault({ fault, times: 1, ...comparedWith(ids, ends), recoveryMs: null });
      expect(owners.size).toBe(2);
      expect(gate.count()).toBe(ids.length);

      // what the one says to last an hour, does so for the other
      const input = { scopes: ['DATASTORES_READ' as const], environmentIds: [environmentId], expiresInMinutes: 1 };
      const { createSessionToken } = await wrong.run(CreateSessionToken, { input });
      const session = expectType(createSessionToken, 'CreateSessionTokenSuccess');
      expect(await apiOf(right, session.token).count(environmentId)).toBe(0);
      expect(await apiOf(wrong, session.token).count(environmentId)).toBe(0);
    } finally {
      for (const end of endings) end();
      await right.close();
      await gate.close();
      await rm(folder, { recursive: true, force: true });
      await remove();
    }
  },
);
